"""Samples off the grid spread onto an oversampled grid as they land, and the image that it gives.

Kaiser-Bessel convolution (Jackson 1991, doi:10.1109/42.97598) with the width of Beatty, Nishimura
and Pauly (2005, doi:10.1109/TMI.2005.848376, eq. 5).
"""

from itertools import pairwise
from math import ceil, pi, sqrt
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.special import i0

from recon.compiled import compiled

# Aliasing e^(-π·6·√(1 - 1/1.25)) = 2e-4 of the image. A smaller grid with a wider kernel would
# leave less to transform after the last readout (1.125 and 8: a fifth less), but its corners would
# be lifted 36,000-fold out of the kernel's shadow, float32 rounding with them; here it is 200-fold.
WIDTH = 6
OVERSAMPLING = 1.25
ROWS = 16
TABLE_STEPS = 512  # a grid cell; linear interpolation between them errs by 4e-6
EDGE = 1e-3  # in cycles: how far float32 may put a sample at n / 2 beyond it


class OversampledGrid:
    """The grid of one image size, its kernel, and the way back to pixels.

    shape: (y, x) of the image. n_coils: channels spread side by side.
    oversampling: of the grid; more of it costs time and saves digits.
    """

    def __init__(
        self, shape: tuple[int, int], n_coils: int, oversampling: float = OVERSAMPLING
    ) -> None:
        self.shape = shape
        self.n_coils = n_coils
        self.size = (_size(shape[0], oversampling), _size(shape[1], oversampling))
        self._tables = np.stack([_table(n, size) for n, size in zip(shape, self.size, strict=True)])
        scale = 1 / sqrt(sqrt(shape[0] * shape[1]))
        self._back = [
            (scale * _deapodisation(n, size)).astype(np.float32)
            for n, size in zip(shape, self.size, strict=True)
        ]
        self._back_x = np.repeat(self._back[1], 2)

    def zeros(self) -> NDArray[np.complex64]:
        """Return an empty grid, complex64 (y, x, coil), k-space centre at 0."""
        return np.zeros((*self.size, self.n_coils), np.complex64)

    def spread(
        self,
        grid: NDArray[np.complex64],
        coord: NDArray[np.float32],
        weight: NDArray[np.float32],
        samples: NDArray[np.complex64],
    ) -> float:
        """Add one readout to `grid` in place; return the sum of its squared weights.

        coord: float32 (sample, 2), (y, x) in cycles per field of view. weight: float32 (sample,).
        samples: complex64 (sample, coil). What lies beyond ± n / 2 is passed over: the image's
        pixels cannot show it.
        """
        return float(
            _spread(
                grid.view(np.float32),
                coord,
                weight,
                samples.view(np.float32),
                self._tables,
                self.shape,
            )
        )

    def pixels(
        self,
        grid: NDArray[np.complex64],
        scratch: NDArray[np.complex64],
        weights: NDArray[np.complex64] | None = None,
    ) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Return the coil images (coil, y, x) and their weighted sum (y, x); `grid` stays.

        scratch: another grid, overwritten: fresh memory of this size costs a page fault each 4 KiB.
        weights: complex64 (coil, y, x); without them the sum is zero. The scale is that of a
        centred orthonormal inverse FFT where the samples' weights are areas in k-space.
        """
        n_y, n_x = self.shape
        np.copyto(scratch, grid)
        first = scipy.fft.ifft(scratch, axis=0, norm="forward", overwrite_x=True)
        coil_pixels = np.empty((self.n_coils, n_y, n_x), np.complex64)
        combined = np.empty((n_y, n_x), np.complex64)
        if weights is None:
            weights = np.zeros((self.n_coils, n_y, n_x), np.complex64)
        # Rows that the image has no pixels for are not transformed a second time, and the others
        # a few at a time, which stay in the cache until they are cropped.
        edges = [*range(0, n_y // 2, ROWS), *range(n_y // 2, n_y, ROWS), n_y]
        for begin, end in pairwise(edges):
            place = (begin - n_y // 2) % self.size[0]
            rows = first[place : place + end - begin]
            # coils to the front on the way: the transform gathers its input in any case
            rows = scipy.fft.ifft(rows.transpose(2, 0, 1), axis=2, norm="forward")
            # whole arrays and a first row: a slice would hide from numba that x is contiguous
            _crop(
                rows.view(np.float32),
                begin,
                self._back[0],
                self._back_x,
                weights.view(np.float32),
                coil_pixels.view(np.float32),
                combined.view(np.float32),
            )
        return coil_pixels, combined


def _size(n: int, oversampling: float) -> int:
    size: int = scipy.fft.next_fast_len(max(ceil(oversampling * n), n + WIDTH // 2, 2 * WIDTH))
    return size


def _beta(n: int, size: int) -> float:
    ratio = size / n
    return pi * sqrt((WIDTH / ratio * (ratio - 0.5)) ** 2 - 0.8)


def _table(n: int, size: int) -> NDArray[np.float32]:
    """Return the kernel from its middle to its edge, and two zeros beyond."""
    beta = _beta(n, size)
    distance = np.arange(WIDTH // 2 * TABLE_STEPS + 1) / (WIDTH // 2 * TABLE_STEPS)
    kernel = i0(beta * np.sqrt(1 - distance**2)) / i0(beta)
    return np.append(kernel, [0.0, 0.0]).astype(np.float32)


def _deapodisation(n: int, size: int) -> NDArray[np.float64]:
    """Return one over the kernel's Fourier transform at each pixel."""
    beta = _beta(n, size)
    place = pi * WIDTH * (np.arange(n) - n // 2) / size
    # float64: sinh and I0 are of the order of 1e6 here
    root = np.sqrt(np.complex128(beta**2 - place**2))
    one_over: NDArray[np.float64] = np.real(root * i0(beta) / (WIDTH * np.sinh(root)))
    return one_over


@compiled
def _spread(
    grid: NDArray[np.float32],
    coord: NDArray[np.float32],
    weight: NDArray[np.float32],
    samples: NDArray[np.float32],
    tables: NDArray[np.float32],
    shape: tuple[int, int],
) -> float:
    """Add samples (sample, 2 · coil) to the grid (y, x, 2 · coil), real and imaginary by turns."""
    n_y, n_x, n_parts = grid.shape
    ratio_y, ratio_x = n_y / shape[0], n_x / shape[1]
    limit_y, limit_x = shape[0] / 2 + EDGE, shape[1] / 2 + EDGE
    weight_x = np.empty(WIDTH, np.float32)
    column = np.empty(WIDTH, np.int64)
    power = 0.0
    for one in range(coord.shape[0]):
        k_y, k_x = coord[one, 0], coord[one, 1]
        if abs(k_y) > limit_y or abs(k_x) > limit_x:
            continue
        power += weight[one] * weight[one]
        y, x = k_y * ratio_y, k_x * ratio_x
        left, top = int(np.ceil(x - WIDTH / 2)), int(np.ceil(y - WIDTH / 2))
        for tap in range(WIDTH):
            weight_x[tap] = _kernel(tables[1], abs(left + tap - x))
            column[tap] = (left + tap) % n_x
        for row in range(WIDTH):
            weight_y = weight[one] * _kernel(tables[0], abs(top + row - y))
            line = (top + row) % n_y
            for tap in range(WIDTH):
                factor = np.float32(weight_y * weight_x[tap])
                place = column[tap]
                for part in range(n_parts):
                    grid[line, place, part] += factor * samples[one, part]
    return power


@compiled
def _kernel(table: NDArray[np.float32], distance: float) -> Any:  # noqa: ANN401 - numba's float32
    place = distance * TABLE_STEPS
    whole = int(place)
    part = np.float32(place - whole)
    return table[whole] + part * (table[whole + 1] - table[whole])


@compiled
def _crop(
    rows: NDArray[np.float32],
    begin: int,
    back_y: NDArray[np.float32],
    back_x: NDArray[np.float32],
    weights: NDArray[np.float32],
    coil_pixels: NDArray[np.float32],
    combined: NDArray[np.float32],
) -> None:
    """Take pixels (coil, y, 2 · x) from rows (coil, y, 2 · x in FFT order), and their weighted sum.

    Real and imaginary parts by turns; back_x has a factor for each.
    """
    n_coils, _, n_parts = coil_pixels.shape
    half = n_parts // 4 * 2
    for row in range(rows.shape[1]):
        y = begin + row
        total = combined[y]
        total[:] = 0
        for coil in range(n_coils):
            line, pixels, weight = rows[coil, row], coil_pixels[coil, y], weights[coil, y]
            tail = line[len(line) - half :]
            for part in range(half):
                pixels[part] = tail[part] * (back_y[y] * back_x[part])
            for part in range(half, n_parts):
                pixels[part] = line[part - half] * (back_y[y] * back_x[part])
            for x in range(n_parts // 2):
                real, imag = pixels[2 * x], pixels[2 * x + 1]
                total[2 * x] += weight[2 * x] * real - weight[2 * x + 1] * imag
                total[2 * x + 1] += weight[2 * x] * imag + weight[2 * x + 1] * real
