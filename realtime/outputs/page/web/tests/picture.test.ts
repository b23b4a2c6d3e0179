import { expect, test } from "vitest";
import { codeOf, readPicture, sliceOf, valueAt } from "../src/picture.ts";

function message(planes: { name: string; shape: number[]; offset: number; step: number; codes: number[] }[]): ArrayBuffer {
  let byte = 0;
  const told = planes.map(({ codes, ...plane }) => {
    const one = { ...plane, unit: "", byte };
    byte += 2 * codes.length + ((-2 * codes.length) & 3);
    return one;
  });
  let header = JSON.stringify({ number: 1, frame_id: 7, fov_mm: [4, 2, 1], planes: told });
  header += " ".repeat((4 - (header.length % 4)) % 4);
  const data = new ArrayBuffer(4 + header.length + byte);
  new DataView(data).setUint32(0, header.length, true);
  new Uint8Array(data).set(new TextEncoder().encode(header), 4);
  planes.forEach((plane, n) => new Uint16Array(data, 4 + header.length + told[n]!.byte, plane.codes.length).set(plane.codes));
  return data;
}

test("planes are read where they lie, code 0 is no value", () => {
  const picture = readPicture(message([
    { name: "magnitude", shape: [1, 1, 3], offset: 0, step: 0.5, codes: [0, 1, 65535] },
    { name: "temperature_c", shape: [2, 1, 3], offset: -20, step: 0.0025, codes: [0, 1, 24001, 4, 5, 6] },
  ]));
  expect(picture.frame_id).toBe(7);
  expect([0, 1, 2].map((at) => valueAt(picture.planes.magnitude, at))).toEqual([null, 0, 32767]);
  const temperature = picture.planes["temperature_c"]!;
  expect(valueAt(temperature, 2)).toBeCloseTo(40, 9);
  expect(codeOf(temperature, 40)).toBeCloseTo(24001, 6);
  expect([...sliceOf(temperature, 1)]).toEqual([4, 5, 6]);
});
