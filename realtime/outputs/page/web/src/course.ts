// The frames of one run, for the charts: each once, in order, from history and as they come.

import { Ring } from "./ring.ts";
import type { FrameWord } from "./wire.ts";

export const MOST_FRAMES = 4000;

export class Course {
  #rows = new Ring<FrameWord>(MOST_FRAMES);
  #start_s: number | null = null;

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
    this.#start_s = null;
  }

  add(frame: FrameWord): boolean {
    if (this.last && frame.frame_id <= this.last.frame_id) return false;
    this.#rows.push(frame);
    return true;
  }

  // What a newcomer is told; frames that were heard since then stay.
  addHistory(rows: FrameWord[]): void {
    const heard = this.frames;
    this.clear();
    for (const frame of [...rows, ...heard].sort((a, b) => a.frame_id - b.frame_id)) this.add(frame);
  }

  timeOf(frame: FrameWord): number | null {
    const first = this.frames[0];
    return first ? this.times([first, frame])[1]! : null;
  }

  // Seconds since the first frame that was ever drawn here: scanner time where there is one.
  times(frames: FrameWord[]): number[] {
    const of = (frame: FrameWord) => frame.time_s ?? frame.heard_ms / 1000;
    if (this.#start_s === null && frames[0]) this.#start_s = of(frames[0]);
    return frames.map((frame) => of(frame) - this.#start_s!);
  }
}

// Part of the frames in which the beam was on; null where that is not told.
export function duty(frames: FrameWord[]): number | null {
  const told = frames.filter((one) => typeof one.motion?.is_beam_on === "boolean");
  return told.length ? told.filter((one) => one.motion!.is_beam_on).length / told.length : null;
}
