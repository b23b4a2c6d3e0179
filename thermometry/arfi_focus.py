"""Where a displacement map says the focus is."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, uniform_filter

Volume = NDArray[np.float32]
SURE: Final = 5.0  # standard deviations of a mean of 9 pixels: 1 false focus in 1e6 places
ABOVE: Final = 0.5  # of the peak
SIDE_PX: Final = 3
ROUNDS: Final = 12
SLICE_STD_PX: Final = 0.29  # 1 / √12: anywhere in the slice


@dataclass(frozen=True, slots=True)
class Focus:
    """at_px, std_px: (z, y, x), pixels, centroid of the pushed tissue and its standard deviation.

    peak_um: of the mean over 3 x 3 pixels.
    """

    at_px: tuple[float, float, float]
    std_px: tuple[float, float, float]
    peak_um: float


def find_focus(
    displacement_um: Volume, std_um: Volume, *, where: NDArray[np.bool_]
) -> Focus | None:
    """Return the centroid of what is pushed, or None where noise may be all.

    Arrays are (z, y, x). The peak, of either sign, is sought in means of 3 x 3 pixels of `where`;
    the size of the spot is that of the connected pixels about it whose means reach half of it. The
    centroid is taken in the peak's slice.
    """
    known = where & np.isfinite(displacement_um) & np.isfinite(std_um)
    if not known.any():
        return None
    size = (1, SIDE_PX, SIDE_PX)
    share = uniform_filter(known.astype(np.float64), size, mode="constant")
    share = np.maximum(share, 1e-9)
    um = np.where(known, displacement_um, 0.0).astype(np.float64)
    variance = np.where(known, std_um, 0.0).astype(np.float64) ** 2
    mean = uniform_filter(um, size, mode="constant") / share
    # a running sum may end a little below zero
    of_mean = np.maximum(uniform_filter(variance, size, mode="constant"), 0.0)
    mean_std = np.sqrt(of_mean / (SIDE_PX**2 * share**2))
    score = np.where(known & (mean_std > 0), np.abs(mean) / np.maximum(mean_std, 1e-12), 0.0)
    peak = np.unravel_index(int(np.argmax(np.where(score >= SURE, np.abs(mean), 0.0))), um.shape)
    if not score[peak] >= SURE:
        return None
    sign = np.sign(mean[peak])
    parts, _ = label(known & (sign * mean >= ABOVE * abs(mean[peak])))
    spot_px2 = np.count_nonzero(parts == parts[peak]) / (2.0 * math.pi * math.log(2.0))
    z, *start = peak
    at, std = _centroid(
        sign * um[z], variance[z], start=(float(start[0]), float(start[1])), spot_px2=spot_px2
    )
    return Focus((float(z), *at), (SLICE_STD_PX, *std), float(mean[peak]))


def _centroid(
    um: NDArray[np.float64],
    variance: NDArray[np.float64],
    *,
    start: tuple[float, float],
    spot_px2: float,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the centroid (y, x) under a Gaussian window about itself, and its deviation.

    um: (y, x), 0 where not known. spot_px2: σ² of the spot; the window has twice the σ. A spot off
    the window's middle moves the centroid by w² / (w² + σ²) of the way only, so that noise counts
    by the inverse of it.
    """
    y, x = np.indices(um.shape).astype(np.float64)
    window_px2 = 4.0 * spot_px2
    at_y, at_x = start
    for _ in range(ROUNDS):
        weight = np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / (2.0 * window_px2))
        total = max(float((weight * um).sum()), 1e-12)
        at_y, at_x = float((weight * um * y).sum()) / total, float((weight * um * x).sum()) / total
    slowness = (window_px2 + spot_px2) / window_px2
    std_y, std_x = (
        slowness * math.sqrt(float((weight**2 * (axis - at) ** 2 * variance).sum())) / total
        for axis, at in ((y, at_y), (x, at_x))
    )
    return (at_y, at_x), (std_y, std_x)
