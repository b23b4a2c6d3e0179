"""A library of baselines that is no good is told of, when it is finished and not before."""

import math

import pytest

from realtime.alerts.events import EVENTS
from realtime.alerts.rules_always import always
from tests.realtime.alerts.observations import seen, temperature_map


def trained(**changes):
    known = {"is_baseline": True, "baseline_frames": 20, "baseline_wanted": 20}
    return always(seen(temperature_map(**{**known, **changes})))


def test_a_poor_library_is_told_once_it_is_finished():
    (found,) = trained(misfit_sigma=4.0, drift_residual_c=2.3)
    assert (found.rule, found.severity) == ("library", "inform")
    assert "20 baseline images" in found.text
    assert "2.3 °C" in found.text
    assert (found.value, found.limit) == (2.3, 1.0)
    assert EVENTS["library.inform"].latched  # one frame alone says it


@pytest.mark.parametrize(
    "changes",
    [
        {},  # before the last one, and methods without a library
        {"misfit_sigma": math.nan, "drift_residual_c": 5.0},
        {"misfit_sigma": 1.2, "drift_residual_c": 1.5},  # noise, of an image that has much
        {"misfit_sigma": 4.0, "drift_residual_c": 0.5},
        {"misfit_sigma": 4.0, "drift_residual_c": 2.3, "is_baseline": False},
    ],
)
def test_anything_else_is_silent(changes):
    assert not trained(**changes)
