"""The forecast: the rest of the plan, to tissue that moves as it did."""

import numpy as np
import pytest

from motion.dose import Accumulator, DoseCloud, DosePlan, Place
from tests.motion.dose.plans import along, box, log, played, ramp_plan, structure


def test_tissue_that_stays_away_is_forecast_to_stay_away():
    """Two beams, 5 mm on a ramp of 0.1 Gy/mm each: 0.5 Gy more of each at the end."""
    plan = ramp_plan(gradients=((0.0, 0.0, 0.1), (0.0, 0.0, 0.1)))
    times = np.arange(0.0, 5.01, 0.125)
    reports = [log((0.0, 1, 0.0), (10.0, 1, 100.0))] * len(times)
    _, told = played(Accumulator(plan), along(times, lambda t: (0.0, 0.0, 5.0)), reports)
    assert told[0].forecast[0].mean_gy == pytest.approx(40.0, abs=1e-3), "nothing is known yet"
    assert told[-1].forecast[0].mean_gy == pytest.approx(41.0, abs=1e-3)


def test_the_forecast_meets_the_end_when_breathing_goes_on():
    grid = box()
    gy = 30.0 * np.exp(-np.sum(grid.points_mm() ** 2, axis=-1) / 2 / 9.0**2)
    clouds = tuple(DoseCloud(n, 50.0, gy.astype(np.float32), grid) for n in (1, 2))
    points = np.random.default_rng(5).uniform(-5, 5, (200, 3))
    plan = DosePlan(clouds, (structure(points),), "target")
    times = np.arange(0.0, 40.01, 0.125)
    reports = log((0.0, 1, 0.0), (20.0, 1, 50.0), (20.0, 2, 0.0), (40.0, 2, 50.0))
    places = along(times, lambda t: (0.0, 2.0 * np.sin(1.5 * t) ** 2, 7.0 * np.sin(1.5 * t)))
    _, told = played(Accumulator(plan), places, [reports] * len(times))
    half, end = told[len(told) // 2], told[-1]
    assert half.mu == pytest.approx(50.0)
    assert end.so_far[0].d98_gy == pytest.approx(end.forecast[0].d98_gy)
    assert half.forecast[0].d98_gy == pytest.approx(end.so_far[0].d98_gy, rel=0.02)
    assert half.forecast[0].mean_gy == pytest.approx(end.so_far[0].mean_gy, rel=0.01)
    assert end.planned[0].d98_gy > 1.05 * end.so_far[0].d98_gy, "motion cost something"


def test_every_structure_is_renewed_however_many_points_there_are(monkeypatch):
    monkeypatch.setattr("motion.dose.expectation.POINTS_A_FRAME", 3)
    points = [(0.0, 0.0, float(z)) for z in range(-4, 5)]
    plan = ramp_plan(gradients=((0.0, 0.0, 0.1),) * 3, points_mm=points)
    places = along(np.arange(0.0, 4.01, 0.125), lambda t: (0.0, 0.0, 5.0))
    reports = log((0.0, 1, 0.0), (10.0, 1, 100.0))
    _, told = played(Accumulator(plan), places, [reports] * len(places))
    assert told[-1].forecast[0].mean_gy == pytest.approx(61.5, abs=1e-3)


def test_late_units_of_a_long_time_are_joined_and_right():
    grid = box()
    gy = 30.0 * np.exp(-np.sum(grid.points_mm() ** 2, axis=-1) / 2 / 9.0**2)
    cloud = DoseCloud(1, 100.0, gy.astype(np.float32), grid)
    plan = DosePlan((cloud,), (structure([(0.0, 0.0, 3.0), (2.0, 1.0, -4.0)]),), "target")
    times = np.arange(0.0, 30.01, 0.125)
    reports = log((0.0, 1, 0.0), (30.0, 1, 100.0))
    places = along(times, lambda t: (0.5, 2.0 * np.sin(1.5 * t), 7.0 * np.sin(1.5 * t)))
    _, timely = played(Accumulator(plan), places, [reports] * len(times))
    unheard = log((0.0, 1, 0.0))
    _, late = played(Accumulator(plan), places, [unheard] * (len(times) - 1) + [reports])
    assert late[-1].mu == pytest.approx(100.0)
    assert late[-1].so_far[0].mean_gy == pytest.approx(timely[-1].so_far[0].mean_gy, rel=0.005)


def test_a_place_that_is_not_later_changes_nothing():
    accumulator = Accumulator(ramp_plan())
    state, _ = accumulator.step(accumulator.start(), Place(1.0, (0.0, 0.0, 0.0)), log((0.0, 1, 0)))
    again, _ = accumulator.step(state, Place(1.0, (0.0, 0.0, 9.0)), log((0.0, 1, 0)))
    assert again.path.time_s.tolist() == [1.0]
    assert again.path.at_mm.tolist() == [[0.0, 0.0, 0.0]]
