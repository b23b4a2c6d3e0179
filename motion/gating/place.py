"""Where the gating boundary lies: the target's place at the end of exhalation."""

import math

import numpy as np
from numpy.typing import NDArray

_AT_END = 0.1  # of the time is spent farther out than the end-exhale place
_NEAR_END = 0.3  # of the time is spent so far out that the other axis is read there
_ALONG = 0.3  # cosine from which on the motion tells cranial from caudal

Places = NDArray[np.float32]


def end_exhale_mm(
    places_mm: Places, *, cranial: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, float]:
    """Return the displacement (y, x) at the end of exhalation, from places (frame, 2) over breaths.

    The 10 % quantile in the direction of motion, from its exhaled end; across it the median of the
    places near that end. The diaphragm rises with exhalation, so that end is the cranial one where
    that is known (unit vector (y, x), zero where not) and the motion goes along it; else the one
    where the target stays longer, whose quantile lies nearer to the median.
    """
    middle = np.median(places_mm, axis=0)
    off = (places_mm - middle).astype(np.float64)
    _, _, axes = np.linalg.svd(off, full_matrices=False)
    axis = axes[0]
    along = off @ axis
    low, high = np.quantile(along, [_AT_END, 1.0 - _AT_END])
    toward = float(axis @ np.array(cranial))
    if abs(toward) < _ALONG:
        toward = abs(low) - abs(high)
    if toward < 0.0:
        axis, along, high = -axis, -along, -low
    near = off[along >= np.quantile(along, 1.0 - _NEAR_END)]
    across = np.array([-axis[1], axis[0]])
    place = middle + high * axis + float(np.median(near @ across)) * across
    return float(place[0]), float(place[1])


def is_place(displacement_mm: tuple[float, float]) -> bool:
    """Return whether both axes are numbers."""
    return all(math.isfinite(one) for one in displacement_mm)
