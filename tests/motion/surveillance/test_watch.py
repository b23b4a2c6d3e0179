"""The watch over the breath: shifts, deep breaths and periods are told, quiet breath is not."""

import math
import pickle

import numpy as np
import pytest

from motion.surveillance import BreathPlan, BreathState, watch

PLAN = BreathPlan(max_shift_mm=3.0, n_cycles=3)
STEP_S, PERIOD_S, DEPTH_MM = 0.125, 4.0, 10.0


def breath(duration_s, *, depth_mm=DEPTH_MM, period_s=PERIOD_S):
    """Return times and levels: end-exhale at 0, inhale upwards (cos⁴, Lujan 1999)."""
    time_s = np.arange(0.0, duration_s, STEP_S)
    return time_s, depth_mm * np.cos(np.pi * time_s / period_s) ** 4


def figures(time_s, y_mm, *, noise_mm=0.3, seed=1, plan=PLAN, x_share=0.2):
    noise = noise_mm * np.random.default_rng(seed).standard_normal((2, len(time_s)))
    state, readings = BreathState(), []
    for number, now_s in enumerate(time_s):
        place = (y_mm[number] + noise[0, number], x_share * y_mm[number] + noise[1, number])
        place = tuple(float(one) for one in place)
        state, reading = watch(plan, state, time_s=float(now_s), place_mm=place)
        readings.append(reading)
    return state, readings


def told_at(readings, time_s):
    return next(
        (
            float(now_s)
            for one, now_s in zip(readings, time_s, strict=True)
            if one.shift_mm >= PLAN.max_shift_mm or one.cusum_mm >= one.cusum_limit_mm
        ),
        None,
    )


def test_depth_and_period_of_a_breath_are_those_that_it_has():
    time_s, level_mm = breath(60.0)
    _, readings = figures(time_s, level_mm)
    last = readings[-1]
    assert last.period_s == pytest.approx(PERIOD_S, abs=0.6)
    assert last.usual_period_s == pytest.approx(PERIOD_S, abs=0.3)
    assert last.depth_mm == pytest.approx(DEPTH_MM * math.hypot(1.0, 0.2), abs=1.0)
    assert last.n_cycles in (14, 15)


@pytest.mark.parametrize("seed", range(5))
def test_even_breath_is_no_shift_and_no_deep_breath(seed):
    time_s, level_mm = breath(120.0)
    _, readings = figures(time_s, level_mm, seed=seed)
    assert told_at(readings, time_s) is None
    assert max(one.shift_mm for one in readings if math.isfinite(one.shift_mm)) < 1.0
    assert all(not one.excursion_mads >= 3.0 for one in readings)


@pytest.mark.parametrize("step_mm", [3.6, 6.0, -6.0, 30.0])
def test_a_step_is_told_within_the_breaths_that_were_asked_for(step_mm):
    time_s, level_mm = breath(80.0)
    shifted = np.where(time_s >= 40.0, level_mm + step_mm, level_mm)
    at_s = told_at(figures(time_s, shifted)[1], time_s)
    assert 40.0 < at_s <= 40.0 + 5 * PERIOD_S


def test_a_slow_drift_is_told():
    time_s, level_mm = breath(200.0)
    drift_mm = 0.03 * np.maximum(time_s - 20.0, 0.0)
    at_s = told_at(figures(time_s, level_mm + drift_mm)[1], time_s)
    assert 2.2 < drift_mm[time_s >= at_s][0] < 4.2


def test_a_shift_well_below_the_limit_is_never_told():
    time_s, level_mm = breath(300.0)
    shifted = np.where(time_s >= 40.0, level_mm + 1.5, level_mm)
    assert told_at(figures(time_s, shifted)[1], time_s) is None


@pytest.mark.parametrize("far_mm", [15.0, -15.0])
def test_one_odd_breath_is_no_shift(far_mm):
    time_s, level_mm = breath(80.0)
    odd = (time_s >= 42.0) & (time_s < 46.0)
    level_mm = np.where(odd, level_mm + far_mm * np.sin(np.pi * (time_s - 42.0) / 4.0), level_mm)
    assert told_at(figures(time_s, level_mm)[1], time_s) is None


def test_a_deep_breath_stands_out_at_once():
    time_s, level_mm = breath(60.0)
    deep = (time_s >= 42.0) & (time_s < 46.0)
    level_mm = np.where(deep, 2.5 * level_mm, level_mm)
    _, readings = figures(time_s, level_mm)
    beyond = np.array([one.excursion_mads >= 6.0 for one in readings])
    assert time_s[beyond].min() == pytest.approx(43.5, abs=0.5)
    assert time_s[beyond].max() < 46.0
    assert readings[-1].depth_mm == pytest.approx(10.0, abs=1.5), "one breath changes no median"


def test_a_cough_past_exhale_stands_out_too():
    time_s, level_mm = breath(60.0)
    cough = (time_s >= 42.0) & (time_s < 42.4)
    _, readings = figures(time_s, np.where(cough, -20.0, level_mm))
    beyond = [one.excursion_mads >= 6.0 for one in readings]
    assert np.array_equal(np.array(beyond), cough)


def test_a_faster_breath_shows_in_its_period():
    slow, fast = breath(40.0), breath(20.0, period_s=2.0)
    time_s = np.concatenate([slow[0], 40.0 + fast[0]])
    _, readings = figures(time_s, np.concatenate([slow[1], fast[1]]))
    first = [one for one, now_s in zip(readings, time_s, strict=True) if 44.5 < now_s < 48.0]
    assert min(one.period_s / one.usual_period_s for one in first) < 0.65


def test_a_target_that_does_not_breathe_is_watched_too():
    time_s = np.arange(0.0, 180.0, STEP_S)
    still = np.zeros_like(time_s)
    state, readings = figures(time_s, still)
    assert told_at(readings, time_s) is None
    assert readings[-1].n_cycles >= 10
    assert not state.exhale_times_s
    drift = 0.05 * np.maximum(time_s - 60.0, 0.0)
    at_s = told_at(figures(time_s, drift)[1], time_s)
    assert at_s is not None
    assert drift[time_s >= at_s][0] < 6.0


def test_nothing_is_claimed_before_it_is_known():
    time_s, level_mm = breath(9.0)
    _, readings = figures(time_s, level_mm)
    for one in readings:
        assert one.n_cycles == 0
        assert math.isnan(one.shift_mm)
        assert math.isnan(one.excursion_mads)
        assert math.isnan(one.period_s)


@pytest.mark.parametrize("place", [None, (math.nan, 0.0), (0.0, math.inf)])
def test_what_is_not_believed_teaches_nothing(place):
    state, _ = figures(*breath(40.0))
    after, _ = watch(PLAN, state, time_s=40.5, place_mm=place)
    assert after is state
    back, _ = watch(PLAN, state, time_s=3.0, place_mm=(50.0, 0.0))
    assert back is state


def test_the_state_is_small_and_goes_through_a_checkpoint():
    state, _ = figures(*breath(600.0))
    whole = pickle.dumps(state)
    assert len(whole) < 2000
    assert pickle.loads(whole) == state
