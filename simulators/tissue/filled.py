"""The points of a grid that hold tissue, and sums over each column of them."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Complex = NDArray[np.complexfloating[Any, Any]]
Counts = NDArray[np.int64]


class Filled:
    """What of a grid (y, x) is not empty, in runs along x, each row from left to right.

    values: complex64 (point,). at: their places in the flattened grid. runs (run, 4): row, first
    column, one past the last, and which point is its first.
    """

    def __init__(self, grid: Complex) -> None:
        filled = abs(grid) > _EMPTY
        self.shape = grid.shape
        self.at = np.flatnonzero(filled)
        self.values = grid.ravel()[self.at]
        edges = np.diff(filled.astype(np.int8), axis=1, prepend=0, append=0)
        row, first = np.nonzero(edges == 1)
        past = np.nonzero(edges == -1)[1]
        start = np.cumsum(past - first) - (past - first)
        self.runs = np.stack([row, first, past, start], axis=1)

    def of(self, grid: Map) -> Map:
        """Return what a grid of this shape holds at the points."""
        return np.take(grid.ravel(), self.at)

    def spread_out(self, points: Complex) -> Complex:
        """Return the grid (y, x) with values at the points and 0 elsewhere."""
        grid = np.zeros(self.shape, np.complex64)
        grid.ravel()[self.at] = points
        return grid

    def within(self, rows: slice, columns: slice) -> tuple[Counts, Counts]:
        """Return which points lie in a rectangle, and where in the flattened rectangle each is."""
        row, column = np.divmod(self.at, self.shape[1])
        inside = np.flatnonzero(
            (row >= rows.start)
            & (row < rows.stop)
            & (column >= columns.start)
            & (column < columns.stop)
        )
        wide = columns.stop - columns.start
        return inside, (row[inside] - rows.start) * wide + column[inside] - columns.start

    def column_sums(
        self, points: Complex, scaled: Map, along_y: Complex, *, n_terms: int
    ) -> Complex:
        """Return Σ_y points · T_n(scaled) · along_y, complex64 (term n, y wave, x).

        points, scaled (point,), T_n the Chebyshev polynomials; along_y (y wave, y).
        """
        parts = (points.real, points.imag, scaled, along_y.real, along_y.imag)
        whole = tuple(np.ascontiguousarray(one, np.float32) for one in parts)
        sums = _column_sums(*whole, self.runs, n_terms, self.shape[1])
        return np.asarray(sums[0] + np.complex64(1j) * sums[1])


_EMPTY = 1e-5  # of the signal of water; what a hole's rounding leaves


def _sums(
    real: Map,
    imaginary: Map,
    scaled: Map,
    wave_real: Map,
    wave_imaginary: Map,
    runs: Counts,
    n_terms: int,
    n_columns: int,
) -> Map:
    """Return real and imaginary sums (2, term, y wave, x); the loops over i run side by side."""
    n_waves = wave_real.shape[0]
    sums = np.zeros((2, n_terms, n_waves, n_columns), np.float32)
    older, old, re, im = np.empty((4, n_columns), np.float32)
    for run in range(runs.shape[0]):
        row, first, past, start = runs[run, 0], runs[run, 1], runs[run, 2], runs[run, 3]
        n = past - first
        u = scaled[start : start + n]
        whole_re, whole_im = real[start : start + n], imaginary[start : start + n]
        for term in range(n_terms):
            for i in range(n):
                # T_0 = 1, and the rule holds from T_-1 = u on
                this = np.float32(2.0) * u[i] * old[i] - older[i] if term else np.float32(1.0)
                older[i] = old[i] if term else u[i]
                old[i] = this
                re[i], im[i] = whole_re[i] * this, whole_im[i] * this
            for wave in range(n_waves):
                c, s = wave_real[wave, row], wave_imaginary[wave, row]
                into_re = sums[0, term, wave, first:past]
                into_im = sums[1, term, wave, first:past]
                for i in range(n):
                    into_re[i] += c * re[i] - s * im[i]
                    into_im[i] += c * im[i] + s * re[i]
    return sums


_column_sums = numba.njit(nogil=True, error_model="numpy", fastmath=True, cache=True)(_sums)
