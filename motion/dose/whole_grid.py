"""The dose of every voxel of the plan's grid, after the fact: too much to do at each frame."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from messages import BeamLog
from motion.dose.delivery import Counter, Portion, delivered
from motion.dose.place import Path, Place
from motion.dose.plan import DosePlan
from motion.dose.tissue import Tissue

Real = NDArray[np.float64]

STEP_MM = 0.5  # places so near are joined: 0.15 mm of spread are lost, of a penumbra of 6 mm


def whole_grid_gy(plan: DosePlan, places: Iterable[Place], beam: BeamLog) -> Real:
    """Return the dose that the tissue of each voxel has received, float64 (z, y, x).

    places: of all frames by rising time. beam: all reports of the fraction. As `Accumulator` counts
    it, but rigidly: the whole grid moves as the target does, so that far from the target, and in
    what does not breathe, it is not the tissue's.
    """
    tissue = Tissue(plan.grid, plan.grid.points_mm().reshape(-1, 3))
    return tissue.received_gy(plan, rigid_portions(plan, places, beam)).reshape(plan.grid.shape)


def rigid_portions(plan: DosePlan, places: Iterable[Place], beam: BeamLog) -> tuple[Portion, ...]:
    """Return which monitor units came where, by target displacement alone; see `whole_grid_gy`."""
    path = Path()
    counters = [Counter() for _ in plan.clouds]
    portions: list[Portion] = []
    for place in places:
        path = path.followed_by(replace(place, field=None))
        for n, cloud in enumerate(plan.clouds):
            counted = delivered(counters[n], beam, path, beam=n, number=cloud.number)
            counters[n] = counted.counter
            portions += counted.portions
    return tuple(_joined(portions))


def _joined(portions: Sequence[Portion]) -> Iterable[Portion]:
    """Yield the units of each beam at the mean of places that are nearly the same."""
    if not portions:
        return
    beam = np.array([one.beam for one in portions])
    mu, at_mm = np.array([one.mu for one in portions]), np.array([one.at_mm for one in portions])
    key = np.column_stack([beam, np.rint(at_mm / STEP_MM).astype(np.int64)])
    found, where = np.unique(key, axis=0, return_inverse=True)
    where = where.ravel()
    summed = np.bincount(where, mu, minlength=len(found))
    moment = np.stack([np.bincount(where, mu * axis, minlength=len(found)) for axis in at_mm.T], 1)
    for row, units, total_mm in zip(found, summed, moment, strict=True):
        yield Portion(int(row[0]), float(units), total_mm / units)
