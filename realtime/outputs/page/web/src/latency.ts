// How old the last frames were when they were judged, by stage, against the deadline.

import { at, context, element, fit, show } from "./dom.ts";
import type { FrameWord, Plan } from "./wire.ts";

const BAR_PX = 7;
const COLOURS = ["#4f8fd6", "#5fc0b4", "#d9a34a", "#b77fd1", "#d9727f", "#7d8b99", "#98c75c", "#5c7fb0"];
const LATE = "#ff5252";

export class Latency {
  #canvas = at<HTMLCanvasElement>("strip");
  #stages: string[] = [];

  get nBars(): number {
    return Math.max(20, Math.floor(this.#canvas.clientWidth / BAR_PX));
  }

  draw(frames: FrameWord[], plan: Plan | null): void {
    const deadline_ms = plan?.frame_deadline_ms ?? Math.max(100, ...frames.map((one) => one.age_ms));
    this.#know(frames);
    fit(this.#canvas, this.#canvas.clientWidth, this.#canvas.clientHeight);
    const on = context(this.#canvas);
    const { width, height } = this.#canvas;
    on.clearRect(0, 0, width, height);
    const full_ms = 1.15 * deadline_ms;
    const step = BAR_PX * devicePixelRatio;
    frames.slice(-this.nBars).forEach((frame, n) => {
      this.#bar(on, frame, n * step, step - 2 * devicePixelRatio, (ms) => height * (1 - Math.min(ms / full_ms, 1)));
    });
    const y = height * (1 - deadline_ms / full_ms);
    on.fillStyle = "#e6edf3";
    on.fillRect(0, y, width, devicePixelRatio);
    on.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    on.textAlign = "right";
    on.textBaseline = "top";
    on.fillText(`deadline ${deadline_ms.toFixed(0)} ms`, width - 2, y + 3 * devicePixelRatio);
    this.#say(frames, deadline_ms, plan !== null);
  }

  #bar(on: CanvasRenderingContext2D, frame: FrameWord, x: number, width: number, y: (ms: number) => number): void {
    const bottom = y(0);
    if (frame.outcome !== "COMPUTED") {
      on.fillStyle = LATE;
      on.fillRect(x, 0, width, bottom);
      return;
    }
    on.fillStyle = "#37434e";
    on.fillRect(x, y(frame.age_ms), width, bottom - y(frame.age_ms));
    let sum_ms = 0;
    for (const [stage, ms] of Object.entries(frame.stage_ms ?? {})) {
      const from = Math.min(sum_ms, frame.age_ms);
      sum_ms += ms;
      const to = Math.min(sum_ms, frame.age_ms);
      on.fillStyle = COLOURS[this.#stages.indexOf(stage) % COLOURS.length]!;
      on.fillRect(x, y(to), width, y(from) - y(to));
    }
  }

  #know(frames: FrameWord[]): void {
    const stages = Object.keys(frames.at(-1)?.stage_ms ?? {});
    if (stages.every((one) => this.#stages.includes(one))) return;
    this.#stages = [...new Set([...this.#stages, ...stages])];
    at("latency-key").replaceChildren(...[...this.#stages, "other", "late or fault"].map((name, n) => {
      const item = element("span");
      const index = n < this.#stages.length ? String(n % COLOURS.length) : name.startsWith("late") ? "late" : "rest";
      item.append(element("i", "", `swatch stage-${index}`), name.replaceAll("_", " "));
      return item;
    }));
  }

  #say(frames: FrameWord[], deadline_ms: number, isPromised: boolean): void {
    const ages = frames.filter((one) => one.outcome === "COMPUTED").map((one) => one.age_ms).sort((a, b) => a - b);
    const n_late = frames.length - ages.length;
    const measured = ages.length ? `median ${ages[Math.floor(ages.length / 2)]!.toFixed(0)} ms, worst ${ages.at(-1)!.toFixed(0)} ms` : "none in time";
    const text = !frames.length ? "no frame yet" : `last ${frames.length} frames: ${measured}`
      + (isPromised ? ` of ${deadline_ms} ms` : "") + (n_late ? `; ${n_late} late or at fault` : "");
    show("latency-text", text);
    if (this.#canvas.ariaLabel !== text) this.#canvas.ariaLabel = text;
  }
}
