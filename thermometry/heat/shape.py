"""Where the power goes: the deposition map, from what its modes say and that it lies in one place.

A focus has no shape that is known beforehand, but it lies somewhere and is smooth: a Gaussian
process under a window (Rasmussen and Williams 2006, chapters 2 and 5). Its place is where the maps
show it; its window and its length are those under which the maps are most likely.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.heat.bank import HeatBank, cosines
from thermometry.heat.fit import ANY_C_PER_S, HeatState

Real = NDArray[np.float64]

# standard deviation of the window and correlation length, mm: from a spot to a swept area, and
# spots on a wide halo
SCALES_MM: Final = (
    ((1.5, 1.2),),
    ((2.5, 1.2),),
    ((2.5, 2.5),),
    ((4.0, 1.2),),
    ((4.0, 3.0),),
    ((7.0, 6.0),),
    ((1.2, 1.2), (5.0, 4.0)),
)
AMPLITUDES_C_PER_S: Final = (0.5, 2.0, 8.0)
LEAST_SHARE: Final = 1e-3  # of the largest: below it, a component of the process is left out
MOST_COMPONENTS: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """Deposition modes = sum of w · along_y[row] ⊗ along_x[column], w independent, of variance 1.

    along_y, along_x: (part, mode). rows, columns: (component,), indices into them.
    """

    along_y: Real
    along_x: Real
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    def modes(self, weights: Real) -> Real:
        """Return the deposition's modes (member, y, x) of weights (member, component)."""
        grid = np.zeros((len(weights), len(self.along_y), len(self.along_x)))
        grid[:, self.rows, self.columns] = weights
        return np.asarray(self.along_y.T @ grid @ self.along_x)


def process(
    bank: HeatBank,
    centre_px: tuple[float, float],
    spacing_mm: tuple[float, float],
    scales_mm: tuple[tuple[float, float], ...],
) -> Process:
    """Return the process about a centre (y, x), the sum of one for each window and length."""
    bases = (bank.basis_y, bank.basis_x)
    # a place to a quarter of a pixel: from frame to frame it is the same one
    centre_px = (round(4 * centre_px[0]) / 4, round(4 * centre_px[1]) / 4)
    along_y: list[Real] = []
    along_x: list[Real] = []
    rows: list[NDArray[np.intp]] = []
    columns: list[NDArray[np.intp]] = []
    for scale in scales_mm:
        (values_y, modes_y), (values_x, modes_x) = (
            _parts(basis.shape, centre, spacing, scale)
            for basis, centre, spacing in zip(bases, centre_px, spacing_mm, strict=True)
        )
        shares = np.outer(values_y, values_x)
        order = np.argsort(shares, axis=None)[::-1][:MOST_COMPONENTS]
        order = order[shares.ravel()[order] > LEAST_SHARE * shares.max()]
        y, x = np.unravel_index(order, shares.shape)
        rows.append(y + sum(len(one) for one in along_y))
        columns.append(x + sum(len(one) for one in along_x))
        along_y.append(modes_y[: y.max() + 1])
        along_x.append(modes_x[: x.max() + 1])
    return Process(
        np.concatenate(along_y),
        np.concatenate(along_x),
        np.concatenate(rows),
        np.concatenate(columns),
    )


@lru_cache(maxsize=512)
def _parts(
    shape: tuple[int, int], centre_px: float, spacing_mm: float, scale_mm: tuple[float, float]
) -> tuple[Real, Real]:
    """Return the variances of the parts along an axis, largest first, and their modes.

    shape: (pixel, mode) of the axis.
    """
    window_mm, length_mm = scale_mm
    basis = cosines(*shape)
    at_mm = (np.arange(len(basis)) - centre_px) * spacing_mm
    window = np.exp(-((at_mm / (2 * window_mm)) ** 2))
    # heavier in fine detail than a Gaussian: a source may be sharp somewhere and smooth elsewhere
    kernel = 1 / (1 + np.subtract.outer(at_mm, at_mm) ** 2 / (2 * length_mm**2))
    values, vectors = np.linalg.eigh(window[:, None] * kernel * window)
    values = np.maximum(values[::-1], 0)
    return values, (basis.T @ (vectors[:, ::-1] * np.sqrt(values))).T


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """The deposition of some members: modes (member, y, x), and its error as components.

    error: (member, component, component); the covariance of the weights is error · errorᵀ.
    """

    process: Process
    amplitude_c_per_s: float
    deposition: Real
    error: Real


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What members' modes tell of a process's weights; (member, component, …).

    without: (member,), logarithm of the likelihood under no process.
    """

    process: Process
    precision: Real
    mean: Real
    without: Real

    def evidence(self, amplitude_c_per_s: float) -> Real:
        """Return the logarithm of each member's likelihood over that under no process."""
        n = self.mean.shape[1]
        bordered = np.empty((len(self.mean), n + 1, n + 1))
        bordered[:, :n, :n] = amplitude_c_per_s**2 * self.precision + np.eye(n)
        bordered[:, n, :n] = amplitude_c_per_s * self.mean
        # the factor's last row solves for the mean, whatever stands in the corner above it
        bordered[:, n, n] = 1 + np.sum(bordered[:, n, :n] ** 2, axis=1)
        factor = np.linalg.cholesky(bordered)
        squares = np.sum(factor[:, n, :n] ** 2, axis=1)
        determinant = np.log(np.einsum("mii->mi", factor)[:, :n]).sum(axis=1)
        return np.asarray(0.5 * squares - determinant - self.without)

    def shapes(self, amplitude_c_per_s: float, some: NDArray[np.intp] | slice) -> Shapes:
        """Return the depositions that some members' modes and the process agree on."""
        matrix = amplitude_c_per_s**2 * self.precision[some] + np.eye(self.mean.shape[1])
        inverse = np.linalg.inv(np.linalg.cholesky(matrix))
        whitened = np.einsum("mij,mj->mi", inverse, amplitude_c_per_s * self.mean[some])
        weights = amplitude_c_per_s * np.einsum("mij,mi->mj", inverse, whitened)
        error = amplitude_c_per_s * np.swapaxes(inverse, 1, 2)
        return Shapes(self.process, amplitude_c_per_s, self.process.modes(weights), error)


def told(state: HeatState, members: NDArray[np.intp], one: Process) -> Told:
    """Return what members' modes tell of a process; the members' own prior is taken out."""
    variance = state.var_deposition[members]
    precision = np.maximum(1 / variance - 1 / ANY_C_PER_S**2, 0)
    mean = state.deposition[members] / variance
    y, x, rows, columns = one.along_y, one.along_x, one.rows, one.columns
    pairs_y = (y[:, None] * y).reshape(-1, y.shape[1])
    pairs_x = (x[:, None] * x).reshape(-1, x.shape[1])
    table = pairs_y @ precision @ pairs_x.T
    of_pairs = table[:, rows[:, None] * len(y) + rows, columns[:, None] * len(x) + columns]
    without = mean**2 * variance + np.log(variance / ANY_C_PER_S**2)
    said = (y @ mean @ x.T)[:, rows, columns]
    return Told(one, of_pairs, said, 0.5 * without.sum(axis=(1, 2)))


def centre_px(bank: HeatBank, state: HeatState, member: int) -> tuple[float, float]:
    """Return where the maps show heat that follows the power, (y, x)."""
    modes = state.deposition[member] / state.var_deposition[member]
    seen = bank.basis_y @ modes @ bank.basis_x.T
    above = np.maximum(seen - 0.5 * seen.max(), 0)
    total = above.sum()
    if not total > 0:
        return (seen.shape[0] - 1) / 2, (seen.shape[1] - 1) / 2
    y, x = np.indices(seen.shape)
    return float((y * above).sum() / total), float((x * above).sum() / total)


def likeliest_process(
    bank: HeatBank, state: HeatState, member: int, spacing_mm: tuple[float, float]
) -> tuple[Process, float]:
    """Return the process, and its amplitude, under which a member's modes are most likely."""
    centre, some = centre_px(bank, state, member), np.array([member])
    if not state.response.any():  # no power has flowed: all are alike
        return process(bank, centre, spacing_mm, SCALES_MM[0]), AMPLITUDES_C_PER_S[0]
    best, found = -np.inf, None
    for scales in SCALES_MM:
        one = process(bank, centre, spacing_mm, scales)
        said = told(state, some, one)
        for amplitude in AMPLITUDES_C_PER_S:
            evidence = float(said.evidence(amplitude)[0])
            if found is None or evidence > best:
                best, found = evidence, (one, amplitude)
    if found is None:
        raise ValueError("no scale is known")
    return found
