import { expect, test } from "vitest";
import { Colours, heat } from "../src/colour.ts";
import { codeOf, type Plane } from "../src/picture.ts";

const scale = { offset: -20, step: 0.0025 } as Plane;
const bytes = (pixel: number) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255, pixel >>> 24];

function painted(magnitude: number[], degrees?: (number | null)[], colours = new Colours()): number[][] {
  const pixels = new Uint32Array(magnitude.length);
  const codes = degrees && Uint16Array.from(degrees, (one) => (one === null ? 0 : Math.round(codeOf(scale, one))));
  colours.paint(pixels, Uint16Array.from(magnitude), magnitude.length, codes, codes && scale);
  return [...pixels].map(bytes);
}

test("magnitude is grey from black to white", () => {
  expect(painted([1, 65535])).toEqual([[0, 0, 0, 255], [255, 255, 255, 255]]);
});

test("below 40 °C nothing is coloured, from there on the heat shows", () => {
  const [cool, warm] = painted([65535, 65535], [39.99, 40]);
  expect(cool).toEqual([255, 255, 255, 255]);
  expect(warm![0]! > warm![1]!).toBe(true);
  expect(warm![3]).toBe(255);
});

test("a temperature that is not known is hatched and never coloured", () => {
  const [first, second] = painted([65535, 65535, 65535, 65535], [null, null, null, null]);
  expect(first).toEqual([60, 75, 110, 255]);
  expect(second).toEqual([128, 128, 128, 255]);
});

test("a magnitude that is not known has a colour that is no grey", () => {
  const [one, hot] = painted([0, 0], [37, 60]);
  expect(one).toEqual([90, 0, 110, 255]);
  expect(hot).toEqual(one);
});

test("sums of both tables stay in their bytes, for all that is bright and hot", () => {
  for (let c = 40; c <= 143; c += 0.5) {
    const [pixel] = painted([65535], [c]);
    const wanted = heat(c).map((one) => 0.25 * 255 + 0.75 * one);
    wanted.forEach((one, n) => expect(Math.abs(pixel![n]! - one)).toBeLessThanOrEqual(2));
  }
});

test("a window moves what is black and what is white", () => {
  const colours = new Colours();
  colours.setWindow({ low: 0.25, high: 0.5 });
  expect(painted([16000, 24577, 40000], undefined, colours).map((one) => one[0])).toEqual([0, 128, 255]);
});
