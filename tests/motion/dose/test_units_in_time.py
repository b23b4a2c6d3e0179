"""Units meet the place of their own moment: fast breathing, few frames, reports of every habit.

The truth is a sum each 10 ms of a closed form at the true place.
"""

import numpy as np
import pytest

from messages import BeamLog
from motion.dose import Accumulator, DoseCloud, DosePlan, Place, Structure
from tests.motion.dose.plans import box

PERIOD_S, DEPTH_MM, MU = 2.0, 12.0, 100.0
TRUTH_S = np.arange(0.0, 20.0, 0.01) + 0.005
FRAMES_S = np.arange(0.0, 22.01, 0.25)


def height_mm(time_s):
    """Breathing by sin⁴: at 4 images a second 4 mm and more lie between two of them."""
    return -DEPTH_MM * np.sin(np.pi * np.asarray(time_s) / PERIOD_S) ** 4


def edge_gy(points_mm):
    """A field that ends above; its edge is 6 mm wide from 20 to 80 %."""
    return 2.0 / (1 + np.exp(-(points_mm[..., 2] + 3.0) / 2.2))


def steady(time_s):
    return (time_s > 1.0) & (time_s < 19.0)


def gated(time_s):
    """On near the end of exhalation: for 1.1 of each 2 s."""
    return steady(time_s) & (height_mm(time_s) > -2.0)


def toggling(time_s):
    """On and off three times between two images, always at the same moments of the breath."""
    return steady(time_s) & ((time_s % (PERIOD_S / 24)) < PERIOD_S / 48)


def delivered_mu(is_on):
    rate = is_on(TRUTH_S).astype(float)
    return np.concatenate([[0.0], np.cumsum(rate) / rate.sum() * MU])


def true_gy(is_on):
    mu = np.diff(delivered_mu(is_on))
    place = np.zeros((len(TRUTH_S), 3))
    place[:, 2] = height_mm(TRUTH_S)
    return float(mu @ edge_gy(place)) / MU


def reports(is_on, *, every_s, changes=True):
    """What the accelerator says: at changes, and now and then while the beam is on."""
    edges = np.arange(len(TRUTH_S) + 1) * 0.01
    mu, on = delivered_mu(is_on), np.append(is_on(TRUTH_S), False)
    rows = set(range(0, len(edges), max(round(every_s / 0.01), 1))) | {0, len(edges) - 1}
    if changes:
        rows |= set((np.flatnonzero(np.diff(on.astype(int))) + 1).tolist())
    rows = np.array(sorted(rows))
    return BeamLog(edges[rows], np.ones(len(rows), np.int64), on[rows], mu[rows])


def told_gy(log, *, late_s):
    """What the accumulator says in the end; each report is known late_s after its time."""
    grid = box((40, 6, 6))
    cloud = DoseCloud(1, MU, edge_gy(grid.points_mm()).astype(np.float32), grid)
    target = Structure("target", "target", np.zeros((1, 3)), np.ones(1))
    accumulator = Accumulator(DosePlan((cloud,), (target,), "target"))
    state, told = accumulator.start(), None
    for time_s in FRAMES_S:
        known = log.time_s + late_s <= time_s
        heard = BeamLog(*(one[known] for one in (log.time_s, log.number, log.is_on, log.mu)))
        place = Place(float(time_s), (0.0, 0.0, float(height_mm(time_s))))
        state, told = accumulator.step(state, place, heard)
    assert told.mu == pytest.approx(MU)
    assert told.unplaced_mu == 0.0
    assert not told.doubts
    return told.so_far[0].mean_gy


HABITS = {
    "four a second": ({"every_s": 0.25}, 0.0),
    "a second late": ({"every_s": 0.25}, 1.0),
    "changes only": ({"every_s": 1e3}, 0.0),
    "changes only, a second late": ({"every_s": 1e3}, 1.0),
    "ten a second and no changes": ({"every_s": 0.1, "changes": False}, 0.0),
}


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("is_on", [steady, gated, toggling])
def test_dose_is_within_one_percent_at_four_images_a_second(is_on, habit):
    said, late_s = HABITS[habit]
    assert told_gy(reports(is_on, **said), late_s=late_s) == pytest.approx(true_gy(is_on), rel=0.01)


def test_one_report_at_the_end_is_enough_for_a_beam_without_a_pause():
    log = reports(steady, every_s=1e3)
    assert log.time_s.size == 4  # nothing, begin, end, nothing
    assert told_gy(log, late_s=0.0) == pytest.approx(true_gy(steady), rel=0.01)


def test_one_report_at_the_end_of_a_gated_beam_is_wrong_and_this_is_why_changes_are_asked_for():
    """Units are then spread evenly over the pauses too: the dose of no gate at all."""
    log = reports(gated, every_s=1e3, changes=False)
    assert told_gy(log, late_s=0.0) < 0.9 * true_gy(gated)


def test_timing_matters():
    """A trap: reports dated a quarter of a second wrong are seen in the dose."""
    log = reports(gated, every_s=0.25)
    off = BeamLog(log.time_s + 0.25, log.number, log.is_on, log.mu)
    assert abs(told_gy(off, late_s=0.0) - true_gy(gated)) > 0.02 * true_gy(gated)
