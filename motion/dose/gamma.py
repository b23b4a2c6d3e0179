"""How well two dose distributions agree, in dose and in place."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Real = NDArray[np.float64]

STEPS = 10  # to the distance criterion
MOST = 2.0  # what is larger is told as this


def gamma(
    reference_gy: NDArray[np.float32],
    evaluated_gy: NDArray[np.float32],
    *,
    spacing_mm: tuple[float, ...],
    dose_percent: float,
    distance_mm: float,
    cutoff_percent: float = 10.0,
) -> NDArray[np.float32]:
    """Return the gamma index of each reference voxel: it passes at 1 and below.

    Both doses lie on one grid of 2 or 3 axes at right angles, spacing_mm apart. dose_percent: of
    the reference's maximum ("global"). NaN where the reference has less than cutoff_percent of it,
    or where there is no dose at all. The evaluated dose is interpolated linearly at steps of a
    tenth of distance_mm; gamma beyond 2 is told as 2. Low et al. 1998, doi:10.1118/1.598248.
    """
    top = float(reference_gy.max())
    chosen = np.argwhere(reference_gy >= max(cutoff_percent / 100 * top, 1e-12))
    least = np.full(len(chosen), MOST)
    dose = reference_gy[tuple(chosen.T)].astype(np.float64)
    for distance, offsets_mm in _shells(len(spacing_mm), distance_mm):
        far = distance / distance_mm
        active = np.flatnonzero(least > far)  # the others have found better, and nearer
        if not active.size:
            break
        for offset in offsets_mm / np.array(spacing_mm):
            at = (chosen[active] + offset).T
            other = ndimage.map_coordinates(
                evaluated_gy, at, output=np.float64, order=1, cval=np.nan
            )
            off = (other - dose[active]) / (dose_percent / 100 * top)
            least[active] = np.fmin(least[active], np.sqrt(far**2 + off**2))
    told = np.full(reference_gy.shape, np.nan, np.float32)
    told[tuple(chosen.T)] = least
    return told


def passing_percent(index: NDArray[np.float32]) -> float:
    """Return the percentage of judged voxels that pass; NaN where none is judged."""
    judged = index[np.isfinite(index)]
    return 100.0 * float(np.mean(judged <= 1)) if judged.size else float("nan")


def _shells(n_axes: int, distance_mm: float) -> Iterator[tuple[float, Real]]:
    """Yield each distance and the offsets (n, axis) at it, evenly spread, by rising distance."""
    step = distance_mm / STEPS
    yield 0.0, np.zeros((1, n_axes))
    for n in range(1, int(MOST * STEPS) + 1):
        yield n * step, n * step * _directions(n_axes, n)


def _directions(n_axes: int, n: int) -> Real:
    """Return unit vectors about one step apart on a circle or sphere of n steps' radius."""
    if n_axes == 2:
        angle = np.arange(np.ceil(2 * np.pi * n)) * (2 * np.pi / np.ceil(2 * np.pi * n))
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    count = int(np.ceil(4 * np.pi * n**2))
    # a spiral from pole to pole (Fibonacci lattice)
    up = 1 - (2 * np.arange(count) + 1) / count
    turn = np.arange(count) * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - up**2)
    return np.stack([up, flat * np.cos(turn), flat * np.sin(turn)], axis=1)
