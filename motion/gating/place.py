"""Where the gating boundary lies: the target's place at the end of exhalation."""

import math

import numpy as np
from numpy.typing import NDArray

_AT_END = 0.1  # of the time is spent farther out than the end-exhale place
_NEAR_END = 0.3  # of the time is spent so far out that the other axis is read there
_ALONG = 0.3  # cosine from which on the motion tells cranial from caudal

Places = NDArray[np.float32]


def exhale_axis(
    places_mm: Places, *, cranial: tuple[float, float] = (0.0, 0.0)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middle (y, x) of places (frame, 2) over breaths, and the way that exhaling goes.

    The unit vector of the largest variance. The diaphragm rises with exhalation, so it points to
    the head where that is known (unit vector (y, x), zero where not) and the motion goes along it;
    else to where the target stays longer, whose quantile lies nearer to the median.
    """
    middle = np.median(places_mm, axis=0).astype(np.float64)
    off = places_mm.astype(np.float64) - middle
    _, _, axes = np.linalg.svd(off, full_matrices=False)
    axis = axes[0]
    toward = float(axis @ np.array(cranial))
    if abs(toward) < _ALONG:
        low, high = np.quantile(off @ axis, [_AT_END, 1.0 - _AT_END])
        toward = abs(low) - abs(high)
    return middle, -axis if toward < 0.0 else axis


def end_exhale_mm(
    places_mm: Places, *, cranial: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, float]:
    """Return the displacement (y, x) at the end of exhalation, from places (frame, 2) over breaths.

    Along the way of exhaling, the place that 10 % lie beyond; across it the median of the places
    near there.
    """
    middle, axis = exhale_axis(places_mm, cranial=cranial)
    off = places_mm - middle
    along = off @ axis
    end, near_end = np.quantile(along, [1.0 - _AT_END, 1.0 - _NEAR_END])
    across = np.array([-axis[1], axis[0]])
    aside = float(np.median(off[along >= near_end] @ across))
    place = middle + end * axis + aside * across
    return float(place[0]), float(place[1])


def is_place(displacement_mm: tuple[float, float]) -> bool:
    """Return whether both axes are numbers."""
    return all(math.isfinite(one) for one in displacement_mm)
