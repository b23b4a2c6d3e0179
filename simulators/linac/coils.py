"""Coils in front of and behind a chest; each slice sees them as a few plane waves, exactly."""

import numpy as np
from numpy.typing import NDArray

from simulators.coils import Coils
from simulators.sequences.plane import Plane, Vector

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

_REACH_MM = 130.0  # radius of a loop: how deep it sees
_PERIOD_MM = 640.0  # of the slowest plane wave; beyond the body on purpose
_AWAY_MM = 150.0  # of the loops from the middle, in front and behind
_SPREAD_MM = 120.0  # of the loops from head to foot, from the middle
_ASIDE_MM = 90.0  # of the loops to the left and to the right
_HALF_WIDTH_MM, _HALF_HEIGHT_MM = 130.0, 190.0  # where the fit is good


def body_coils(n_coils: int, plane: Plane, *, origin_mm: Vector) -> Coils:
    """Return what a slice sees of loops at fixed places around origin_mm; one alone is uniform.

    The falloff of a loop on its axis, (1 + d²/r²)^(-3/2), and a phase that runs with depth are
    fitted by nine plane waves inside the body. The fit is the sensitivity: exact by definition.
    Scaled to a root sum of squares of 1 at the slice's centre.
    """
    steps = np.array([-1.0, 0.0, 1.0])
    waves = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) / _PERIOD_MM
    if n_coils == 1:
        return Coils(waves, (np.abs(waves).sum(axis=1) == 0).astype(np.complex128)[None])
    x_mm, y_mm = (
        axis.ravel()
        for axis in np.meshgrid(
            np.linspace(-_HALF_WIDTH_MM, _HALF_WIDTH_MM, 27),
            np.linspace(-_HALF_HEIGHT_MM, _HALF_HEIGHT_MM, 39),
        )
    )
    inside = (x_mm / _HALF_WIDTH_MM) ** 2 + (y_mm / _HALF_HEIGHT_MM) ** 2 <= 1.2
    x_mm, y_mm = x_mm[inside], y_mm[inside]
    places = np.subtract(plane.position_mm, origin_mm) + (
        np.outer(x_mm, plane.read_dir) + np.outer(y_mm, plane.phase_dir)
    )
    targets = np.stack([_seen(loop, places) for loop in _loops(n_coils)], axis=1)
    basis = np.exp(2j * np.pi * (np.outer(x_mm, waves[:, 0]) + np.outer(y_mm, waves[:, 1])))
    ridge = 1e-3 * len(x_mm) * np.eye(len(waves))  # keeps the weights small, so no cancellation
    solution = np.linalg.solve(basis.conj().T @ basis + ridge, basis.conj().T @ targets)
    coils = Coils(waves, np.asarray(solution.T, np.complex128))
    at_centre = coils.sensitivity(np.zeros(1), np.zeros(1))
    return Coils(waves, coils.weights / float(np.linalg.norm(at_centre)))


def _loops(n_coils: int) -> Real:
    """Return places (coil, 3) in LPS: in front and behind by turns, from head to foot."""
    index = np.arange(n_coils)
    front, row = index % 2 == 0, index // 2
    height = np.linspace(1, -1, max((n_coils + 1) // 2, 2))[row] * _SPREAD_MM
    aside = np.where((row + front) % 2 == 0, -1, 1) * _ASIDE_MM
    return np.stack([aside, np.where(front, -1, 1) * _AWAY_MM, height], axis=1).astype(np.float64)


def _seen(loop: Real, places: Real) -> Complex:
    distance = np.linalg.norm(places - loop, axis=1)
    angle = float(np.arctan2(loop[1], loop[2]) + loop[0] / _ASIDE_MM)
    falloff = (1 + (distance / _REACH_MM) ** 2) ** -1.5
    return np.asarray(falloff * np.exp(1j * (angle + 1.1 * distance / _REACH_MM)))
