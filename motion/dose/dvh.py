"""Figures of a dose-volume histogram, exact: from the sorted voxels, not from bins."""

import numpy as np
from numpy.typing import NDArray

from messages import StructureDose

Real = NDArray[np.float64]
Dose = NDArray[np.float32] | NDArray[np.float64]

SMALL_MM3 = 30.0  # 0.03 cm³, the "maximum" that plans are judged by: 35 voxels of 1 mm
_WHOLE = 1 - 1e-9  # a sum of volumes may miss the share that it makes up by its rounding


def structure_dose(
    name: str, role: str, dose_gy: Dose, volume_mm3: Real, *, prescription_gy: float | None
) -> StructureDose:
    """Return the figures of one structure.

    dose_gy, volume_mm3: (voxel,). D of x % is the dose of the voxel at which the volume, counted
    from the highest dose down, reaches x %: no interpolation between voxels. D0.03cc the same for
    30 mm³; of a structure that is smaller it is its least dose, for all of it then has that much.
    A voxel that lies partly inside counts with the volume that does.
    """
    order = np.argsort(dose_gy)[::-1]
    falling, volume = dose_gy[order], np.cumsum(volume_mm3[order])
    total = float(volume[-1])

    wanted = np.array([0.98 * total, 0.95 * total, 0.5 * total, 0.02 * total, SMALL_MM3])
    place = np.minimum(np.searchsorted(volume, wanted * _WHOLE), len(volume) - 1)
    d98, d95, d50, d2, d003cc = falling[place].tolist()
    v95 = v100 = None
    if prescription_gy is not None:
        v95, v100 = (_percent_at(share * prescription_gy, falling, volume) for share in (0.95, 1.0))
    mean = float(dose_gy @ volume_mm3) / total
    return StructureDose(name, role, d98, d95, d50, d2, mean, d003cc, v95, v100)


def _percent_at(level_gy: float, falling: Dose, volume: Real) -> float:
    """Return the percentage of the volume that has a dose or more."""
    n = int(np.searchsorted(-falling, -level_gy, side="right"))
    return 100.0 * float(volume[n - 1] / volume[-1]) if n else 0.0
