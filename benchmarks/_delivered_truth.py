"""Dose that moving structures receive, from a formula, at 100 Hz: nothing of it is ours."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

HALF_MM, FALL_MM, DEPTH_MM = 17.0, 2.2, 250.0  # field, its edge (6 mm from 80 to 20 %), depth
ANGLES = tuple(2 * math.pi * n / 5 for n in range(5))
BEAM_GY, BEAM_MU = 1.2, 150.0  # of each beam, whole
CHUNK = 256


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """What was delivered: time_s (n,), displacement_mm (n, 3) LPS, and units by beam (n, beam)."""

    time_s: Real
    displacement_mm: Real
    mu: Real


def beam_gy(points_mm: Real, beam: int) -> Real:
    """Return the dose of a beam's whole units at points (…, 3): a field with soft edges."""
    angle = ANGLES[beam]
    x, y, z = (points_mm[..., n] for n in range(3))
    across = y * math.cos(angle) - x * math.sin(angle)
    along = x * math.cos(angle) + y * math.sin(angle)
    return np.asarray(BEAM_GY * _window(across) * _window(z) * np.exp(-along / DEPTH_MM))


def delivered_gy(points_mm: Real, delivery: Delivery) -> Real:
    """Return what points of tissue received, (point,): each sample's units where they then were."""
    dose = np.zeros(len(points_mm))
    for beam in range(len(ANGLES)):
        used = np.flatnonzero(delivery.mu[:, beam] > 0)
        for start in range(0, len(used), CHUNK):
            some = used[start : start + CHUNK]
            moved = points_mm + delivery.displacement_mm[some][:, np.newaxis]
            dose += delivery.mu[some, beam] / BEAM_MU @ beam_gy(moved, beam)
    return dose


def figures(dose_gy: Real, volume_mm3: Real, prescription_gy: float) -> dict[str, float]:
    """Return the figures of a structure by sorting its voxels; doses in Gy, volumes in percent."""
    order = np.argsort(dose_gy)[::-1]
    reached = np.cumsum(volume_mm3[order]) / volume_mm3.sum()
    told = {
        f"d{share:g}_gy": float(dose_gy[order][np.argmax(reached >= share / 100 - 1e-9)])
        for share in (98, 95, 50, 2)
    }
    least_share = min(30.0 / float(volume_mm3.sum()), 1.0)
    told["d003cc_gy"] = float(dose_gy[order][np.argmax(reached >= least_share - 1e-9)])
    told["mean_gy"] = float(np.average(dose_gy, weights=volume_mm3))
    for share in (95, 100):
        above = dose_gy >= share / 100 * prescription_gy
        told[f"v{share}_percent"] = 100 * float(volume_mm3[above].sum() / volume_mm3.sum())
    return told


def _window(at_mm: Real) -> Real:
    """Return 1 within the field and 0 outside, with edges like those of a beam."""
    return (
        1 / (1 + np.exp((at_mm - HALF_MM) / FALL_MM)) / (1 + np.exp((-HALF_MM - at_mm) / FALL_MM))
    )
