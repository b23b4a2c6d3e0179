"""The dose of every voxel: the same as that of structures, which are followed at each frame."""

import numpy as np
import pytest

from messages import BeamLog
from motion.dose import Accumulator, DoseCloud, DosePlan, Place, whole_grid_gy
from tests.motion.dose.plans import along, box, log, played, ramp_plan, structure

TIMES = np.arange(0.0, 10.0, 0.125)


def breath(time_s):
    return (0.5, 1.0, 6.0 * np.sin(2 * np.pi * time_s / 4.0))


def gaussian_plan(points_mm):
    grid = box()
    r2 = np.sum(grid.points_mm() ** 2, axis=-1)
    gy = (30.0 * np.exp(-r2 / (2 * 9.0**2))).astype(np.float32)
    clouds = (DoseCloud(1, 80.0, gy, grid), DoseCloud(2, 20.0, 0.3 * gy, grid))
    return DosePlan(clouds, (structure(points_mm),), "target")


def reports():
    """Two beams, one after the other, each at an even rate."""
    first = [(t, 1, 16.0 * (t - 1.0)) for t in np.arange(1.0, 6.01, 0.25)]
    second = [(t, 2, 10.0 * (t - 7.0)) for t in np.arange(7.0, 9.01, 0.25)]
    return log(*first, *second)


def test_a_voxel_has_what_a_structure_of_that_voxel_was_told_during_the_run():
    grid = box()
    at = (9, 13, 17)
    plan = gaussian_plan([grid.points_mm()[at]])
    places = along(TIMES, breath)
    _, told = played(Accumulator(plan), places, [reports()] * len(TIMES))
    whole = whole_grid_gy(plan, places, reports())
    # joined within half a millimetre: second order in that, of a dose that falls over 9 mm
    assert whole[at] == pytest.approx(told[-1].so_far[0].mean_gy, rel=0.002)
    assert abs(whole[at] - plan.clouds[0].gy[at] - plan.clouds[1].gy[at]) > 1.0  # it has moved


def test_tissue_that_is_still_has_the_planned_dose():
    plan = gaussian_plan([(0.0, 0.0, 0.0)])
    whole = whole_grid_gy(plan, along(TIMES, lambda _: (0.0, 0.0, 0.0)), reports())
    planned = plan.clouds[0].gy + plan.clouds[1].gy
    assert np.abs(whole - planned).max() < 1e-4


def test_a_constant_shift_reads_a_ramp_where_the_tissue_is():
    # 0.1 Gy/mm along z: tissue 5 mm further receives 0.5 Gy more; at the edge the grid ends
    plan = ramp_plan(mu=100.0)
    whole = whole_grid_gy(plan, along(TIMES, lambda _: (0.0, 0.0, 5.0)), log((1, 1, 0), (9, 1, 50)))
    half = 0.5 * (plan.clouds[0].gy + 0.5)
    assert np.abs(whole - half)[:-3].max() < 1e-4


def test_without_beam_there_is_no_dose():
    plan = ramp_plan()
    places = [Place(0.0, None), Place(1.0, (0.0, 0.0, 0.0))]
    assert not whole_grid_gy(plan, places, BeamLog()).any()
