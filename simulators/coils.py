"""Receive coils whose k-space is a sum of shifted copies of the object's: exact, no grid."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

_RING_MM = 125.0  # distance of the loops from the head's centre
_REACH_MM = 75.0  # loop radius: how deep a coil sees
_PERIOD_MM = 400.0  # of the slowest plane wave; beyond the head on purpose


@dataclass(frozen=True, slots=True, eq=False)
class Coils:
    """Sensitivities as linear combinations of a few plane waves.

    waves_per_mm: (wave, 2), (x, y) cycles/mm. weights: complex (coil, wave).
    """

    waves_per_mm: Real
    weights: Complex

    @property
    def n_coils(self) -> int:
        """Number of coils."""
        return int(self.weights.shape[0])

    def sensitivity(self, x_mm: Real, y_mm: Real) -> Complex:
        """Return the sensitivities (coil, …) at points that broadcast."""
        return np.tensordot(self.weights, _waves(self.waves_per_mm, x_mm, y_mm), axes=1)

    def kspace(self, object_kspace: Callable[[Real, Real], Complex], fx: Real, fy: Real) -> Complex:
        """Return the coils' k-space (coil, fy, fx) of an object known in closed form."""
        value: Complex = np.zeros((self.n_coils, fy.size, fx.size), np.complex128)
        for wave, weight in zip(self.waves_per_mm, self.weights.T, strict=True):
            if np.any(weight):
                value += weight[:, None, None] * object_kspace(fx - wave[0], fy - wave[1])
        return value


def head_coils(n_coils: int) -> Coils:
    """Return a ring of loops around the head; one coil alone is uniform.

    The falloff of a loop on its axis, (1 + d²/r²)^(-3/2), and a phase that runs with depth are
    fitted by nine plane waves inside the head. The fit is the sensitivity: exact by definition.
    """
    steps = np.array([-1.0, 0.0, 1.0])
    waves = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) / _PERIOD_MM
    if n_coils == 1:
        return Coils(waves, (np.abs(waves).sum(axis=1) == 0).astype(np.complex128)[None])
    x_mm, y_mm = (axis.ravel() for axis in np.meshgrid(np.linspace(-80, 80, 41), _rows_mm()))
    inside = (x_mm / 82) ** 2 + (y_mm / 101) ** 2 <= 1
    x_mm, y_mm = x_mm[inside], y_mm[inside]
    basis = _waves(waves, x_mm, y_mm).T
    targets = np.stack([_loop(i, n_coils, x_mm, y_mm) for i in range(n_coils)], axis=1)
    ridge = 1e-3 * len(x_mm) * np.eye(len(waves))  # keeps the weights small, so no cancellation
    solution = np.linalg.solve(basis.conj().T @ basis + ridge, basis.conj().T @ targets)
    weights = np.asarray(solution.T, np.complex128)
    coils = Coils(waves, weights)
    at_centre = coils.sensitivity(np.zeros(1), np.zeros(1))
    return Coils(waves, weights / float(np.linalg.norm(at_centre)))


def _rows_mm() -> Real:
    return np.linspace(-100, 100, 51)


def _waves(waves_per_mm: Real, x_mm: Real, y_mm: Real) -> Complex:
    turns = np.multiply.outer(waves_per_mm[:, 0], x_mm)
    turns = turns + np.multiply.outer(waves_per_mm[:, 1], y_mm)
    return np.asarray(np.exp(2j * np.pi * turns))


def _loop(index: int, n_coils: int, x_mm: Real, y_mm: Real) -> Complex:
    angle = 2 * np.pi * (index + 0.3) / n_coils  # 0.3: no coil sits on an axis of symmetry
    dx, dy = x_mm - _RING_MM * np.cos(angle), y_mm - _RING_MM * np.sin(angle)
    distance = np.hypot(dx, dy)
    falloff = (1 + (distance / _REACH_MM) ** 2) ** -1.5
    return np.asarray(falloff * np.exp(1j * (angle + 0.8 * distance / _RING_MM)))
