// What may still be believed, by this browser's own clock. All times in ms of performance.now().

import type { Beat, PermitWord } from "./wire.ts";

export const LOOK_MS = 50;

export class Freshness {
  #provedMs = -Infinity;

  // A beat carries the stamp, by this browser's clock, of what it answers: it was sent after that,
  // wherever it waited on its way.
  hear(beat: Pick<Beat, "echo_ms" | "silent_ms">): void {
    if (beat.echo_ms === null || beat.silent_ms === null) return;
    this.#provedMs = Math.max(this.#provedMs, beat.echo_ms - beat.silent_ms);
  }

  // The line is down: nothing proves anything until it is up again.
  lose(nowMs: number, staleMs: number): void {
    this.#provedMs = Math.min(this.#provedMs, nowMs - staleMs);
  }

  // How long ago the monitor's last word was said at the latest.
  ageMs(nowMs: number): number {
    return nowMs - this.#provedMs;
  }

  // One look earlier, so that it is told within the time and not just after it.
  isStale(nowMs: number, staleMs: number): boolean {
    return this.ageMs(nowMs) > staleMs - LOOK_MS;
  }

  // Age of what the server heard at `heardMs` of its clock: what it was when the last beat was true,
  // and what has passed since.
  ageOfMs(heardMs: number, beat: Pick<Beat, "now_ms">, nowMs: number): number {
    return Math.max(0, beat.now_ms - heardMs) + this.ageMs(nowMs);
  }
}

export interface Belief {
  isGranted: boolean;
  leftMs: number;
  reason: string;
}

// The permit is told at once when it changes, and never believed longer than the beats are.
export function believe(permit: PermitWord | null, ageMs: number, isStale: boolean): Belief {
  const leftMs = permit ? permit.left_ms - ageMs : 0;
  const isGranted = !isStale && permit?.state === "GRANTED" && leftMs > 0;
  if (isGranted) return { isGranted, leftMs, reason: "" };
  const reason = isStale ? "this page is not live" : permit?.reason || "the lease lapsed";
  return { isGranted: false, leftMs: 0, reason };
}
