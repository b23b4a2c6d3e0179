"""Points of tissue that move through static dose clouds."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from motion.dose.cloud import received_gy
from motion.dose.delivery import Portion
from motion.dose.field_kernel import own_shift
from motion.dose.place import ImageField
from motion.dose.plan import DoseGrid, DosePlan

Real = NDArray[np.float64]
Shift = NDArray[np.float32]

ALL = slice(None)
FADE_MM = 10.0  # beyond the slice, over which a field gives way to the rigid displacement


class Tissue:
    """Points of the reference, as dose clouds on one grid see them.

    A point p receives what the cloud holds at p + displacement. Points in the slice of an image
    whose field is known take the field's displacement in the image plane; out of that plane, and
    out of the slice, they go with the target, with a linear passage over FADE_MM; beyond the
    image's edges they go with the target.
    """

    def __init__(self, grid: DoseGrid, points_mm: Real) -> None:
        self.grid = grid
        self._points_mm = points_mm
        self._index = grid.index_of(points_mm).astype(np.float32)

    def __len__(self) -> int:
        return len(self._index)

    def received_gy(self, plan: DosePlan, portions: Sequence[Portion], part: slice = ALL) -> Real:
        """Return what the points, or a part of them, receive of portions, float64 (point,)."""
        index = self._index[part]
        dose = np.zeros(len(index))
        for beam, group in groupby(sorted(portions, key=_beam), key=_beam):
            of_beam, cloud = tuple(group), plan.clouds[beam]
            at_mm = np.array([one.at_mm for one in of_beam])
            weight = np.array([one.mu for one in of_beam]) / cloud.planned_mu
            shift = self.grid.index_of_vector(at_mm).astype(np.float32)
            own = self._own_shift(of_beam, part)
            dose += received_gy(cloud.curved, index, shift, own, weight)
        return dose

    def _own_shift(self, portions: Sequence[Portion], part: slice) -> Shift:
        """Return how much each point moves beside all, in voxels, (portion, point or 0, 3)."""
        if all(one.before is None and one.after is None for one in portions):
            return np.zeros((len(portions), 0, 3), np.float32)
        points_mm = self._points_mm[part]
        return np.stack(
            [
                (1 - one.share) * self._by_field(one.before, points_mm, one.at_mm)
                + one.share * self._by_field(one.after, points_mm, one.at_mm)
                for one in portions
            ]
        ).astype(np.float32)

    def _by_field(self, field: ImageField | None, points_mm: Real, at_mm: Real) -> Shift | float:
        if field is None:
            return 0.0
        axes = np.array([field.pose.slice_dir, field.pose.phase_dir, field.pose.read_dir])
        _, n_y, n_x = field.field_mm.shape
        pixel_mm = np.array([field.fov_mm[1] / n_y, field.fov_mm[0] / n_x])
        moved = own_shift(
            points_mm,
            np.array(field.pose.position_mm),
            axes,
            pixel_mm,
            field.field_mm,
            at_mm,
            float(field.fov_mm[2] / 2),
            FADE_MM,
        )
        return self.grid.index_of_vector(moved).astype(np.float32)


def _beam(portion: Portion) -> int:
    return portion.beam
