"""From material points to k-space samples: forward sums, no grid of the reconstruction's."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import jv

from simulators.coils import Coils
from simulators.tissue.filled import Filled

Real = NDArray[np.floating[Any]]
Complex = NDArray[np.complexfloating[Any, Any]]

_TOLERANCE = 1e-5


class WaveCoils:
    """The coils' plane waves as products of waves along x and along y.

    x_per_mm, y_per_mm: their frequencies; weights: complex64 (coil, y wave * x wave).
    """

    def __init__(self, coils: Coils) -> None:
        used = np.any(coils.weights != 0, axis=0)
        waves, weights = coils.waves_per_mm[used], coils.weights[:, used]
        self.x_per_mm, at_x = np.unique(waves[:, 0], return_inverse=True)
        self.y_per_mm, at_y = np.unique(waves[:, 1], return_inverse=True)
        self.weights = np.zeros((len(weights), self.y_per_mm.size * self.x_per_mm.size), "c8")
        self.weights[:, at_y * self.x_per_mm.size + at_x] = weights


class Sums:
    """Sums over points on a product grid; remembers what depends on the readout alone."""

    def __init__(self, coils: Coils, x_mm: Real) -> None:
        self._coils, self._x_mm = WaveCoils(coils), x_mm
        self._along_x = lru_cache(maxsize=256)(self._waves_along_x)
        self._wave_x = _turns(np.outer(self._coils.x_per_mm, x_mm))

    def samples(
        self,
        filled: Filled,
        points: Complex,
        spread: NDArray[np.float32],
        *,
        y_mm: Real,
        across_mm: float,
        k_per_mm: Real,
        cycles: Real,
    ) -> Complex:
        """Return Σ points · coil · exp(-2πi k·r) exp(2πi spread · cycles), (coil, sample).

        points, spread (point,) of what is filled; k_per_mm (sample, 2 or more); cycles (sample,):
        how far spread of 1 has turned at each sample. Rows lie at y_mm, columns at x plus
        across_mm.
        The second exponential is no product of something in space and something in time; it is
        expanded in Chebyshev polynomials of spread (Jacobi and Anger), to 1e-5.
        """
        largest = _rounded_up(float(abs(spread).max(initial=0.0)))
        terms = _terms(2 * np.pi * largest * cycles)
        scaled = spread / np.float32(largest)
        is_line = bool(np.ptp(k_per_mm[:, 1]) == 0)
        sum_waves = self._line if is_line else self._curve
        kx, waves = k_per_mm[:, 0], self._coils
        moved = _turns(np.subtract.outer(waves.x_per_mm, kx) * across_mm)
        total = sum_waves(filled, points, scaled, y_mm, k_per_mm, terms) * moved
        return np.asarray(waves.weights @ total.reshape(-1, kx.size))

    def _line(
        self,
        filled: Filled,
        points: Complex,
        scaled: NDArray[np.float32],
        y_mm: Real,
        k_per_mm: Real,
        terms: Complex,
    ) -> Complex:
        """Sum over y first, since ky is the same for all samples: (y wave, x wave, sample)."""
        waves, n = self._coils, len(terms)
        along_y = _turns(np.outer(waves.y_per_mm - k_per_mm[0, 1], y_mm))
        rows = filled.column_sums(points, scaled, along_y, n_terms=n)
        seen = rows[:, :, None, :] * self._wave_x
        flat = seen.reshape(-1, rows.shape[-1]) @ self._along_x(_key(k_per_mm[:, 0]))
        each = flat.reshape(n, waves.y_per_mm.size, waves.x_per_mm.size, -1)
        return np.asarray((each * terms[:, None, None, :]).sum(axis=0))

    def _curve(
        self,
        filled: Filled,
        points: Complex,
        scaled: NDArray[np.float32],
        y_mm: Real,
        k_per_mm: Real,
        terms: Complex,
    ) -> Complex:
        """As `_line`, of any trajectory: sum over x for each row, then over y."""
        waves, along_x = self._coils, self._along_x(_key(k_per_mm[:, 0]))
        along_y = _turns(-np.outer(y_mm, k_per_mm[:, 1]))
        wave_y = _turns(np.outer(waves.y_per_mm, y_mm))
        older, old, total = points, points * scaled, 0
        for index, term in enumerate(terms):
            this = points if index == 0 else old
            if index > 1:
                older, old = old, 2 * scaled * old - older
                this = old
            grid = filled.spread_out(this)
            columns = [wave_y @ ((grid * wave) @ along_x * along_y) for wave in self._wave_x]
            total = total + np.stack(columns, axis=1) * term
        return np.asarray(total)

    def _waves_along_x(self, kx_bytes: bytes) -> Complex:
        return _turns(-np.outer(self._x_mm, np.frombuffer(kx_bytes)))


def _rounded_up(value: float) -> float:
    """Return one of few numbers not below a value, so that the terms are remembered."""
    return float(1.25 ** math.ceil(math.log(max(value, 1e-3), 1.25)))


def _key(kx_per_mm: Real) -> bytes:
    return np.ascontiguousarray(kx_per_mm, np.float64).tobytes()


def _terms(angle_rad: Real) -> Complex:
    """Return the coefficients (term, sample) of exp(i angle u) in Chebyshev polynomials of u."""
    return _remembered_terms(np.ascontiguousarray(angle_rad, np.float64).tobytes())


@lru_cache(maxsize=64)
def _remembered_terms(angle_bytes: bytes) -> Complex:
    angle_rad = np.frombuffer(angle_bytes)
    reach = float(abs(angle_rad).max())
    n = next(n for n in range(1, 200) if abs(jv(n, reach)) < _TOLERANCE and n >= reach)
    order = np.arange(n)
    values = jv(order[:, None], angle_rad) * (1j**order * np.where(order == 0, 1, 2))[:, None]
    return np.asarray(values.astype(np.complex64))


def _turns(cycles: Real) -> Complex:
    return np.asarray(np.exp(2j * math.pi * cycles).astype(np.complex64))
