// What is heard: bursts by priority (the pattern of IEC 60601-1-8; no claim of conformity), and a pause.

import { isMoreUrgent } from "./alert_order.ts";
import { at } from "./dom.ts";
import { clock } from "./words.ts";
import type { Priority } from "./wire.ts";

const PAUSE_MS = 120_000;
const PULSE_S = 0.15;
const BURSTS: Record<Priority, { starts_s: number[]; pitch_hz: number; every_ms: number }> = {
  high: { starts_s: [0, 0.25, 0.5, 0.95, 1.2, 1.95, 2.2, 2.45, 2.9, 3.15], pitch_hz: 784, every_ms: 7000 },
  medium: { starts_s: [0, 0.35, 0.7], pitch_hz: 587, every_ms: 12_000 },
  low: { starts_s: [0, 0.4], pitch_hz: 440, every_ms: 30_000 },
};

export class Tone {
  #sound: AudioContext | null = null;
  #pausedUntilMs = 0;
  #pausedAt: Priority | null = null;
  #priority: Priority | null = null;
  #playedMs = -Infinity;
  #button = at<HTMLButtonElement>("audio");

  constructor() {
    this.#button.addEventListener("click", () => this.#press());
  }

  // What is to be heard now: the most urgent alert that nobody has seen.
  heed(priority: Priority | null): void {
    const nowMs = performance.now();
    if (isMoreUrgent(priority, this.#priority)) this.#playedMs = -Infinity;
    // what is worse than what was silenced is heard
    if (nowMs < this.#pausedUntilMs && isMoreUrgent(priority, this.#pausedAt)) this.#pausedUntilMs = 0;
    this.#priority = priority;
    this.#show(nowMs);
    if (!priority || nowMs < this.#pausedUntilMs || this.#sound?.state !== "running") return;
    if (nowMs - this.#playedMs < BURSTS[priority].every_ms) return;
    this.#playedMs = nowMs;
    this.#play(priority);
  }

  // A browser lets a page sound only once somebody has touched it.
  #press(): void {
    if (this.#sound?.state !== "running") {
      this.#sound ??= new AudioContext();
      this.#sound.onstatechange = () => this.#show(performance.now());
      void this.#sound.resume();
    } else if (performance.now() < this.#pausedUntilMs) {
      this.#pausedUntilMs = 0;
    } else {
      this.#pausedUntilMs = performance.now() + PAUSE_MS;
      this.#pausedAt = this.#priority;
    }
    this.#show(performance.now());
  }

  #show(nowMs: number): void {
    const leftMs = this.#pausedUntilMs - nowMs;
    const state = this.#sound?.state !== "running" ? "blocked" : leftMs > 0 ? "paused" : "on";
    const text = { blocked: "Turn sound on", paused: `AUDIO PAUSED ${clock(leftMs)}`, on: "Pause audio" }[state];
    if (this.#button.textContent !== text) this.#button.textContent = text;
    this.#button.dataset["sound"] = state;
    this.#button.dataset["priority"] = this.#priority ?? "";
  }

  #play(priority: Priority): void {
    const sound = this.#sound!;
    const { starts_s, pitch_hz } = BURSTS[priority];
    for (const start_s of starts_s) {
      const begin = sound.currentTime + 0.05 + start_s;
      const volume = sound.createGain();
      volume.connect(sound.destination);
      volume.gain.setValueAtTime(0, begin);
      volume.gain.linearRampToValueAtTime(0.2, begin + 0.02);
      volume.gain.setValueAtTime(0.2, begin + PULSE_S - 0.03);
      volume.gain.linearRampToValueAtTime(0, begin + PULSE_S);
      for (const [harmonic, part] of [[1, 0.6], [2, 0.25], [3, 0.15]] as const) {
        const pulse = sound.createOscillator();
        const share = sound.createGain();
        pulse.frequency.value = pitch_hz * harmonic;
        share.gain.value = part;
        pulse.connect(share).connect(volume);
        pulse.start(begin);
        pulse.stop(begin + PULSE_S);
      }
    }
  }
}
