"""Power as steps: what flows, since when, and how much energy that makes."""

import numpy as np
import pytest

from messages import PowerLog


def log(*steps):
    return PowerLog(*np.array(steps, float).reshape(-1, 2).T)


def test_silence_is_not_zero_watts():
    assert PowerLog().now_w is None
    assert log((1, 0)).now_w == 0.0
    assert not PowerLog().is_known


def test_on_since_the_last_pause():
    assert log((1, 20), (3, 0), (5, 10), (7, 40)).on_since_s == 5.0
    assert log((1, 20), (3, 30)).on_since_s == 1.0
    assert log((1, 20), (3, 0)).on_since_s is None
    assert PowerLog().on_since_s is None


@pytest.mark.parametrize("cut_s", [0.0, 1.5, 3.0, 6.0, 9.0])
def test_energy_adds_over_any_split(cut_s):
    power = log((1, 20), (3, 0), (5, 10))
    assert power.energy_j(0, 9) == pytest.approx(2 * 20 + 4 * 10)
    whole = power.energy_j(0, cut_s) + power.energy_j(cut_s, 9)
    assert whole == pytest.approx(power.energy_j(0, 9))


def test_logs_that_overlap_merge_without_counting_twice():
    merged = log((1, 20), (3, 0)).merged(log((3, 0), (5, 10)))
    assert merged.time_s.tolist() == [1, 3, 5]
    assert merged.watts.tolist() == [20, 0, 10]
    assert log((1, 20)).merged(PowerLog()).now_w == 20
    assert PowerLog().merged(log((1, 20))).now_w == 20
