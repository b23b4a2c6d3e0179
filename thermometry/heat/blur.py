"""How much of a hot spot's peak a voxel hides."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

LEAST_RISE_C: Final = 2.0  # below it a spot has no shape to judge by
NARROWEST_PX: Final = (
    0.25  # standard deviation of the narrowest spot that a voxel's neighbours tell
)


def hidden_c(
    rise_c: Real, spacing_mm: tuple[float, float], *, thickness_mm: float, across_mm: float
) -> float:
    """Return by how much the peak of a spot exceeds that of its voxel averages, °C.

    rise_c: (y, x), free of noise. In the plane the spot's width, and where in the voxel its middle
    lies, follow from the hottest pixel and its neighbours as those of a Gaussian; across_mm, its
    standard deviation through the slice, is known beforehand only roughly. NaN where the hottest
    pixel is at the border, or hardly warm. As Todd 2011 found, 1 × 1 × 3 mm can hide a sixth.
    """
    y, x = np.unravel_index(np.argmax(rise_c), rise_c.shape)
    top = float(rise_c[y, x])
    is_inside = 0 < y < rise_c.shape[0] - 1 and 0 < x < rise_c.shape[1] - 1
    if top < LEAST_RISE_C or not is_inside:
        return math.nan
    shown = 1.0
    for before, after, spacing in (
        (rise_c[y - 1, x], rise_c[y + 1, x], spacing_mm[0]),
        (rise_c[y, x - 1], rise_c[y, x + 1], spacing_mm[1]),
    ):
        shown *= _shown(top, float(before), float(after), spacing)
    shown *= _box(across_mm, thickness_mm)
    return top * (1 / shown - 1)


def _shown(top: float, before: float, after: float, spacing_mm: float) -> float:
    """Return the share of the peak that the hottest pixel of a line shows."""
    least = 1e-3 * top
    left, right = math.log(top / max(before, least)), math.log(top / max(after, least))
    variance_mm2 = spacing_mm**2 / max(left + right, 1e-6)
    offset_mm = variance_mm2 * (left - right) / (2 * spacing_mm)
    narrowest = (NARROWEST_PX * spacing_mm) ** 2
    own_mm = math.sqrt(max(variance_mm2 - spacing_mm**2 / 12, narrowest))
    return _box(own_mm, spacing_mm) * math.exp(-(offset_mm**2) / (2 * variance_mm2))


def _box(sigma_mm: float, width_mm: float) -> float:
    """Return the mean of a Gaussian over a box about its middle, over its peak."""
    ratio = width_mm / (2 * math.sqrt(2) * sigma_mm)
    return math.sqrt(math.pi) / 2 * math.erf(ratio) / ratio
