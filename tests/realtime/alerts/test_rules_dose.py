"""The probability that a pixel's dose passes a limit, now or after shut-off."""

import numpy as np
import pytest

from realtime.alerts.limits import DoseRisk
from tests.realtime.alerts.observations import (
    dose_map,
    find,
    focus_mask,
    forecast,
    full,
    one_pixel,
    seen,
    severity,
    temperature_map,
)

RISK = DoseRisk(region="focus", cem43_min=17.0)


def interval(median, log_std):
    """A pixel's dose: log-normal, with its 95 % interval."""
    wide = np.exp(1.959964 * log_std)
    return {
        "low": one_pixel(median / wide, elsewhere=0.0),
        "high": one_pixel(median * wide, elsewhere=0.0),
    }


def now(median, log_std):
    return dose_map(one_pixel(median, elsewhere=0.0), **interval(median, log_std))


@pytest.mark.parametrize(
    ("sigmas_below", "expected"), [(1.66, None), (1.63, "warn"), (0.02, "warn"), (-0.02, "hold")]
)
def test_five_percent_warn_and_fifty_hold(sigmas_below, expected):
    # a Gaussian is above 1.645 standard deviations in 5 %, above its median in 50 %
    dose = now(17.0 * np.exp(-0.5 * sigmas_below), 0.5)
    assert severity(RISK, seen(dose=dose)) == expected


def test_the_probability_is_told():
    found = find(RISK, seen(dose=now(17.0 * np.exp(-0.5), 0.5)))
    assert found.value == pytest.approx(15.87, abs=0.01)
    assert "has 17 CEM43" in found.text


def test_what_comes_after_shut_off_counts_and_is_said_to():
    cold = dose_map(full(0.0))
    after = interval(17.0 * 1.1, 0.3)
    coming = forecast(final_low_cem43_min=after["low"], final_high_cem43_min=after["high"])
    found = find(RISK, seen(dose=cold, forecast=coming))
    assert found.severity == "hold"
    assert "will have" in found.text
    doubted = forecast(
        final_low_cem43_min=after["low"], final_high_cem43_min=after["high"], is_trusted=False
    )
    assert find(RISK, seen(dose=cold, forecast=doubted)) is None


def test_a_dose_without_error_is_over_it_or_not():
    assert find(RISK, seen(dose=now(16.9, 0.0))) is None
    assert severity(RISK, seen(dose=now(17.1, 0.0))) == "hold"


def test_nothing_known_is_silent_and_infinity_is_not():
    assert find(RISK, seen()) is None
    assert find(RISK, seen(dose=dose_map(full(np.nan)))) is None
    assert severity(RISK, seen(dose=dose_map(one_pixel(np.inf, elsewhere=np.nan)))) == "hold"


def test_a_pixel_that_is_invalid_now_keeps_its_risk():
    invalid = temperature_map(valid=~focus_mask())
    assert severity(RISK, seen(invalid, dose=now(30.0, 0.3))) == "hold"


def test_dose_elsewhere_is_not_the_regions():
    outside = full(0.0)
    outside[0, 12, 12] = 300.0
    assert find(RISK, seen(dose=dose_map(outside))) is None
