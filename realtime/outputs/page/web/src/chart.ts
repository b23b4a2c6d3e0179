// One chart against time: uPlot in this page's clothes, with bands, limit lines and a strip below.

import uPlot from "uplot";
import type { Values } from "./columns.ts";
import { element } from "./dom.ts";

export interface Line {
  at: number;
  label: string;
  colour: string;
  isRight?: boolean;
}

// Columns are uPlot's: x first, then one for each series, null where there is no value.
export type Columns = [number[], ...Values[]];

export interface Strip {
  colour: string;
  isOn: boolean[];
}

// What a line or a strip is, and its value now: the chart's legend.
export interface Said {
  text: string;
  colour: string;
}

export interface Look {
  title: string;
  unit: string;
  series: uPlot.Series[];
  bands?: uPlot.Band[];
  isLog?: boolean;
  least?: number; // the axis spans at least so much
  xTitle?: string;
  xUnit?: string;
}

const GRID = "#222b34";
const TEXT = "#93a4b3";
const FONT = "12px system-ui, sans-serif";

export class Chart {
  readonly figure = element("figure", "", "chart");
  #box = element("div", "", "plot");
  #now = element("span", "", "now");
  #plot: uPlot;
  #lines: Line[] = [];
  #strips: Strip[] = [];
  #markAt: number | null = null;

  constructor(look: Look) {
    const caption = element("figcaption");
    caption.append(element("b", look.title), element("span", look.unit, "unit"), this.#now);
    this.figure.append(caption, this.#box);
    this.figure.setAttribute("role", "img");
    this.figure.ariaLabel = `${look.title}, ${look.unit}`;
    this.#plot = new uPlot(options(look, this.#hooks(), () => this.#lines), [[]], this.#box);
    new ResizeObserver(() => this.#fill()).observe(this.#box);
  }

  draw(columns: Columns, lines: Line[] = [], strips: Strip[] = [], now: Said[] = [], markAt: number | null = null): void {
    this.#markAt = markAt;
    this.#lines = lines;
    this.#strips = strips;
    this.#say(now);
    this.#plot.setData(columns as uPlot.AlignedData);
  }

  #say(now: Said[]): void {
    while (this.#now.children.length < now.length) this.#now.append(element("span"));
    while (this.#now.children.length > now.length) this.#now.lastChild!.remove();
    now.forEach(({ text, colour }, n) => {
      const said = this.#now.children[n] as HTMLElement;
      if (said.textContent !== text) said.textContent = text;
      if (said.style.color !== colour) said.style.color = colour;
    });
  }

  #fill(): void {
    const { clientWidth: width, clientHeight: height } = this.#box;
    if (width > 0 && height > 0) this.#plot.setSize({ width, height });
  }

  #hooks(): uPlot.Hooks.Arrays {
    return { draw: [(plot) => drawStrips(plot, this.#strips), (plot) => drawLimits(plot, this.#lines), (plot) => drawMark(plot, this.#markAt)] };
  }
}

function options(look: Look, hooks: uPlot.Hooks.Arrays, lines: () => Line[]): uPlot.Options {
  const axis = { stroke: TEXT, font: FONT, grid: { stroke: GRID, width: 1 }, ticks: { stroke: GRID, size: 4, width: 1 } };
  const unit = look.xUnit ?? "s";
  return {
    width: 300,
    height: 120,
    hooks,
    series: [{ label: look.xTitle ?? "time" }, ...look.series],
    ...(look.bands ? { bands: look.bands } : {}),
    padding: [6, 16, 0, 0], // half of the last number
    cursor: { drag: { x: false, y: false }, points: { size: 5 } },
    legend: { show: false },
    scales: {
      x: { time: false },
      y: look.isLog ? { distr: 3, range: logRange } : { range: (_, low, high) => spanned(low, high, lines(), look.least ?? 1) },
    },
    axes: [
      { ...axis, size: 24, values: (_, ticks) => ticks.map((tick) => `${tick} ${unit}`) },
      look.isLog ? { ...axis, size: 44, splits: decades, filter: (_, ticks) => ticks, values: (_, ticks) => ticks.map((one) => (one >= 10_000 ? `${one / 1000}k` : `${one}`)) } : { ...axis, size: 44 },
    ],
  };
}

// The data with a margin, and each limit that is not far away.
function spanned(low: number | null, high: number | null, lines: Line[], least: number): [number, number] {
  let [bottom, top] = [low ?? 0, high ?? least];
  const reach = Math.max(top - bottom, least);
  for (const { at } of lines) {
    if (at > top && at - top < 1.5 * reach + least) top = at;
    if (at < bottom && bottom - at < 1.5 * reach + least) bottom = at;
  }
  const extra = Math.max(0.06 * (top - bottom), (least - (top - bottom)) / 2);
  return [bottom - extra, top + extra];
}

function logRange(_: uPlot, _low: number, high: number): [number, number] {
  return [0.01, Math.max(1000, 10 ** Math.ceil(Math.log10(high || 1)))];
}

function decades(plot: uPlot, _axis: number, low: number, high: number): number[] {
  const from = Math.ceil(Math.log10(low) - 1e-9);
  const n = Math.floor(Math.log10(high) + 1e-9) - from + 1;
  const every = plot.bbox.height / devicePixelRatio < 22 * n ? 2 : 1;
  return Array.from({ length: n }, (_, i) => 10 ** (from + i)).filter((_, i) => i % every === 0);
}

function drawLimits(plot: uPlot, lines: Line[]): void {
  const { ctx: on, bbox: box } = plot;
  on.save();
  on.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  on.lineWidth = 1.5 * devicePixelRatio;
  on.font = `600 ${11 * devicePixelRatio}px system-ui, sans-serif`;
  on.textBaseline = "bottom";
  for (const line of lines) {
    const y = plot.valToPos(line.at, "y", true);
    if (y < box.top - 1 || y > box.top + box.height + 1) continue;
    on.strokeStyle = on.fillStyle = line.colour;
    on.beginPath();
    on.moveTo(box.left, y);
    on.lineTo(box.left + box.width, y);
    on.stroke();
    const isHigh = y - box.top < 14 * devicePixelRatio;
    on.textAlign = line.isRight ? "right" : "left"; // two limits that lie close are both read
    on.fillText(line.label, line.isRight ? box.left + box.width - 4 : box.left + 4, isHigh ? y + 14 * devicePixelRatio : y - 1);
  }
  on.restore();
}

// Where a recording is being looked at.
function drawMark(plot: uPlot, at: number | null): void {
  if (at === null) return;
  const { ctx: on, bbox: box } = plot;
  on.fillStyle = "#e6edf3";
  on.fillRect(plot.valToPos(at, "x", true), box.top, 1.5 * devicePixelRatio, box.height);
}

// What was on when, as bars along the foot of the chart.
function drawStrips(plot: uPlot, strips: Strip[]): void {
  const { ctx: on, bbox: box } = plot;
  const x = plot.data[0]!;
  const height = 5 * devicePixelRatio;
  on.save();
  strips.forEach((strip, n) => {
    on.fillStyle = strip.colour;
    const top = box.top + box.height - (strips.length - n) * (height + 1);
    strip.isOn.forEach((isOn, i) => {
      if (!isOn) return;
      const left = plot.valToPos(x[i]!, "x", true);
      const right = i + 1 < x.length ? plot.valToPos(x[i + 1]!, "x", true) : left + 2;
      on.fillRect(left, top, Math.max(1, right - left), height);
    });
  });
  on.restore();
}

export function line(label: string, stroke: string, more: Partial<uPlot.Series> = {}): uPlot.Series {
  return { label, stroke, width: 2, points: { show: false }, ...more };
}

export function edge(label: string): uPlot.Series {
  return { label, stroke: "transparent", width: 0, points: { show: false } };
}
