// The frames of one run, for the charts: each once, in order, from history and as they come.

import { Ring } from "./ring.ts";
import type { FrameWord, RegionReading } from "./wire.ts";

export const MOST_FRAMES = 4000;

export class Course {
  #rows = new Ring<FrameWord>(MOST_FRAMES);
  #start_s: number | null = null;
  #isScannerTime = false; // whose time #start_s is
  #readings = new Map<string, { reading: RegionReading; heardMs: number }>();

  // Each region's newest figures: a frame tells of the regions that its slice shows. Those that the
  // frames of `holdMs` did not renew are not known any more, though other regions are.
  readings(holdMs: number): RegionReading[] {
    const since = (this.last?.heard_ms ?? 0) - holdMs;
    return [...this.#readings.values()].map(({ reading, heardMs }) => (heardMs < since ? unknown(reading) : reading));
  }

  get frames(): FrameWord[] {
    return this.#rows.all();
  }

  get last(): FrameWord | undefined {
    return this.#rows.last;
  }

  newest(n: number): FrameWord[] {
    return this.#rows.newest(n);
  }

  clear(): void {
    this.#rows.clear();
    this.#readings.clear();
    this.#start_s = null;
  }

  add(frame: FrameWord): boolean {
    if (this.last && frame.frame_id <= this.last.frame_id) return false;
    this.#rows.push(frame);
    for (const one of frame.regions) if (one.n_pixels > 0) this.#readings.set(one.name, { reading: one, heardMs: frame.heard_ms });
    return true;
  }

  // What a newcomer is told; frames that were heard since then stay.
  addHistory(rows: FrameWord[]): void {
    const heard = this.frames;
    this.clear();
    for (const frame of [...rows, ...heard].sort((a, b) => a.frame_id - b.frame_id)) this.add(frame);
  }

  // The frames that have a place in time, and their seconds since the first that was drawn here.
  // Scanner time where there is one: two clocks are never mixed, so a frame without it is left out.
  get charted(): { frames: FrameWord[]; times_s: number[] } {
    const frames: FrameWord[] = [];
    const times_s: number[] = [];
    const all = this.frames;
    const hasClock = all.some((frame) => typeof frame.time_s === "number");
    if (hasClock !== this.#isScannerTime) this.#start_s = null; // the first frames may have been late, without a time
    this.#isScannerTime = hasClock;
    for (const frame of all) {
      const now_s = hasClock ? frame.time_s : frame.heard_ms / 1000;
      if (typeof now_s !== "number") continue;
      this.#start_s ??= now_s;
      if (times_s.length && now_s - this.#start_s < times_s.at(-1)!) continue; // a clock that stepped back
      frames.push(frame);
      times_s.push(now_s - this.#start_s);
    }
    return { frames, times_s };
  }
}

function unknown({ name, role, n_pixels }: RegionReading): RegionReading {
  return { name, role, n_pixels, n_valid: 0 };
}

// Part of the frames in which the beam was on; null where that is not told.
export function duty(frames: FrameWord[]): number | null {
  const told = frames.filter((one) => typeof one.motion?.is_beam_on === "boolean");
  return told.length ? told.filter((one) => one.motion!.is_beam_on).length / told.length : null;
}
