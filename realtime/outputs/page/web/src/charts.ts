// Temperature, dose and σ against time; for a moving target its place, what lies outside, and the dose.

import { Chart, edge, line, type Columns, type Line } from "./chart.ts";
import { doses, limitsOf, mainAxis, motions, stds, temperatures } from "./columns.ts";
import type { Course } from "./course.ts";
import { duty } from "./course.ts";
import { at } from "./dom.ts";
import { DoseVolume } from "./dose_volume.ts";
import { isGoal } from "./overlay.ts";
import type { FrameWord, Limit, Plan, Region, RegionReading } from "./wire.ts";
import { amount, number } from "./words.ts";

const HELD = "#f05a5a";
const BEAM = "#3ddc84";
const GATE = "#ffd54a";
const [MAX, MEAN, DOSE, LEAST, STD] = ["#ff8a4c", "#ffd9a8", "#c58bff", "#9a86c4", "#8fd3ff"] as const;
const [HERE, SOON] = ["#00ffff", "#ff9d5c"] as const;

export class Charts {
  #plan: Plan | null = null;
  #kind = "";
  #charts: Chart[] = [];
  #volumes: DoseVolume | null = null;
  #select = at<HTMLSelectElement>("chart-region");

  know(plan: Plan | null): void {
    this.#plan = plan;
  }

  // shown: the frame of a recording that is being looked at, null where the newest is.
  draw(course: Course, readings: RegionReading[], shown: FrameWord | null): void {
    const { frames, times_s } = course.charted;
    const until = shown ? frames.slice(0, frames.findLastIndex((frame) => frame.frame_id <= shown.frame_id) + 1) : frames;
    const markAt = (shown && times_s[until.length - 1]) ?? null;
    const isMoving = this.#plan?.therapy === "mrlinac" || frames.some((frame) => frame.motion);
    if (isMoving) this.#drawMotion(frames, times_s, until, shown ?? frames.at(-1), markAt);
    else this.#drawHeat(frames, times_s, readings, markAt);
  }

  #begin(kind: string, make: () => HTMLElement[]): void {
    if (kind === this.#kind) return;
    this.#kind = kind;
    at("plots").dataset["kind"] = kind;
    at("plots").replaceChildren(...make());
  }

  #drawHeat(frames: FrameWord[], x: number[], readings: RegionReading[], markAt: number | null): void {
    this.#begin("heat", () => {
      this.#charts = heatCharts();
      return this.#charts.map((one) => one.figure);
    });
    const region = this.#region(this.#plan?.regions ?? readings);
    const limits = this.#plan?.limits ?? [];
    const now = readings.find((one) => one.name === region);
    const held = { colour: HELD, isOn: frames.map((frame) => frame.permit === "HELD") };
    const [heat, dose, std] = this.#charts;
    heat!.draw([x, ...temperatures(frames, region)], drawn(limitsOf(limits, region, "temperature_c", "temperature_mean_c")), [held],
      [
        { text: `max ${number(now?.temperature_max_c, 1)}`, colour: MAX },
        { text: `mean ${number(now?.temperature_mean_c, 1)}, band: a pixel's σ`, colour: MEAN },
        { text: "▬ permit held", colour: HELD },
      ], markAt);
    dose!.draw([x, ...doses(frames, region)], drawn(limitsOf(limits, region, "dose_cem43_min")), [],
      [{ text: `most ${amount(now?.dose_max_cem43_min)}`, colour: DOSE }, { text: `least ${amount(now?.dose_min_cem43_min)}`, colour: LEAST }], markAt);
    std!.draw([x, stds(frames, region)], drawn(limitsOf(limits, region, "temperature_std_c")), [], [{ text: number(now?.temperature_std_c, 2), colour: STD }], markAt);
  }

  // until: the frames up to the one that is shown: what was delivered later is not its dose.
  #drawMotion(frames: FrameWord[], x: number[], until: FrameWord[], shown: FrameWord | undefined, markAt: number | null): void {
    this.#begin("motion", () => {
      this.#charts = motionCharts();
      this.#volumes = new DoseVolume();
      return [...this.#charts.map((one) => one.figure), this.#volumes.figure];
    });
    const axis = mainAxis(frames);
    const columns: Columns = [x, ...motions(frames, axis, this.#plan?.gate_margin_mm ?? null)];
    const last = shown?.motion;
    const isTold = frames.some((frame) => typeof frame.motion?.is_beam_on === "boolean");
    const gate = { colour: GATE, isOn: frames.map((frame) => frame.motion?.is_gate_open === true) };
    const beam = { colour: BEAM, isOn: frames.map((frame) => frame.motion?.is_beam_on === true) };
    const part = duty(until);
    const [place, outside] = this.#charts;
    place!.draw(columns, [], isTold ? [gate, beam] : [gate],
      [
        { text: `${"yx"[axis]} ${number(last?.displacement_mm?.[axis], 1)}`, colour: HERE },
        { text: `predicted ${number(last?.predicted_mm?.[axis], 1)}`, colour: SOON },
        { text: "▬ gate open", colour: GATE },
        ...(isTold ? [{ text: `▬ beam on ${((part ?? 0) * 100).toFixed(0)} %`, colour: BEAM }] : []),
      ], markAt);
    const most = this.#plan?.max_outside_percent;
    outside!.draw(
      [x, frames.map((one) => one.motion?.outside_percent ?? null), frames.map((one) => one.motion?.predicted_outside_percent ?? null)],
      most == null ? [] : [{ at: most, label: `gate closes above ${most} %`, colour: HELD }], [],
      [{ text: `now ${number(last?.outside_percent, 1)}`, colour: HERE }, { text: `predicted ${number(last?.predicted_outside_percent, 1)}`, colour: SOON }], markAt);
    this.#volumes!.draw(shown?.delivered ?? until.findLast((frame) => frame.delivered)?.delivered ?? null);
  }

  // The region that was chosen; the first target where none was.
  #region(regions: Region[]): string {
    const names = regions.map((one) => one.name);
    if ([...this.#select.options].map((one) => one.value).join() !== names.join()) {
      const chosen = this.#select.value;
      this.#select.replaceChildren(...names.map((name) => new Option(name, name)));
      const first = regions.find((one) => one.role === "target")?.name ?? names[0] ?? "";
      this.#select.value = names.includes(chosen) ? chosen : first;
    }
    return this.#select.value;
  }
}

function drawn(limits: Limit[]): Line[] {
  return limits.flatMap((limit) => {
    const goal = isGoal(limit);
    const lines: Line[] = [];
    if (limit.warn !== null) lines.push({ at: limit.warn, label: `${goal ? "goal" : "warn"} ${limit.warn}`, colour: goal ? BEAM : GATE });
    if (limit.stop !== null) lines.push({ at: limit.stop, label: `${goal ? "goal" : "stop"} ${limit.stop}`, colour: goal ? BEAM : "#ff6b6b", isRight: true });
    return lines;
  });
}

function heatCharts(): Chart[] {
  return [
    new Chart({
      title: "Temperature", unit: "°C", least: 4,
      series: [line("max", MAX), line("mean", MEAN), edge("+ σ"), edge("− σ")],
      bands: [{ series: [3, 4], fill: "rgb(255 190 120 / 28%)" }],
    }),
    new Chart({
      title: "Dose", unit: "CEM43 min", isLog: true,
      series: [line("most", DOSE), line("least", LEAST, { width: 1.5, dash: [5, 4] })],
    }),
    new Chart({ title: "σ", unit: "°C", least: 0.4, series: [line("σ", STD)] }),
  ];
}

function motionCharts(): Chart[] {
  return [
    new Chart({
      title: "Target", unit: "mm", least: 8,
      series: [
        line("place", HERE), line("predicted", SOON, { width: 1.5, dash: [4, 3] }),
        edge("low"), edge("high"), edge("gate"), edge("gate"),
      ],
      bands: [{ series: [4, 3], fill: "rgb(255 157 92 / 25%)" }, { series: [6, 5], fill: "rgb(255 213 74 / 14%)" }],
    }),
    new Chart({
      title: "Outside", unit: "% of the target", least: 10,
      series: [line("now", HERE), line("predicted", SOON, { width: 1.5, dash: [4, 3] })],
    }),
  ];
}
