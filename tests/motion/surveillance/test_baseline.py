"""Average and sum of end-exhale places, worked by hand."""

import math

import pytest

from motion.surveillance.baseline import Baseline, with_point


def after(*y_mm, n_cycles=3):
    state = Baseline()
    for y in y_mm:
        state = with_point(state, (y, 0.0), n_cycles=n_cycles, max_shift_mm=3.0, allowance_mm=2.25)
    return state


def test_the_first_places_are_the_baseline():
    state = after(0.9, 1.0, 1.1)
    assert state.first_mm == pytest.approx((1.0, 0.0))
    assert (state.shift_mm, state.cusum_mm) == (pytest.approx(0.0), 0.0)
    assert not after(0.9, 1.0).is_known(3)
    assert state.is_known(3)


def test_a_shift_at_the_limit_reaches_the_sum_s_limit_in_n_cycles():
    # 3 × (3 − 2.25) mm; the average has gone 1.0, 1.0 (steps of at most 3 / 3), then half of 1.0
    state = after(0.0, 0.0, 0.0, 3.0, 3.0, 3.0)
    assert state.cusum_mm == pytest.approx(2.25)
    assert state.shift_mm == pytest.approx(2.5)


def test_half_of_a_small_step_is_followed_at_once():
    assert after(0.0, 0.0, 0.0, 1.0).shift_mm == pytest.approx(0.5)
    assert after(0.0, 0.0, 0.0, 1.0, 1.0).shift_mm == pytest.approx(0.75)


def test_what_stays_within_the_allowance_is_forgotten():
    assert after(0.0, 0.0, 0.0, 3.0, 2.0, 0.0).cusum_mm == 0.0
    assert after(0.0, 0.0, 0.0, *[2.2] * 50).cusum_mm == 0.0


def test_no_single_place_reaches_either_limit():
    state = after(0.0, 0.0, 0.0, 500.0)
    assert state.shift_mm == pytest.approx(1.0)
    assert state.cusum_mm == pytest.approx(0.75)
    assert math.isfinite(after(0.0, 0.0, 0.0, 1e9).shift_mm)
