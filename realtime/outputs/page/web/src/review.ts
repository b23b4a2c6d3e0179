// The time line of a recording: to scrub, to play.

import { at, show } from "./dom.ts";
import type { Link } from "./link.ts";
import type { Recorded } from "./wire.ts";

const ALIKE_MS = 200; // pace where the recording has no times
const LEAST_MS = 40;
const ANSWER_MS = 500; // then the next question goes
const LONGEST_MS = 2000; // a pause of the recording is not waited for

export class Review {
  #link: Link;
  #recorded: Recorded | null = null;
  #slider = at<HTMLInputElement>("seek");
  #play = at<HTMLButtonElement>("play");
  #timer = 0;
  #wanted: number | null = null;
  #askedMs = -Infinity;

  constructor(link: Link) {
    this.#link = link;
    this.#slider.addEventListener("input", () => {
      this.#stop();
      this.#seek(this.#slider.valueAsNumber);
    });
    this.#play.addEventListener("click", () => (this.#timer ? this.#stop() : this.#step()));
    document.addEventListener("keydown", (event) => {
      if (!this.#recorded || event.target !== document.body) return;
      const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (by !== undefined) this.#seek(this.#slider.valueAsNumber + by);
      else if (event.key === " ") this.#play.click();
      else return;
      event.preventDefault();
    });
  }

  get isOn(): boolean {
    return this.#recorded !== null;
  }

  know(recorded: Recorded | null): void {
    this.#recorded = recorded;
    this.#askedMs = -Infinity;
    at("review").hidden = !recorded;
    if (!recorded) return this.#stop();
    this.#slider.max = String(Math.max(0, recorded.n_frames - 1));
    this.#seek(Math.min(this.#slider.valueAsNumber, recorded.n_frames - 1));
  }

  // One question at a time: the next goes when the last was answered, be there a picture or none.
  answered(): void {
    this.#askedMs = -Infinity;
    if (this.#wanted !== null) this.#seek(this.#wanted);
  }

  #seek(to: number): void {
    if (!this.#recorded) return;
    const frame = Math.min(Math.max(to, 0), this.#recorded.n_frames - 1);
    this.#slider.value = String(frame);
    const time_s = this.#recorded.times_s[frame];
    const text = `frame ${frame + 1} of ${this.#recorded.n_frames}${time_s == null ? "" : `, ${(time_s - (this.#recorded.times_s[0] ?? 0)).toFixed(1)} s`}`;
    show("seek-at", text);
    this.#slider.setAttribute("aria-valuetext", text);
    const nowMs = performance.now();
    const isFree = nowMs - this.#askedMs > ANSWER_MS;
    this.#wanted = isFree ? null : frame;
    if (isFree && this.#link.seek(frame)) this.#askedMs = nowMs;
  }

  #step(): void {
    const times = this.#recorded!.times_s;
    let frame = this.#slider.valueAsNumber;
    if (frame >= this.#recorded!.n_frames - 1) frame = -1;
    this.#seek(frame + 1);
    const [from, to] = [times[frame + 1], times[frame + 2]];
    const wait_ms = from == null || to == null ? ALIKE_MS : (to - from) * 1000;
    const isLast = frame + 2 >= this.#recorded!.n_frames;
    this.#timer = isLast ? 0 : window.setTimeout(() => this.#step(), Math.min(Math.max(wait_ms, LEAST_MS), LONGEST_MS));
    this.#say();
  }

  #stop(): void {
    window.clearTimeout(this.#timer);
    this.#timer = 0;
    this.#say();
  }

  #say(): void {
    this.#play.textContent = this.#timer ? "Pause" : "Play";
    this.#play.ariaPressed = String(this.#timer !== 0);
  }
}
