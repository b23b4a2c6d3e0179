import { expect, test } from "vitest";
import { doses, motions, temperatures } from "../src/columns.ts";
import { Course, duty, MOST_FRAMES } from "../src/course.ts";
import { Ring } from "../src/ring.ts";
import type { FrameWord } from "../src/wire.ts";

const frame = (frame_id: number, more: Partial<FrameWord> = {}): FrameWord => ({
  frame_id, outcome: "COMPUTED", decision: "HELD", age_ms: 1, heard_ms: 0, regions: [],
  baseline_frames: 0, baseline_wanted: 0, time_s: frame_id / 10, ...more,
});

test("a ring keeps the newest, oldest first", () => {
  const ring = new Ring<number>(3);
  for (const one of [1, 2, 3, 4, 5]) ring.push(one);
  expect(ring.all()).toEqual([3, 4, 5]);
  expect(ring.newest(2)).toEqual([4, 5]);
  expect(ring.last).toBe(5);
  ring.clear();
  expect(ring.all()).toEqual([]);
  expect(ring.last).toBeUndefined();
});

test("a course takes each frame once, and history before what was heard meanwhile", () => {
  const course = new Course();
  expect(course.add(frame(5))).toBe(true);
  expect(course.add(frame(5))).toBe(false);
  course.addHistory([frame(1), frame(3), frame(5)]);
  course.add(frame(6));
  expect(course.frames.map((one) => one.frame_id)).toEqual([1, 3, 5, 6]);
});

test("memory is bounded, and time goes on from the first frame", () => {
  const course = new Course();
  course.add(frame(0));
  expect(course.charted.times_s).toEqual([0]);
  for (let n = 1; n < MOST_FRAMES + 50; n++) course.add(frame(n));
  expect(course.frames).toHaveLength(MOST_FRAMES);
  expect(course.charted.times_s[0]).toBeCloseTo(5, 6);
});

test("a frame without scanner time is left out rather than placed by another clock", () => {
  const course = new Course();
  for (const one of [frame(0, { time_s: null, heard_ms: 9e9 }), frame(1), frame(2), frame(3, { time_s: 0.15 })]) course.add(one);
  expect(course.charted.frames.map((one) => one.frame_id)).toEqual([1, 2]);
  expect(course.charted.times_s[1]).toBeCloseTo(0.1, 9);
  const clockless = new Course();
  clockless.add(frame(0, { time_s: null, heard_ms: 1000 }));
  clockless.add(frame(1, { time_s: null, heard_ms: 3000 }));
  expect(clockless.charted.times_s).toEqual([0, 2]);
});

test("what was drawn before the scanner's first time does not shift what comes after", () => {
  const course = new Course();
  course.add(frame(0, { time_s: null, heard_ms: 61_240_000 }));
  expect(course.charted.times_s).toEqual([0]);
  course.add(frame(1, { time_s: 3.0 }));
  course.add(frame(2, { time_s: 5.0 }));
  expect(course.charted.times_s).toEqual([0, 2]);
});

test("a region that a slice does not show keeps what was last told of it", () => {
  const course = new Course();
  const reading = { name: "focus", role: "target", n_pixels: 4, n_valid: 4, temperature_max_c: 50 };
  course.add(frame(1, { regions: [reading] }));
  course.add(frame(2, { regions: [{ ...reading, n_pixels: 0, temperature_max_c: null }] }));
  expect(course.readings(1000)).toEqual([reading]);
  course.add(frame(3, { regions: [{ ...reading, temperature_max_c: null }] }));
  expect(course.readings(1000)[0]!.temperature_max_c).toBeNull();
});

test("a region that later frames no longer tell of is not known, though others are", () => {
  const course = new Course();
  const reading = (name: string) => ({ name, role: "target", n_pixels: 4, n_valid: 4, temperature_max_c: 50 });
  course.add(frame(1, { heard_ms: 0, regions: [reading("focus"), reading("skin")] }));
  course.add(frame(2, { heard_ms: 900, regions: [reading("skin")] }));
  expect(course.readings(1000).map((one) => one.temperature_max_c)).toEqual([50, 50]);
  course.add(frame(3, { heard_ms: 1100, outcome: "FAULT" }));
  expect(course.readings(1000).map((one) => one.temperature_max_c)).toEqual([undefined, 50]);
});

test("a region that is not known leaves a gap, not a zero; one that is not shown leaves none", () => {
  const known = frame(1, { regions: [{ name: "focus", role: "target", n_pixels: 1, n_valid: 1, temperature_max_c: 50, temperature_mean_c: 45, temperature_std_c: 0.5, dose_max_cem43_min: 0 }] });
  expect(temperatures([frame(0), known], "focus")).toEqual([[undefined, 50], [undefined, 45], [undefined, 45.5], [undefined, 44.5]]);
  expect(doses([frame(0), known], "focus")).toEqual([[undefined, 0.01], [undefined, null]]);
});

test("the gate stands about its centre, and duty counts only frames that tell of the beam", () => {
  const moving = frame(0, { motion: { displacement_mm: [1, 2], gate_center_mm: [0.5, 0], is_beam_on: true } });
  expect(motions([moving], 0, 3).map((one) => one[0])).toEqual([1, null, null, null, -2.5, 3.5]);
  expect(duty([moving, frame(1), frame(2, { motion: { displacement_mm: null, is_beam_on: false } })])).toBe(0.5);
  expect(duty([frame(1)])).toBeNull();
});
