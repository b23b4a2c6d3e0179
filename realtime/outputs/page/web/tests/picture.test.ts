import { expect, test } from "vitest";
import { codeOf, readPicture, sliceOf, valueAt } from "../src/picture.ts";

function message(planes: { name: string; shape: number[]; bits: number; offset: number; step: number; codes: number[] }[]): ArrayBuffer {
  let byte = 0;
  const told = planes.map(({ codes, ...plane }) => {
    const one = { ...plane, unit: "", byte };
    const size = (plane.bits / 8) * codes.length;
    byte += size + (-size & 3);
    return one;
  });
  let header = JSON.stringify({ number: 1, frame_id: 7, fov_mm: [4, 2, 1], planes: told });
  header += " ".repeat((4 - (header.length % 4)) % 4);
  const data = new ArrayBuffer(4 + header.length + byte);
  new DataView(data).setUint32(0, header.length, true);
  new Uint8Array(data).set(new TextEncoder().encode(header), 4);
  planes.forEach((plane, n) => {
    const Kind = plane.bits === 8 ? Uint8Array : Uint16Array;
    new Kind(data, 4 + header.length + told[n]!.byte, plane.codes.length).set(plane.codes);
  });
  return data;
}

test("planes are read where they lie, code 0 is no value", () => {
  const picture = readPicture(message([
    { name: "regions", shape: [1, 1, 3], bits: 8, offset: 0, step: 1, codes: [0, 2, 255] },
    { name: "magnitude", shape: [1, 1, 3], bits: 16, offset: 0, step: 0.5, codes: [0, 1, 65535] },
    { name: "temperature_c", shape: [2, 1, 3], bits: 16, offset: -20, step: 0.0025, codes: [0, 1, 24001, 4, 5, 6] },
  ]));
  expect(picture.frame_id).toBe(7);
  expect([0, 1, 2].map((at) => valueAt(picture.planes.magnitude, at))).toEqual([null, 0, 32767]);
  const regions = picture.planes["regions"]!;
  expect([0, 1, 2].map((at) => valueAt(regions, at))).toEqual([null, 1, 254]);
  const temperature = picture.planes["temperature_c"]!;
  expect(valueAt(temperature, 2)).toBeCloseTo(40, 9);
  expect(codeOf(temperature, 40)).toBeCloseTo(24001, 6);
  expect([...sliceOf(temperature, 1)]).toEqual([4, 5, 6]);
});
