// Marching squares: the lines of one level in a map of codes.

import type { Codes } from "./picture.ts";

// Segments x0, y0, x1, y1 in pixels, a pixel's centre at a half. A cell with a code 0 (not known) has
// no line: what is not known is not joined up.
export function contour(codes: Codes | Float32Array, nx: number, ny: number, level: number): number[] {
  const lines: number[] = [];
  for (let y = 0; y + 1 < ny; y++) {
    for (let x = 0; x + 1 < nx; x++) {
      const at = y * nx + x;
      const a = codes[at]!;
      const b = codes[at + 1]!;
      const c = codes[at + nx + 1]!;
      const d = codes[at + nx]!;
      const which = (a >= level ? 1 : 0) | (b >= level ? 2 : 0) | (c >= level ? 4 : 0) | (d >= level ? 8 : 0);
      if (which === 0 || which === 15 || a === 0 || b === 0 || c === 0 || d === 0) continue;
      cell(lines, which, x + 0.5, y + 0.5, a, b, c, d, level);
    }
  }
  return lines;
}

function cell(
  lines: number[], which: number, x: number, y: number,
  a: number, b: number, c: number, d: number, level: number,
): void {
  const top = () => lines.push(x + (level - a) / (b - a), y);
  const right = () => lines.push(x + 1, y + (level - b) / (c - b));
  const bottom = () => lines.push(x + (level - d) / (c - d), y + 1);
  const left = () => lines.push(x, y + (level - a) / (d - a));
  const join = (from: () => void, to: () => void) => { from(); to(); };
  switch (which) {
    case 1: case 14: return join(left, top);
    case 2: case 13: return join(top, right);
    case 4: case 11: return join(right, bottom);
    case 8: case 7: return join(bottom, left);
    case 3: case 12: return join(left, right);
    case 6: case 9: return join(top, bottom);
    case 5: join(left, top); return join(right, bottom);
    default: join(top, right); return join(bottom, left);
  }
}

// The border of a mask along its pixels' edges: `isIn(code)` says which pixels belong to it.
export function outline(codes: Codes, nx: number, ny: number, isIn: (code: number) => boolean): number[] {
  const lines: number[] = [];
  const inside = (y: number, x: number) => x >= 0 && y >= 0 && x < nx && y < ny && isIn(codes[y * nx + x]!);
  for (let y = 0; y < ny; y++) {
    for (let x = 0; x < nx; x++) {
      if (!isIn(codes[y * nx + x]!)) continue;
      if (!inside(y - 1, x)) lines.push(x, y, x + 1, y);
      if (!inside(y + 1, x)) lines.push(x, y + 1, x + 1, y + 1);
      if (!inside(y, x - 1)) lines.push(x, y, x, y + 1);
      if (!inside(y, x + 1)) lines.push(x + 1, y, x + 1, y + 1);
    }
  }
  return lines;
}
