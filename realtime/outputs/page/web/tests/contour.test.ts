import { expect, test } from "vitest";
import { contour, outline } from "../src/contour.ts";
import { distanceMm } from "../src/distance.ts";

function disc(n: number, of: (r: number) => number): Uint16Array {
  return Uint16Array.from({ length: n * n }, (_, at) => of(Math.hypot((at % n) + 0.5 - n / 2, Math.floor(at / n) + 0.5 - n / 2)));
}

test("a contour of a cone is a circle of the right radius", () => {
  const lines = contour(disc(64, (r) => Math.round(60_000 - 1000 * r)), 64, 64, 40_000);
  expect(lines.length).toBeGreaterThan(4 * 100);
  for (let n = 0; n < lines.length; n += 2) {
    expect(Math.hypot(lines[n]! - 32, lines[n + 1]! - 32)).toBeCloseTo(20, 1);
  }
});

test("each end of a closed line is the end of two segments", () => {
  const lines = contour(disc(32, (r) => (r < 9 ? 5 : 2)), 32, 32, 3.5);
  const ends = new Map<string, number>();
  for (let n = 0; n < lines.length; n += 2) {
    const key = `${lines[n]!.toFixed(4)} ${lines[n + 1]!.toFixed(4)}`;
    ends.set(key, (ends.get(key) ?? 0) + 1);
  }
  expect(new Set(ends.values())).toEqual(new Set([2]));
});

test("no line is drawn through what is not known", () => {
  const codes = Uint16Array.from([1, 1, 1, 1, 0, 9, 1, 9, 9]);
  for (const lines of [contour(codes, 3, 3, 5)]) expect(lines).toEqual([]);
  codes[4] = 9;
  expect(contour(codes, 3, 3, 5).length).toBeGreaterThan(0);
});

test("both diagonals of a saddle are parted", () => {
  expect(contour(Uint16Array.from([9, 1, 1, 9]), 2, 2, 5)).toHaveLength(8);
  expect(contour(Uint16Array.from([1, 9, 9, 1]), 2, 2, 5)).toHaveLength(8);
});

test("the outline of one pixel is its four edges", () => {
  const codes = new Uint16Array(9);
  codes[4] = 2;
  expect(outline(codes, 3, 3, (code) => code === 2)).toHaveLength(16);
});

test("distance is exact, with pixels that are not square", () => {
  const mm = distanceMm((at) => at === 2 * 7 + 3, 7, 5, [2, 0.5]);
  for (let y = 0; y < 5; y++) {
    for (let x = 0; x < 7; x++) expect(mm[y * 7 + x]).toBeCloseTo(Math.hypot(2 * (y - 2), 0.5 * (x - 3)), 5);
  }
});
