"""Organs at risk where the beam goes."""

import math

import numpy as np
from numpy.typing import NDArray

from motion.gating.boundary import boundary

_SUB = 4  # samples along a side of a pixel


def avoidance_zone(
    target_mask: NDArray[np.bool_], pixel_mm: tuple[float, float], *, margin_mm: float
) -> NDArray[np.float32]:
    """Return how much of each pixel (y, x) lies within a margin of the target's place, 0 to 1.

    target_mask: bool (y, x), in the reference image, around which the beam is shaped.
    """
    soft_mm = min(pixel_mm) / _SUB
    line = boundary(target_mask, pixel_mm, margin_mm=margin_mm, soft_mm=soft_mm)
    n_y, n_x = target_mask.shape
    offset = (np.arange(_SUB) + 0.5) / _SUB - 0.5
    y_mm, x_mm = (
        ((np.arange(n)[:, None] + offset).ravel() * size).astype(np.float32)
        for n, size in zip((n_y, n_x), pixel_mm, strict=True)
    )
    row, column = line.indices(y_mm, x_mm)
    inside = 1.0 - line.outside[row[:, None], column]
    zone: NDArray[np.float32] = inside.reshape(n_y, _SUB, n_x, _SUB).mean(axis=(1, 3))
    return zone


def inside_percent(zone: NDArray[np.float32], organ_mask: NDArray[np.bool_] | None) -> float:
    """Return how much of an organ (y, x) lies in a zone, percent; NaN where it is not tracked."""
    if organ_mask is None or not organ_mask.any():
        return math.nan
    return 100.0 * float(zone[organ_mask].mean())
