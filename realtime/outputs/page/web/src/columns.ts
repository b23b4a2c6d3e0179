// Frames to the columns of a chart: pure.

import type { FrameWord, Limit, RegionReading } from "./wire.ts";

// null is a gap: not known. undefined is none: this frame does not show the region, the line goes on.
export type Values = (number | null | undefined)[];
const LEAST_DOSE = 0.01; // a log axis has no zero

function readingsOf(frames: FrameWord[], region: string): (RegionReading | undefined)[] {
  return frames.map((frame) => frame.regions.find((one) => one.name === region && one.n_pixels > 0));
}

function told(reading: RegionReading | undefined, of: (reading: RegionReading) => number | null | undefined): number | null | undefined {
  return reading && (of(reading) ?? null);
}

// max, mean, mean + σ, mean − σ.
export function temperatures(frames: FrameWord[], region: string): [Values, Values, Values, Values] {
  const readings = readingsOf(frames, region);
  const mean = readings.map((one) => told(one, (now) => now.temperature_mean_c));
  const std = stds(frames, region);
  const by = (sign: number): Values => mean.map((one, n) => (one == null || std[n] == null ? one && null : one + sign * std[n]));
  return [readings.map((one) => told(one, (now) => now.temperature_max_c)), mean, by(1), by(-1)];
}

export function stds(frames: FrameWord[], region: string): Values {
  return readingsOf(frames, region).map((one) => told(one, (now) => now.temperature_std_c));
}

// most and least of the region
export function doses(frames: FrameWord[], region: string): [Values, Values] {
  const readings = readingsOf(frames, region);
  const shown = (dose: number | null | undefined) => (dose == null ? dose : Math.max(dose, LEAST_DOSE));
  const of = (pick: (now: RegionReading) => number | null | undefined) => readings.map((one) => shown(told(one, pick)));
  return [of((now) => now.dose_max_cem43_min), of((now) => now.dose_min_cem43_min)];
}

// Along one axis of the image (0: y, 1: x): place, predicted, its low and high, gate low and high.
export function motions(frames: FrameWord[], axis: 0 | 1, margin_mm: number | null): Values[] {
  const of = (pick: (frame: FrameWord) => readonly number[] | null | undefined): Values =>
    frames.map((frame) => pick(frame)?.[axis] ?? null);
  const center = of((frame) => frame.motion?.gate_center_mm);
  const gate = (sign: number): Values => center.map((one) => (one == null || margin_mm === null ? null : one + sign * margin_mm));
  return [
    of((frame) => frame.motion?.displacement_mm),
    of((frame) => frame.motion?.predicted_mm),
    of((frame) => frame.motion?.predicted_low_mm),
    of((frame) => frame.motion?.predicted_high_mm),
    gate(-1),
    gate(1),
  ];
}

// The axis along which the target moves most.
export function mainAxis(frames: FrameWord[]): 0 | 1 {
  const span = (axis: 0 | 1) => {
    const values = frames.flatMap((frame) => frame.motion?.displacement_mm?.[axis] ?? []);
    return values.length ? Math.max(...values) - Math.min(...values) : 0;
  };
  return span(1) > span(0) ? 1 : 0;
}

export function limitsOf(limits: Limit[], region: string, ...quantities: string[]): Limit[] {
  return limits.filter((one) => quantities.includes(one.quantity) && (one.region === region || one.region === ""));
}
