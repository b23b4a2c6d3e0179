"""Figures of dose-volume histograms, exact: from the voxels, not from bins."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from messages import StructureDose
from motion.dose.dvh_kernel import volume_figures
from motion.dose.plan import Structure

Real = NDArray[np.float64]

SMALL_MM3 = 30.0  # 0.03 cm³, the "maximum" that plans are judged by
_SHARES = np.array([0.98, 0.95, 0.5, 0.02])
_WHOLE = 1 - 1e-9  # a sum of volumes may miss the share that it makes up by its rounding


class Histogram:
    """Tells the figures of several structures, whose voxels stand one structure after another."""

    def __init__(self, structures: Sequence[Structure], *, prescription_gy: float | None) -> None:
        self._structures = tuple(structures)
        volumes = [one.volume_mm3 for one in structures]
        self._volume_mm3 = np.concatenate(volumes)
        self._starts = np.cumsum([0] + [len(one) for one in volumes]).astype(np.int64)
        self._wanted = np.array([[*_SHARES * one.sum(), SMALL_MM3] for one in volumes]) * _WHOLE
        self._is_prescribed = prescription_gy is not None
        self._asked = np.array([0.95, 1.0]) * (prescription_gy or 0.0)

    def figures(self, dose_gy: Real) -> tuple[StructureDose, ...]:
        """Return the figures by structure. dose_gy: (voxel,), of all structures.

        D of x % is the dose of the voxel at which the volume, counted from the highest dose down,
        reaches x %: no interpolation between voxels. D0.03cc the same for 30 mm³; of a structure
        that is smaller it is its least dose, for all of it then has that much. A voxel that lies
        partly inside counts with the volume that does.
        """
        levels, mean, percent = volume_figures(
            dose_gy, self._volume_mm3, self._starts, self._wanted, self._asked
        )
        told = list[StructureDose]()
        for one, (d98, d95, d50, d2, d003cc), mean_gy, shares in zip(
            self._structures, levels.tolist(), mean.tolist(), percent.tolist(), strict=True
        ):
            v95, v100 = shares if self._is_prescribed else (None, None)
            told.append(
                StructureDose(one.name, one.role, d98, d95, d50, d2, mean_gy, d003cc, v95, v100)
            )
        return tuple(told)
