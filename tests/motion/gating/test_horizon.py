"""A decision is about the middle of the time for which it stands."""

import math

import pytest

from motion.gating import decision_horizon_s


def test_half_an_image_interval_is_added_to_the_latency():
    assert decision_horizon_s(0.25, interval_s=0.125) == pytest.approx(0.3125)


@pytest.mark.parametrize("interval_s", [math.nan, math.inf, 0.0, -3.0])
def test_an_interval_that_is_none_adds_nothing(interval_s):
    assert decision_horizon_s(0.25, interval_s=interval_s) == 0.25


def test_a_gap_is_no_interval():
    assert decision_horizon_s(0.25, interval_s=7.0) == pytest.approx(0.5)
