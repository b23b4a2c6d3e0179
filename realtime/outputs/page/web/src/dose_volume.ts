// Dose-volume curves: by now, as planned, as forecast; drawn through the figures that are told.

import uPlot from "uplot";
import { Chart, line } from "./chart.ts";
import { at, element } from "./dom.ts";
import type { Delivered, StructureDose } from "./wire.ts";
import { number } from "./words.ts";

const COLOURS = ["#00ffd5", "#ff6fae", "#ffd54a", "#8fd3ff", "#c58bff", "#ff9d5c"];
const STATES = ["so_far", "planned", "forecast"] as const;
const DASHES = { so_far: [], planned: [1, 4], forecast: [7, 4] };

// The curve through what is known of it: (Gy, percent of the volume that have as much).
export function curve(dose: StructureDose): [number[], number[]] {
  const points: [number, number][] = [[0, 100], [dose.d98_gy, 98], [dose.d95_gy, 95], [dose.d50_gy, 50], [dose.d2_gy, 2]];
  const most = Math.max(dose.d2_gy, dose.d003cc_gy);
  points.push([most > dose.d2_gy ? most : dose.d2_gy * 1.001, 0]);
  // where the curve falls upright, its points stand a hair apart: x must rise
  const rising: number[] = [];
  for (const [gy] of points) rising.push(rising.length ? Math.max(gy, rising.at(-1)! + 1e-6) : gy);
  return [rising, points.map(([, percent]) => percent)];
}

export class DoseVolume {
  readonly figure = element("div", "", "slot");
  #names = "";
  #chart: Chart | null = null;

  draw(delivered: Delivered | null): void {
    if (!delivered) return this.#clear();
    const names = delivered.planned.map((one) => one.name);
    if (this.#names !== names.join()) {
      this.#names = names.join();
      this.#chart = new Chart({
        title: "Dose-volume", unit: "%   ━ now  ┈ plan  ╌ forecast", xUnit: "Gy", xTitle: "dose", least: 100,
        series: names.flatMap((name, n) => STATES.map((state) =>
          line(`${name} ${state}`, COLOURS[n % COLOURS.length]!, { dash: DASHES[state], spanGaps: true, width: state === "so_far" ? 2.5 : 1.5 }))),
      });
      this.figure.replaceChildren(this.#chart.figure);
    }
    const tables = names.flatMap((name) => STATES.map((state) => {
      const dose = delivered[state]?.find((one) => one.name === name);
      return (dose ? curve(dose) : [[0], [null]]) as uPlot.AlignedData;
    }));
    this.#chart!.draw(uPlot.join(tables) as never, [], [], names.map((name, n) => ({ text: name, colour: COLOURS[n % COLOURS.length]! })));
    showStructures(delivered);
  }

  // Of a run whose dose is not told the last run's is not shown.
  #clear(): void {
    if (!this.#chart) return;
    [this.#names, this.#chart] = ["", null];
    this.figure.replaceChildren();
    at("structures").querySelector("tbody")!.replaceChildren();
  }
}

function showStructures(delivered: Delivered): void {
  const rows = delivered.so_far.map((now, n) => {
    const row = element("tr");
    const planned = delivered.planned.find((one) => one.name === now.name);
    const forecast = delivered.forecast?.find((one) => one.name === now.name);
    const name = row.insertCell();
    name.append(element("i", "", `swatch swatch-${n % COLOURS.length}`), now.name);
    // what is asked of a target is its least dose, of an organ its most
    const [label, key] = now.role === "organ-at-risk" ? (["D2", "d2_gy"] as const) : (["D95", "d95_gy"] as const);
    const told = (of: "d2_gy" | "d95_gy" | "mean_gy") => [now, planned, forecast].map((one) => number(one?.[of], 1)).join(" / ");
    row.insertCell().textContent = `${label} ${told(key)}`;
    row.insertCell().textContent = told("mean_gy");
    return row;
  });
  at("structures").querySelector("tbody")!.replaceChildren(...rows);
}
