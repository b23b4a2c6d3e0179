"""What a regression sees of the past, and how little one odd breath teaches it."""

import numpy as np
import pytest

from motion.prediction.history import History
from motion.prediction.rls import Rls
from motion.prediction.taps import FADING_S, LOOK_BACK_S, NEAR_S, settled_taps


def filled(times, positions):
    history = History()
    for time_s, position in zip(times, positions, strict=True):
        history = history.with_sample(
            float(time_s), np.atleast_1d(position), longest_gap_s=0.8, span_s=60.0
        )
    return history


def eighths(seconds):
    return np.arange(0, seconds, 1 / 8)


def test_sees_the_newest_second_itself_and_means_of_two_steps_before_it():
    times = eighths(10.0)
    history = filled(times, times)
    taps = settled_taps(history, 0.25, has_products=False)
    got = taps.regressor(history) + 0.0
    newest_s, origin_mm = times[-1], taps.origin_mm[0]
    ago_s = np.concatenate([np.arange(8) / 8, 1.0625 + np.arange(10) / 4])
    faded = (newest_s - ago_s - origin_mm) * np.exp(-0.5 * ago_s / FADING_S)
    assert got == pytest.approx([*faded, 1.0])


@pytest.mark.parametrize("rate_hz", [1.3, 3.18, 4.0, 8.0, 13.0, 50.0])
@pytest.mark.parametrize("has_products", [False, True])
def test_looks_about_as_far_back_at_every_rate(rate_hz, has_products):
    times = np.arange(0, 30, 1 / rate_hz)
    history = filled(times, np.stack([times, -times], -1))
    taps = settled_taps(history, 0.25, has_products=has_products)
    assert len(taps.regressor(history)) == taps.n_regressors == len(taps.holding())
    assert taps.look_back_s >= NEAR_S
    assert taps.n_back * taps.pitch_s == pytest.approx(LOOK_BACK_S, abs=1.0 / rate_hz + 0.3)


def test_products_are_of_the_position_from_its_origin():
    times = eighths(10.0)
    history = filled(times, np.where(times > 5.0, 20.0, 0.0))
    taps = settled_taps(history, 0.25, has_products=True)
    linear = settled_taps(history, 0.25, has_products=False).n_regressors
    off_mm = 20.0 - taps.origin_mm[0]
    products = taps.regressor(history)[linear:]
    # the look back is flat: 2 · 7 of second order, 9 of third, 10 mm being the unit
    expected = [off_mm**2 / 10.0] * 14 + [off_mm**3 / 100.0] * 9
    assert products == pytest.approx(expected)


def taught(positions, times):
    model, state, history = Rls(), None, History()
    for time_s, position in zip(times, positions, strict=True):
        history = history.with_sample(
            float(time_s), np.atleast_1d(position), longest_gap_s=0.8, span_s=model.span_s
        )
        state = model.learn(state, history, 0.25)
    return model, state, history


def test_a_larger_jerk_teaches_no_more_than_a_large_one():
    times = eighths(45.0)
    model, state, history = taught(5.0 * np.sin(2 * np.pi * times / 4.0), times)
    assert state.usual_mm2 < 0.1

    def moved(jerk_mm):
        seen = history.with_sample(
            45.0, history.newest_mm + jerk_mm, longest_gap_s=0.8, span_s=model.span_s
        )
        after = model.learn(state, seen, 0.25)
        return np.abs(after.fit.weights - state.fit.weights).max()

    assert moved(300.0) < 1.1 * moved(30.0)
    assert moved(30.0) < moved(3.0), "the odder, the less it counts"
