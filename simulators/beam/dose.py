"""Dose that moving tissue truly received, from the beams' closed form at the moved points."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.beam.delivery import Delivery
from simulators.beam.plan import Plan
from simulators.beam.structures import Structure

Real = NDArray[np.float64]

_SPACING_MM = 1.7  # of the points; no multiple of a dose grid's
_AT_A_TIME = 64


@dataclass(frozen=True, slots=True)
class DoseFigures:
    """Gy; dNN_gy: what NN % of the volume have at least. v95_percent: of volume at 95 % of it."""

    d98_gy: float
    d95_gy: float
    d50_gy: float
    d2_gy: float
    mean_gy: float
    v95_percent: float


def received_gy(plan: Plan, structure: Structure, delivery: Delivery) -> Real:
    """Return the dose of each of the structure's points.

    Every step of the delivery gives each point what the beam gives at its moved place: exact, but
    for movement within 10 ms.
    """
    points = structure.points_mm(_SPACING_MM)
    moved = delivery.displacement_mm * np.array(structure.share)
    total = np.zeros(len(points))
    for beam in plan.beams:
        of_beam = delivery.number == beam.number
        shifts, mu = moved[of_beam], delivery.mu[of_beam]
        if not shifts.any():
            total += mu.sum() * beam.gy_per_mu_at(points)
            continue
        for start in range(0, len(mu), _AT_A_TIME):
            some = slice(start, start + _AT_A_TIME)
            total += mu[some] @ beam.gy_per_mu_at(points + shifts[some, None])
    return total


def figures(dose_gy: Real, *, prescription_gy: float) -> DoseFigures:
    """Return the figures of points of equal volume."""
    d2, d50, d95, d98 = (float(np.quantile(dose_gy, 1 - q)) for q in (0.02, 0.5, 0.95, 0.98))
    return DoseFigures(
        d98_gy=d98,
        d95_gy=d95,
        d50_gy=d50,
        d2_gy=d2,
        mean_gy=float(dose_gy.mean()),
        v95_percent=float(100 * (dose_gy >= 0.95 * prescription_gy).mean()),
    )
