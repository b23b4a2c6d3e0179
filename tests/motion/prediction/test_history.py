"""A history is true between its samples, and forgets."""

import numpy as np
import pytest

from motion.prediction.history import History


def filled(times, *, span_s=10.0):
    history = History()
    for time_s in times:
        history = history.with_sample(
            float(time_s), np.array([2.0 * time_s, -time_s]), longest_gap_s=0.8, span_s=span_s
        )
    return history


def test_is_linear_between_samples_and_held_beyond():
    history = filled([0.0, 0.5, 0.7])
    got = history.at(np.array([-1.0, 0.0, 0.25, 0.5, 0.6, 0.7, 9.0]))
    assert got[:, 0] == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.2, 1.4, 1.4])
    assert got[:, 1] == pytest.approx(-got[:, 0] / 2)


def test_one_sample_is_held():
    assert filled([3.0]).at(np.array([1.0, 3.0, 5.0])).tolist() == [[6.0, -3.0]] * 3


def test_forgets_what_is_older_than_its_span():
    assert filled(np.arange(0, 30, 0.25), span_s=2.0).span_s == pytest.approx(2.0)


@pytest.mark.parametrize("next_s", [2.0, 0.5])
def test_begins_anew_after_a_gap_and_where_time_runs_back(next_s):
    assert filled([0.0, 0.6, 1.0, next_s]).time_s.tolist() == [next_s]
