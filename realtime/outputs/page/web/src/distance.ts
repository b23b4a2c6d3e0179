// Distance to a mask: the gating boundary is the target and so many mm around it.
// Felzenszwalb and Huttenlocher 2012, doi:10.4086/toc.2012.v008a019: exact, one pass an axis.

const FAR = 1e12;

// mm from each pixel to the nearest of the mask, 0 inside. pixel_mm: (y, x).
export function distanceMm(
  isIn: (at: number) => boolean, nx: number, ny: number, pixel_mm: readonly [number, number],
): Float32Array {
  const squares = new Float64Array(nx * ny);
  for (let at = 0; at < squares.length; at++) squares[at] = isIn(at) ? 0 : FAR;
  for (let x = 0; x < nx; x++) pass(squares, x, nx, ny, pixel_mm[0]);
  for (let y = 0; y < ny; y++) pass(squares, y * nx, 1, nx, pixel_mm[1]);
  return Float32Array.from(squares, Math.sqrt);
}

// The lower envelope of the parabolas that stand on one row or column.
function pass(squares: Float64Array, first: number, stride: number, n: number, spacing: number): void {
  const height = Float64Array.from({ length: n }, (_, i) => squares[first + i * stride]!);
  const root = new Int32Array(n);
  const from = new Float64Array(n + 1);
  const s2 = spacing * spacing;
  const meet = (p: number, q: number) => (height[q]! - height[p]! + s2 * (q * q - p * p)) / (2 * s2 * (q - p));
  let k = 0;
  from[0] = -Infinity;
  from[1] = Infinity;
  for (let q = 1; q < n; q++) {
    let where = meet(root[k]!, q);
    while (where <= from[k]!) where = meet(root[--k]!, q);
    root[++k] = q;
    from[k] = where;
    from[k + 1] = Infinity;
  }
  for (let q = 0, j = 0; q < n; q++) {
    while (from[j + 1]! < q) j++;
    const p = root[j]!;
    squares[first + q * stride] = s2 * (q - p) ** 2 + height[p]!;
  }
}
