"""Samples off the grid spread onto an oversampled grid as they land, and the image that it gives.

Kaiser-Bessel convolution (Jackson 1991, doi:10.1109/42.97598) with the width of Beatty, Nishimura
and Pauly (2005, doi:10.1109/TMI.2005.848376, eq. 5).
"""

from math import ceil, pi, sqrt
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.special import i0

from recon.compiled import compiled
from recon.fft import InverseLines

# Aliasing e^(-π·6·√(1 - 1/1.25)) = 2e-4 of the image. A smaller grid with a wider kernel would
# leave less to transform after the last readout (1.125 and 8: a fifth less), but its corners would
# be lifted 36,000-fold out of the kernel's shadow, float32 rounding with them; here it is 200-fold.
WIDTH = 6
OVERSAMPLING = 1.25
LINES = 256  # transformed at once: they stay in the cache until they are laid elsewhere
MULTIPLE = 4  # of the grid's size: moved at once
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
        self._back[1] = np.repeat(self._back[1], 2)  # real and imaginary part
        self._at_once = max(1, LINES // n_coils)
        n_lines, n_blocks = self._at_once * n_coils, ceil(shape[0] / self._at_once)
        self._columns = InverseLines(1, n_lines, self.size[0])
        self._rows = InverseLines(n_blocks, n_lines, self.size[1])

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
        self, grid: NDArray[np.complex64], weights: NDArray[np.complex64] | None = None
    ) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Return the coil images (coil, y, x) and their weighted sum (y, x); `grid` stays.

        weights: complex64 (coil, y, x); without them the sum is zero. The scale is that of a
        centred orthonormal inverse FFT where the samples' weights are areas in k-space.
        The buffers are its own: one image at a time.
        """
        n_y, n_x = self.shape
        rows = self._rows.lines.reshape(-1, self.n_coils, self._at_once, self.size[1])
        for begin in range(0, self.size[1], self._at_once):
            columns = self._columns.lines.reshape(self.n_coils, self._at_once, self.size[0])
            _gather(grid, begin, columns)
            columns = self._columns.transforms(0).reshape(columns.shape)
            # one complex number as one integer: moved at once, half the time
            _turn(columns.view(np.int64), begin, n_y, rows.view(np.int64))
        coil_pixels = np.empty((self.n_coils, n_y, n_x), np.complex64)
        combined = np.empty((n_y, n_x), np.complex64)
        if weights is None:
            weights = np.zeros((self.n_coils, n_y, n_x), np.complex64)
        # whole arrays and a first row: a slice would hide from numba that x is contiguous
        parts = [one.view(np.float32) for one in (weights, coil_pixels, combined)]
        for block in range(len(rows)):
            transforms = self._rows.transforms(block).view(np.float32).reshape(*rows.shape[1:3], -1)
            _crop(transforms, block * self._at_once, *self._back, *parts)
        return coil_pixels, combined


def _size(n: int, oversampling: float) -> int:
    least = max(ceil(oversampling * n), n + WIDTH // 2, 2 * WIDTH)
    size: int = MULTIPLE * scipy.fft.next_fast_len(ceil(least / MULTIPLE))
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
def _gather(grid: NDArray[np.complex64], begin: int, columns: NDArray[np.complex64]) -> None:
    """Take columns (coil, x, y) from `begin` on out of the grid (y, x, coil)."""
    n_y, n_x, n_coils = grid.shape
    for y in range(0, n_y, MULTIPLE):
        for x in range(min(columns.shape[1], n_x - begin)):
            for coil in range(n_coils):
                for more in range(MULTIPLE):
                    columns[coil, x, y + more] = grid[y + more, begin + x, coil]


@compiled
def _turn(columns: NDArray[np.int64], begin: int, n_y: int, rows: NDArray[np.int64]) -> None:
    """Lay columns (coil, x, y in FFT order) from `begin` on into rows (block, coil, y, x).

    Rows that the image has no pixels for are left out.
    """
    half, size, at_once = n_y // 2, columns.shape[2], rows.shape[2]
    n_columns = min(columns.shape[1], rows.shape[3] - begin)
    for block in range(len(rows)):
        first = block * at_once
        end = min(first + at_once, n_y)
        middle = min(max(half, first), end)
        into = rows[block, :, :, begin : begin + n_columns]
        start = size - half
        _transpose(columns[:, :, start + first : start + middle], into[:, : middle - first])
        _transpose(columns[:, :, middle - half : end - half], into[:, middle - first :])


@compiled
def _transpose(columns: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    for coil in range(rows.shape[0]):
        for x in range(rows.shape[2]):
            for y in range(columns.shape[2]):
                rows[coil, y, x] = columns[coil, x, y]


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
    n_coils, n_y, n_parts = coil_pixels.shape
    half, size = n_parts // 4 * 2, rows.shape[2]
    real_sum, imag_sum = np.empty((2, n_parts // 2), np.float32)
    for y in range(begin, min(begin + rows.shape[1], n_y)):
        real_sum[:] = 0
        imag_sum[:] = 0
        for coil in range(n_coils):
            line, pixels, weight = rows[coil, y - begin], coil_pixels[coil, y], weights[coil, y]
            _scale(line[size - half :], back_y[y], back_x[:half], pixels[:half])
            _scale(line[: n_parts - half], back_y[y], back_x[half:], pixels[half:])
            for x in range(n_parts // 2):
                real, imag = pixels[2 * x], pixels[2 * x + 1]
                real_sum[x] += weight[2 * x] * real - weight[2 * x + 1] * imag
                imag_sum[x] += weight[2 * x] * imag + weight[2 * x + 1] * real
        total = combined[y]
        for x in range(n_parts // 2):
            total[2 * x], total[2 * x + 1] = real_sum[x], imag_sum[x]


@compiled
def _scale(
    line: NDArray[np.float32],
    factor: np.float32,
    factors: NDArray[np.float32],
    pixels: NDArray[np.float32],
) -> None:
    for part in range(len(pixels)):
        pixels[part] = line[part] * (factor * factors[part])
