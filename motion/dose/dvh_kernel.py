"""Doses at given volumes without sorting all voxels: narrowed bin by bin, then exact."""

import numpy as np
from numpy.typing import NDArray

from motion.compiled import compiled, inner

Real = NDArray[np.float64]
Places = NDArray[np.int16]

N_BINS = 512
ALIKE = 1e-13  # of a dose: closer ones are taken for one, by the rounding of float64


@inner
def _spread(dose: Real, volume: Real, place: Places, held: Real) -> bool:
    """Put each voxel into a bin between the least and the highest dose; False where all are alike.

    place: (voxel,) and held: (bin,), the volume in it, are written.
    """
    low = high = dose[0]
    for n in range(1, dose.size):
        low, high = min(low, dose[n]), max(high, dose[n])
    if not high - low > ALIKE * high:
        return False
    scale = N_BINS / (high - low)
    held[:] = 0
    for n in range(dose.size):
        place[n] = min(int((dose[n] - low) * scale), N_BINS - 1)
        held[place[n]] += volume[n]
    return True


@inner
def _bin_at(held: Real, wanted: float) -> tuple[int, float]:
    """Return the bin in which the volume from the top reaches `wanted`, and what is left there."""
    chosen = N_BINS - 1
    while chosen > 0 and (held[chosen] == 0 or held[chosen] < wanted):
        wanted -= held[chosen]
        chosen -= 1
    return chosen, wanted


@inner
def _kept(dose: Real, volume: Real, place: Places, chosen: int) -> tuple[Real, Real]:
    """Return the voxels of one bin."""
    kept_dose, kept_volume, n_kept = np.empty(dose.size), np.empty(dose.size), 0
    for n in range(dose.size):
        if place[n] == chosen:
            kept_dose[n_kept], kept_volume[n_kept] = dose[n], volume[n]
            n_kept += 1
    return kept_dose[:n_kept], kept_volume[:n_kept]


@inner
def _levels(dose: Real, volume: Real, wanted: Real, levels: Real) -> None:
    """Write the dose of the voxel at which the volume from the top reaches each one wanted.

    Each round keeps the voxels of one bin of what is left, until all of them are alike. Where more
    is wanted than there is, it is the least dose.
    """
    first, place = np.empty(dose.size, np.int16), np.empty(dose.size, np.int16)
    total, held = np.empty(N_BINS), np.empty(N_BINS)
    if not _spread(dose, volume, first, total):
        levels[:] = dose[0]
        return
    for k in range(wanted.size):
        chosen, left = _bin_at(total, wanted[k])
        some_dose, some_volume = _kept(dose, volume, first, chosen)
        while _spread(some_dose, some_volume, place, held):
            chosen, left = _bin_at(held, left)
            some_dose, some_volume = _kept(some_dose, some_volume, place, chosen)
        levels[k] = some_dose[0]


@compiled
def volume_figures(
    dose: Real, volume: Real, starts: NDArray[np.int64], wanted: Real, asked: Real
) -> tuple[Real, Real, Real]:
    """Return by structure the dose at volumes, the mean, and the percentage of the volume at doses.

    dose, volume: (voxel,), structure s from starts[s] to starts[s + 1]. wanted: (structure, level),
    volumes counted from the highest dose down. asked: (dose,).
    """
    levels, mean = np.empty(wanted.shape), np.empty(wanted.shape[0])
    percent = np.empty((wanted.shape[0], asked.size))
    for s in range(wanted.shape[0]):
        own_dose, own_volume = dose[starts[s] : starts[s + 1]], volume[starts[s] : starts[s + 1]]
        total, moment, above = 0.0, 0.0, np.zeros(asked.size)
        for n in range(own_dose.size):
            total += own_volume[n]
            moment += own_volume[n] * own_dose[n]
            for k in range(asked.size):
                if own_dose[n] >= asked[k]:
                    above[k] += own_volume[n]
        mean[s], percent[s] = moment / total, 100.0 * above / total
        _levels(own_dose.copy(), own_volume.copy(), wanted[s], levels[s])
    return levels, mean, percent
