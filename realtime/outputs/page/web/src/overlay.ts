// What is drawn over an image: dose contours, outlines of regions with their limits, target and gate.

import { contour, outline } from "./contour.ts";
import { distanceMm } from "./distance.ts";
import { codeOf, sliceOf, type Picture } from "./picture.ts";
import type { Limit, Motion, Pair, Plan } from "./wire.ts";

export interface Stroke {
  lines: number[];
  colour: string;
  width: number;
  dash: number[];
  label?: string;
  name?: string; // shorter, where there is little room
}

export const DOSES: readonly { level: number; colour: string; dash: number[] }[] = [
  { level: 17, colour: "#5cc8ff", dash: [2, 3] },
  { level: 100, colour: "#c58bff", dash: [7, 4] },
  { level: 240, colour: "#ffffff", dash: [] },
];
const ROLES: Record<string, { colour: string; dash: number[] }> = {
  target: { colour: "#00ffd5", dash: [] },
  tracked: { colour: "#00ffd5", dash: [1, 4] }, // where it was planned; the followed outline is drawn apart
  "organ-at-risk": { colour: "#ff6fae", dash: [] },
  reference: { colour: "#8ea2b6", dash: [3, 3] },
  body: { colour: "#56687a", dash: [1, 3] },
};
const TARGET = 2; // code of a pixel in the target: 1 + 1

export function doseLines(picture: Picture, z: number): Stroke[] {
  const plane = picture.planes["dose_cem43_min"];
  if (!plane) return [];
  const [, ny, nx] = plane.shape;
  return DOSES.map(({ level, colour, dash }) => ({
    lines: contour(sliceOf(plane, z), nx, ny, codeOf(plane, level)), colour, dash, width: 2,
  }));
}

export function regionLines(picture: Picture, z: number, plan: Plan | null): Stroke[] {
  const plane = picture.planes["regions"];
  if (!plane || !plan) return [];
  const [, ny, nx] = plane.shape;
  const codes = sliceOf(plane, z);
  return plan.regions.map(({ name, role }, bit) => {
    const isIn = (code: number) => code > 0 && ((code - 1) >> bit) & 1;
    const style = ROLES[role] ?? ROLES["body"]!;
    const lines = outline(codes, nx, ny, (code) => Boolean(isIn(code)));
    return { lines, ...style, width: 1.5, name, label: [name, ...limitsOf(plan.limits, name)].join(" ") };
  });
}

// A dose that is wanted; every other limit is one not to be passed.
export function isGoal(limit: Limit): boolean {
  return limit.rule === "dose-reached";
}

function limitsOf(limits: Limit[], region: string): string[] {
  const drawn = ["temperature_c", "temperature_mean_c", "dose_cem43_min"];
  const own = limits.filter((one) => one.region === region && drawn.includes(one.quantity));
  return own.map((one) => `${isGoal(one) ? "goal" : "≤"} ${one.stop ?? one.warn} ${one.unit.replace(" min", "")}`);
}

export function targetLines(picture: Picture, z: number, motion: Motion | null, plan: Plan | null): Stroke[] {
  const plane = picture.planes["target"];
  if (!plane) return [];
  const [, ny, nx] = plane.shape;
  const codes = sliceOf(plane, z);
  const target = outline(codes, nx, ny, (code) => code === TARGET);
  const strokes: Stroke[] = [{ lines: target, colour: "#00ffff", dash: [], width: 2 }];
  const here = motion?.displacement_mm;
  if (!motion || !here || target.length === 0) return strokes;
  const pixel_mm: Pair = [picture.fov_mm[1] / ny, picture.fov_mm[0] / nx];
  if (motion.gate_center_mm && plan?.gate_margin_mm) {
    const field = distanceMm((at) => codes[at] === TARGET, nx, ny, pixel_mm).map((mm) => mm + 1);
    const grown = contour(field, nx, ny, plan.gate_margin_mm + 1); // 0 would be "not known"
    strokes.push({ lines: moved(grown, here, motion.gate_center_mm, pixel_mm), colour: "#ffd54a", dash: [8, 4], width: 2 });
  }
  if (motion.predicted_mm) {
    strokes.push({ lines: moved(target, here, motion.predicted_mm, pixel_mm), colour: "#ff9d5c", dash: [2, 3], width: 1.5 });
  }
  return strokes;
}

// Lines of the target where it is, brought to where it was or will be.
function moved(lines: number[], from: Pair, to: Pair, pixel_mm: Pair): number[] {
  const [dy, dx] = [(to[0] - from[0]) / pixel_mm[0], (to[1] - from[1]) / pixel_mm[1]];
  return lines.map((one, n) => one + (n % 2 ? dy : dx));
}
