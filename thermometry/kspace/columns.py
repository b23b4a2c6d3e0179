"""Phase from the lines of k-space that were measured: columns along y, each solved by itself.

The readout direction is transformed, so nothing folds from one column into another. With the
baseline b (coil, column, y) and the phase φ the lines show F(b·e^{iφ}), and F's normal operator is
a convolution along y whose kernel `spread` depends on the distance alone. Gaur and Grissom 2015,
doi:10.1002/mrm.25327, whose model it is; solved here by Gauss-Newton steps, whose unknowns are
real.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from thermometry.compiled import compiled, inner

Columns = NDArray[np.complex64]  # (column, y)
CoilColumns = NDArray[np.complex64]  # (coil, column, y)
Lengths = NDArray[np.float32]  # (column, y)
Chosen = NDArray[np.bool_]  # (column, y)

SWEEPS: Final = 30  # of coordinate descent
RELAXED: Final = 0.7  # the threshold's fall from sweep to sweep, so that the strongest come first


@dataclass(frozen=True, slots=True)
class Crop:
    """The columns of an image (z, y, x) that hold signal, as rows of memory: (column, y).

    first, last: the range of x; its columns stand side by side, slice after slice.
    """

    shape: tuple[int, int, int]
    first: int
    last: int

    @property
    def planes(self) -> tuple[int, int, int]:
        """The columns as planes, (z, x, y)."""
        return self.shape[0], self.last - self.first, self.shape[1]

    def columns(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Return (…, column, y) of (…, z, y, x), in memory of its own."""
        turned = np.swapaxes(volume[..., self.first : self.last], -1, -2)
        return np.ascontiguousarray(turned).reshape(*volume.shape[:-3], -1, self.shape[1])

    def volume(self, columns: NDArray[Any]) -> NDArray[Any]:
        """Return (z, y, x) of (column, y), zero elsewhere."""
        filled = np.zeros(self.shape, columns.dtype)
        filled[..., self.first : self.last] = columns.reshape(self.planes).swapaxes(-1, -2)
        return filled


def crop_to(modelled: NDArray[np.bool_]) -> Crop:
    """Return the columns that hold any of these pixels (z, y, x); one where there is none."""
    held = np.flatnonzero(modelled.any(axis=(0, 1)))
    first, last = (int(held[0]), int(held[-1]) + 1) if held.size else (0, 1)
    return Crop(modelled.shape, first, last)


def turn(phase_rad: Lengths) -> Columns:
    """Return e^{iφ}, ten times as fast as by a complex exponential."""
    turned = np.empty(phase_rad.shape, np.complex64)
    np.cos(phase_rad, out=turned.real)
    np.sin(phase_rad, out=turned.imag)
    return turned


def spread(measured: NDArray[np.bool_]) -> NDArray[np.complex64]:
    """Return what the measured lines make of a point, at distances along y from 1 - y to y - 1.

    measured: bool (y,), lines of k-space in order, the centre at y // 2. Returns complex64.
    """
    n = measured.size
    lines = np.flatnonzero(measured) - n // 2
    distance = np.arange(1 - n, n)
    waves = np.exp(2j * np.pi / n * np.outer(distance, lines))
    return np.asarray(waves.sum(axis=1) / n, np.complex64)


def only_measured(coils: CoilColumns, measured: NDArray[np.bool_]) -> CoilColumns:
    """Return what the measured lines hold of coil images (coil, column, y)."""
    kept = np.fft.ifftshift(measured).astype(np.float32)
    kspace = scipy.fft.fft(coils, axis=-1)
    kspace *= kept
    seen: CoilColumns = scipy.fft.ifft(kspace, axis=-1, overwrite_x=True)
    return seen


@inner
def product(
    turned: CoilColumns, kernel: NDArray[np.complex64], column: int, j: int, k: int
) -> complex:
    """One element of a column's normal matrix."""
    value = complex(0.0)
    for coil in range(turned.shape[0]):
        value += turned[coil, column, j].conjugate() * turned[coil, column, k]
    element: complex = value * kernel[turned.shape[2] - 1 + j - k]
    return element


@inner
def normal_matrix(
    turned: CoilColumns, kernel: NDArray[np.complex64], column: int, places: NDArray[np.intp]
) -> NDArray[np.complex128]:
    """Return a column's normal matrix between some pixels; float64, because it is inverted."""
    n = places.size
    normal = np.empty((n, n), np.complex128)
    for j in range(n):
        for k in range(j + 1):
            normal[j, k] = product(turned, kernel, column, places[j], places[k])
            normal[k, j] = normal[j, k].conjugate()
    return normal


@compiled
def match(residual: CoilColumns, turned: CoilColumns) -> Columns:
    """Return what is left of the lines in the direction of each pixel's signal, Σ conj(b·e^{iφ})·r.

    Its imaginary part is minus the cost's gradient by the phase, halved.
    """
    n_coils, n_columns, n_y = turned.shape
    matched = np.zeros((n_columns, n_y), np.complex64)
    for coil in range(n_coils):
        for column in range(n_columns):
            for y in range(n_y):
                b = turned[coil, column, y]
                matched[column, y] += b.conjugate() * residual[coil, column, y]
    return matched


@compiled
def sparse_change(
    matched: Columns,
    turned: CoilColumns,
    kernel: NDArray[np.complex64],
    candidates: Chosen,
    threshold: Lengths,
) -> Columns:
    """Return the fewest changes (column, y) that explain what is left: L1, coordinate descent.

    Minimises ½ dᴴQd - Re(dᴴ matched) + Σ threshold |d| over the candidates. The change of a phase
    by δ is e^{iδ} - 1, so it is complex and a large one is found as well as a small one.
    """
    n_columns, n_y = matched.shape
    change = np.zeros((n_columns, n_y), np.complex64)
    for column in range(n_columns):
        places = np.flatnonzero(candidates[column])
        n = places.size
        if n == 0:
            continue
        normal = normal_matrix(turned, kernel, column, places)
        left = matched[column][places].astype(np.complex128)
        found = np.zeros(n, np.complex128)
        excess = 1.0
        for j in range(n):
            excess = max(excess, abs(left[j]) / threshold[column, places[j]])
        for _ in range(SWEEPS):
            excess = max(RELAXED * excess, 1.0)
            for j in range(n):
                own = normal[j, j].real
                pull = left[j] + own * found[j]
                size = abs(pull)
                limit = excess * threshold[column, places[j]]
                new = pull * ((1.0 - limit / size) / own) if size > limit else 0.0j
                step = new - found[j]
                if step != 0.0:
                    for k in range(n):
                        left[k] -= normal[k, j] * step
                    found[j] = new
        for j in range(n):
            change[column, places[j]] = found[j]
    return change


@compiled
def refit(
    matched: Columns,
    turned: CoilColumns,
    kernel: NDArray[np.complex64],
    chosen: Chosen,
    least: float,
) -> tuple[Lengths, Lengths, Lengths]:
    """One step of the phase of the chosen pixels, all others held, without any shrinking.

    Returns three (column, y): the step in rad; the inverse normal matrix's diagonal in the chosen
    pixels (times the noise's variance it is the phase's); in the others the normal matrix's own
    diagonal without what the chosen pixels can explain as well.
    least: added to the diagonal, for pixels that the lines do not tell apart.
    """
    n_coils, n_columns, n_y = turned.shape
    step = np.zeros((n_columns, n_y), np.float32)
    inverse = np.zeros((n_columns, n_y), np.float32)
    weight = np.zeros((n_columns, n_y), np.float32)
    own = kernel[n_y - 1].real
    for column in range(n_columns):
        for y in range(n_y):
            for coil in range(n_coils):
                b = turned[coil, column, y]
                weight[column, y] += own * (b.real * b.real + b.imag * b.imag)
        places = np.flatnonzero(chosen[column])
        n = places.size
        if n == 0:
            continue
        normal = normal_matrix(turned, kernel, column, places)
        for j in range(n):
            normal[j, j] += least
        left = matched[column][places].astype(np.complex128)
        solved = np.linalg.inv(np.ascontiguousarray(normal.real))
        phase = solved @ np.ascontiguousarray(left.imag)
        for j in range(n):
            step[column, places[j]] = phase[j]
            inverse[column, places[j]] = solved[j, j]
        cross = np.empty(n)
        for y in range(n_y):
            if chosen[column, y] or weight[column, y] == 0.0:
                continue
            for j in range(n):
                cross[j] = product(turned, kernel, column, y, places[j]).real
            weight[column, y] = max(weight[column, y] - cross @ (solved @ cross), 0.0)
    return step, inverse, weight
