"""The figures of a gated beam against cases worked by hand."""

import numpy as np
import pytest

from benchmarks._gating_metrics import Gated, beam, calibration_percent, reliability

# ten moments: on in 0..4, outside in 3..6
ON = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], np.bool_)
OUTSIDE = np.array([0, 0, 0, 1, 1, 1, 1, 0, 0, 0], np.bool_)
DISTANCE_MM = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 9.0, 9.0, 9.0])


def test_figures_of_ten_moments():
    found = Gated(ON, OUTSIDE, DISTANCE_MM)
    assert found.duty_percent == pytest.approx(50.0)
    assert found.outside_percent == pytest.approx(40.0), "two of the five with the beam on"
    # right: on and inside in 0, 1, 2; off and outside in 5, 6
    assert found.accuracy_percent == pytest.approx(50.0)
    assert found.p95_mm == pytest.approx(3.8), "between the fourth and the fifth of 0 to 4"


def test_a_beam_that_is_never_on_hits_nothing():
    found = Gated(~ON & ON, OUTSIDE, DISTANCE_MM)
    assert (found.duty_percent, found.outside_percent, found.p95_mm) == (0.0, 0.0, 0.0)


def test_a_decision_acts_late_and_stands_until_the_next():
    time_s = np.arange(0.0, 1.0, 0.1)
    decided_s, is_open = np.array([0.0, 0.3, 0.5]), np.array([True, False, True])
    on = beam(time_s, decided_s, is_open, latency_s=0.2 - 1e-9)
    assert on.tolist() == [False, False, True, True, True, False, False, True, True, True]


def test_what_is_said_as_often_as_it_happens_has_no_calibration_error():
    probability = np.array([0.25] * 4 + [0.75] * 4)
    happened = np.array([1, 0, 0, 0, 1, 1, 1, 0], np.bool_)
    assert calibration_percent(probability, happened) == pytest.approx(0.0)
    # always 0.25 too low in the upper half
    assert calibration_percent(probability, happened | (probability > 0.5)) == pytest.approx(12.5)
    assert calibration_percent(np.ones(4), np.zeros(4, np.bool_)) == pytest.approx(100.0)


def test_reliability_counts_each_once():
    probability = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    happened = np.array([0, 1, 0, 1, 1], np.bool_)
    rows = reliability(probability, happened, np.array([0.0, 0.5, 1.0]))
    assert rows[0] == (pytest.approx(0.05), pytest.approx(0.5), 2)
    assert rows[1] == (pytest.approx(0.8), pytest.approx(2 / 3), 3)
