"""k-space of ellipses along straight readouts, in closed form and fast enough to play live."""

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import j1, jv

from simulators.linac.bodies import Cut

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

_STEP = 1 / 256  # of the table; cubic between: off by 4e-10 at most
_REACH = 160.0  # of the table: half an axis in periods of the finest k


def line_samples(weights: Complex, cut: Cut, k_per_mm: Real, waves_per_mm: Real) -> Complex:
    """Return ∫ object · exp(-2πi (k - wave)·r) dr in mm², (wave, sample).

    weights (body,); k_per_mm (sample, 2 or more): evenly along a straight line, else ValueError;
    waves_per_mm (wave, 2). Van de Walle et al. 1997, doi:10.1109/42.650882: a b J1(2πκ)/κ.
    """
    first, step = _straight(k_per_mm[:, :2])
    seen = cut.sizes > 0
    centers, shapes = cut.centers_mm[seen], cut.shapes_mm[seen] * cut.sizes[seen, None, None]
    scaled = weights[seen] * abs(np.linalg.det(shapes))
    starts = first - waves_per_mm
    farthest = np.linalg.norm(shapes, axis=(1, 2)).max(initial=0) * _longest(
        starts, step, len(k_per_mm)
    )
    if farthest >= _REACH - 1:
        raise ValueError(f"k-space reaches {farthest:g} half-axes, expected below {_REACH - 1:g}")
    real = np.zeros((len(waves_per_mm), len(k_per_mm)))
    imaginary = np.zeros_like(real)
    _add(real, imaginary, scaled, centers, shapes, starts, step, _table())
    return real + 1j * imaginary


def _straight(k_per_mm: Real) -> tuple[Real, Real]:
    n = len(k_per_mm)
    first, step = k_per_mm[0], (k_per_mm[-1] - k_per_mm[0]) / max(n - 1, 1)
    if np.abs(first + np.arange(n)[:, None] * step - k_per_mm).max() > 1e-9:
        raise ValueError("a readout of curved or uneven k, expected straight lines")
    return first, step


def _longest(starts: Real, step: Real, n: int) -> float:
    ends = starts + (n - 1) * step
    return float(np.sqrt(max((starts**2).sum(1).max(), (ends**2).sum(1).max())))


@cache
def _table() -> Real:
    """Return the cubics (piece, power) of J1(2πκ)/κ between multiples of the step, by Hermite."""
    kappa = np.maximum(np.arange(round(_REACH / _STEP) + 2) * _STEP, 1e-9)
    value = j1(2 * np.pi * kappa) / kappa
    slope = -2 * np.pi * jv(2, 2 * np.pi * kappa) / kappa * _STEP
    (low, high), (from_, to) = ((one[:-1], one[1:]) for one in (value, slope))
    rise = high - low
    return np.stack([low, from_, 3 * rise - 2 * from_ - to, from_ + to - 2 * rise], axis=-1)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add(
    real: Real,
    imaginary: Real,
    weights: Complex,
    centers: Real,
    shapes: Real,
    starts: Real,
    step: Real,
    table: Real,
) -> None:
    n_waves, n = real.shape
    cosines, sines = np.empty(n), np.empty(n)
    for body in range(weights.size):
        shape, x, y = shapes[body], centers[body, 0], centers[body, 1]
        turn, turns_by = 1 + 0j, np.exp(-2j * np.pi * (step[0] * x + step[1] * y))
        for sample in range(n):
            cosines[sample], sines[sample] = turn.real, turn.imag
            turn *= turns_by
        du = (shape[0, 0] * step[0] + shape[1, 0] * step[1]) / _STEP
        dv = (shape[0, 1] * step[0] + shape[1, 1] * step[1]) / _STEP
        for wave in range(n_waves):
            fx, fy = starts[wave]
            u = (shape[0, 0] * fx + shape[1, 0] * fy) / _STEP
            v = (shape[0, 1] * fx + shape[1, 1] * fy) / _STEP
            first = weights[body] * np.exp(-2j * np.pi * (fx * x + fy * y))
            c, s = first.real, first.imag
            for sample in range(n):
                across, along = u + sample * du, v + sample * dv
                at = np.sqrt(across * across + along * along)
                low = np.int32(at)
                p = at - low
                value = table[low, 0] + p * (
                    table[low, 1] + p * (table[low, 2] + p * table[low, 3])
                )
                real[wave, sample] += value * (c * cosines[sample] - s * sines[sample])
                imaginary[wave, sample] += value * (c * sines[sample] + s * cosines[sample])
