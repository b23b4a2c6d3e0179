"""Points of tissue that move through static dose clouds."""

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from motion.dose.cloud import received_gy
from motion.dose.delivery import Portion
from motion.dose.plan import DoseGrid, DosePlan

Real = NDArray[np.float64]


class Tissue:
    """Points of the reference, as dose clouds on one grid see them."""

    def __init__(self, grid: DoseGrid, points_mm: Real) -> None:
        self._grid = grid
        self._index = grid.index_of(points_mm).astype(np.float32)
        self._none = np.zeros((1, 0, 3), np.float32)

    def received_gy(self, plan: DosePlan, portions: tuple[Portion, ...]) -> Real:
        """Return what the points receive of these portions, float64 (point,).

        A point p receives what the cloud holds at p + displacement.
        """
        dose = np.zeros(len(self._index))
        for beam, group in groupby(sorted(portions, key=_beam), key=_beam):
            of_beam, cloud = tuple(group), plan.clouds[beam]
            at_mm = np.array([one.at_mm for one in of_beam])
            weight = np.array([one.mu for one in of_beam]) / cloud.planned_mu
            shift = self._grid.index_of_vector(at_mm).astype(np.float32)
            dose += received_gy(cloud.gy, self._index, shift, self._none, weight)
        return dose


def _beam(portion: Portion) -> int:
    return portion.beam
