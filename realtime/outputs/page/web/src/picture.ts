// A frame's maps, read from one binary message: u32 header length, JSON header, arrays of 16 or 8 bits.
// Code 0 is not known, in every plane; code c > 0 is offset + step · (c − 1).

export type Codes = Uint8Array | Uint16Array;

export interface Plane {
  name: string;
  unit: string;
  shape: [nz: number, ny: number, nx: number];
  byte: number;
  offset: number;
  step: number;
  bits: 8 | 16;
  codes: Codes;
}

export interface Picture {
  number: number;
  run_id: string;
  frame_id: number;
  slice: number;
  contrast: number;
  time_s: number | null;
  heard_ms: number;
  fov_mm: [x: number, y: number, z: number];
  planes: Partial<Record<string, Plane>> & { magnitude: Plane };
}

export function readPicture(data: ArrayBuffer): Picture {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const planes: Record<string, Plane> = {};
  for (const plane of header.planes) {
    const size = plane.shape.reduce((a: number, b: number) => a * b, 1);
    const Kind = plane.bits === 8 ? Uint8Array : Uint16Array;
    planes[plane.name] = { ...plane, codes: new Kind(data, 4 + length + plane.byte, size) };
  }
  return { ...header, planes };
}

// null: not to be believed.
export function valueAt(plane: Plane, at: number): number | null {
  const code = plane.codes[at];
  return code ? plane.offset + plane.step * (code - 1) : null;
}

export function codeOf(plane: Plane, value: number): number {
  return (value - plane.offset) / plane.step + 1;
}

// One image of a volume, without a copy.
export function sliceOf(plane: Plane, z: number): Codes {
  const [, ny, nx] = plane.shape;
  return plane.codes.subarray(z * ny * nx, (z + 1) * ny * nx);
}
