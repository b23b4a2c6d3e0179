"""How well two dose distributions agree, in dose and in place."""

import numpy as np
from numpy.typing import NDArray

from motion.compiled import compiled

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
    flat = reference_gy.ndim == 2
    reference, evaluated = (
        one[np.newaxis] if flat else one for one in (reference_gy, evaluated_gy)
    )
    chosen = np.argwhere(reference >= max(cutoff_percent / 100 * top, 1e-12))
    distance, offset_mm = _offsets(2 if flat else 3, distance_mm)
    step_mm = np.array((1.0, *spacing_mm) if flat else spacing_mm)
    told = np.full(reference.shape, np.nan, np.float32)
    told[tuple(chosen.T)] = _least(
        evaluated,
        chosen.astype(np.float64),
        reference[tuple(chosen.T)].astype(np.float64),
        offset_mm / step_mm,
        distance / distance_mm,
        dose_percent / 100 * top,
    )
    return told[0] if flat else told


def passing_percent(index: NDArray[np.float32]) -> float:
    """Return the percentage of judged voxels that pass; NaN where none is judged."""
    judged = index[np.isfinite(index)]
    return 100.0 * float(np.mean(judged <= 1)) if judged.size else float("nan")


@compiled
def _least(
    evaluated: NDArray[np.float32], at: Real, dose: Real, offset: Real, far: Real, allowed: float
) -> Real:
    """Return the least distance in place and dose, of each point, by rising `far`.

    evaluated: (z, y, x). at: (point, 3), voxels. dose: (point,). offset: (offset, 3), voxels.
    """
    n_z, n_y, n_x = evaluated.shape
    least = np.full(dose.size, MOST)
    for n in range(dose.size):
        for k in range(far.size):
            if far[k] >= least[n]:
                break  # the others are farther still
            z, y, x = at[n, 0] + offset[k, 0], at[n, 1] + offset[k, 1], at[n, 2] + offset[k, 2]
            if z < 0 or y < 0 or x < 0 or z > n_z - 1 or y > n_y - 1 or x > n_x - 1:
                continue
            i, j, m = int(z), int(y), int(x)
            i1, j1, m1 = min(i + 1, n_z - 1), min(j + 1, n_y - 1), min(m + 1, n_x - 1)
            a, b, c = z - i, y - j, x - m
            low = (1 - b) * ((1 - c) * evaluated[i, j, m] + c * evaluated[i, j, m1]) + b * (
                (1 - c) * evaluated[i, j1, m] + c * evaluated[i, j1, m1]
            )
            high = (1 - b) * ((1 - c) * evaluated[i1, j, m] + c * evaluated[i1, j, m1]) + b * (
                (1 - c) * evaluated[i1, j1, m] + c * evaluated[i1, j1, m1]
            )
            off = ((1 - a) * low + a * high - dose[n]) / allowed
            least[n] = min(least[n], np.sqrt(far[k] ** 2 + off**2))
    return least


def _offsets(n_axes: int, distance_mm: float) -> tuple[Real, Real]:
    """Return distances (n,), rising, and the offsets (n, 3) at them, evenly spread."""
    step = distance_mm / STEPS
    distances, offsets = [np.zeros(1)], [np.zeros((1, 3))]
    for n in range(1, int(MOST * STEPS) + 1):
        directions = _directions(n_axes, n)
        distances.append(np.full(len(directions), n * step))
        offsets.append(n * step * directions)
    return np.concatenate(distances), np.concatenate(offsets)


def _directions(n_axes: int, n: int) -> Real:
    """Return unit vectors about one step apart on a circle or sphere of n steps' radius."""
    if n_axes == 2:
        angle = np.arange(np.ceil(2 * np.pi * n)) * (2 * np.pi / np.ceil(2 * np.pi * n))
        return np.stack([np.zeros(len(angle)), np.cos(angle), np.sin(angle)], axis=1)
    count = int(np.ceil(4 * np.pi * n**2))
    # a spiral from pole to pole (Fibonacci lattice)
    up = 1 - (2 * np.arange(count) + 1) / count
    turn = np.arange(count) * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - up**2)
    return np.stack([up, flat * np.cos(turn), flat * np.sin(turn)], axis=1)
