"""Bounds of a pixel, the peak between frames, and what voxels hide."""

import numpy as np
import pytest

from realtime.alerts.blur import hidden_share
from realtime.alerts.limits import BlurGuard, TemperatureMax
from tests.realtime.alerts.observations import (
    BODY_C,
    find,
    forecast,
    full,
    one_pixel,
    power,
    seen,
    severity,
    temperature_map,
    told,
)


def limit(stop_by="estimate", **changes):
    known = {"region": "focus", "stop_above_c": 60.0, "noise_margin_sigma": 2.0}
    return TemperatureMax(**{**known, "stop_by": stop_by, **changes})


@pytest.mark.parametrize(
    ("stop_by", "hottest_c", "expected"),
    [
        ("upper-bound", 58.9, None),
        ("upper-bound", 59.0, "hold"),
        ("estimate", 58.9, None),
        ("estimate", 59.0, "warn"),
        ("estimate", 59.9, "warn"),
        ("estimate", 60.0, "hold"),
        ("lower-bound", 59.0, "warn"),
        ("lower-bound", 60.9, "warn"),
        ("lower-bound", 61.0, "hold"),
    ],
)
def test_the_chosen_bound_stops_and_the_upper_bound_warns(stop_by, hottest_c, expected):
    assert severity(limit(stop_by), seen(temperature_map(one_pixel(hottest_c)))) == expected


def test_the_upper_bound_warns_at_the_warning():
    early = limit("lower-bound", warn_above_c=57.0)
    assert severity(early, seen(temperature_map(one_pixel(55.9)))) is None
    found = find(early, seen(temperature_map(one_pixel(56.0))))
    assert (found.severity, found.value, found.limit) == ("warn", 57.0, 57.0)


def test_a_pixel_of_unknown_deviation_has_no_margin_to_either_side():
    unknown = temperature_map(one_pixel(60.0), std_c=full(np.nan))
    assert severity(limit("lower-bound"), seen(unknown)) == "hold"


def test_a_wrong_alpha_warns_early_and_puts_off_no_stop():
    # 2 °C of noise and 1.5 °C of α together are 2.5
    unsure = temperature_map(one_pixel(63.9), std_c=full(2.5), scale_std_c=full(1.5))
    assert severity(limit("lower-bound"), seen(unsure)) == "warn"
    unsure = temperature_map(one_pixel(64.1), std_c=full(2.5), scale_std_c=full(1.5))
    assert severity(limit("lower-bound"), seen(unsure)) == "hold"
    upper = temperature_map(one_pixel(55.0), std_c=full(2.5), scale_std_c=full(1.5))
    assert severity(limit("upper-bound"), seen(upper)) == "hold"


def over(peak_c, before_c=BODY_C, *, shown_c=50.0, **changes):
    frames = [
        seen(temperature_map(one_pixel(shown_c)), forecast=forecast(peak_c=one_pixel(one)))
        for one in (before_c, peak_c)
    ]
    frames[1] = seen(
        temperature_map(one_pixel(shown_c)), forecast=forecast(peak_c=one_pixel(peak_c), **changes)
    )
    return told(frames)


def test_a_peak_between_frames_stops_though_no_frame_showed_it():
    assert find(limit(), over(59.9)) is None
    found = find(limit(), over(60.0))
    assert (found.severity, found.value) == ("hold", 60.0)
    assert "heat model" in found.text
    assert severity(limit("upper-bound"), over(59.0)) == "hold"
    assert severity(limit("lower-bound"), over(60.9)) is None


def test_a_model_that_is_not_trusted_stops_nothing():
    assert find(limit(), over(70.0, is_trusted=False)) is None
    assert find(limit(), over(np.nan)) is None


def test_a_peak_that_was_told_before_does_not_end_the_next_sonication():
    assert find(limit(), over(62.0, before_c=62.0)) is None
    assert severity(limit(), over(62.6, before_c=62.0)) == "hold", "but one that rises does"


def test_a_peak_that_was_told_by_a_model_nobody_trusted_is_new():
    frames = [
        seen(forecast=forecast(peak_c=one_pixel(63.0), is_trusted=trust)) for trust in (False, True)
    ]
    assert severity(limit(), told(frames)) == "hold"


def test_the_first_frame_with_a_forecast_counts():
    first = seen(forecast=forecast(peak_c=one_pixel(61.0)))
    assert severity(limit(), told([first])) == "hold"


def heading(before_c, now_c, **changes):
    return told(
        [
            seen(temperature_map(one_pixel(before_c)), time_s=8.0, **changes),
            seen(temperature_map(one_pixel(now_c)), time_s=10.0, **changes),
        ]
    )


@pytest.mark.parametrize(
    ("before_c", "now_c", "expected"),
    [(46.0, 51.5, None), (46.0, 51.7, "warn"), (51.7, 46.0, None), (59.0, 59.3, None)],
)
def test_heat_that_will_pass_the_limit_before_the_next_verdict_warns(before_c, now_c, expected):
    certain = limit("estimate", noise_margin_sigma=0.0)
    assert severity(certain, heading(before_c, now_c)) == expected
    never = limit("estimate", noise_margin_sigma=0.0, warn_ahead_frames=0.0)
    assert find(never, heading(before_c, now_c)) is None


def test_what_heads_nowhere_because_the_power_is_off_is_no_warning():
    certain = limit("estimate", noise_margin_sigma=0.0)
    assert find(certain, heading(46.0, 52.0, power=power((0.0, 30.0), (9.9, 0.0)))) is None
    assert severity(certain, heading(46.0, 52.0, power=power((0.0, 30.0)))) == "warn"


GUARD = BlurGuard(region="focus", focus_fwhm_mm=(10.0, 3.0, 3.0))


def test_a_box_over_a_gaussian_hides_what_the_reference_says():
    # reference/thermometry.md 2.4: 3 × 3 × 10 mm FWHM, best and worst place of the voxel
    fine = hidden_share((10.0, 3.0, 3.0), (3.0, 1.1, 1.1))
    assert (1 - fine.least, 1 - fine.most) == pytest.approx((0.92, 0.73), abs=0.005)
    coarse = hidden_share((10.0, 3.0, 3.0), (3.0, 2.0, 2.0))
    assert (1 - coarse.least, 1 - coarse.most) == pytest.approx((0.80, 0.46), abs=0.005)


def test_the_expected_share_is_the_mean_over_every_place():
    # one axis, by brute force: the voxel's middle anywhere within half a width of the peak
    sigma, width = 3.0 / 2.3548, 2.0
    middle = np.linspace(-width / 2, width / 2, 2001)[:, None]
    inside = np.linspace(-width / 2, width / 2, 2001)[None, :]
    expected = np.exp(-((middle + inside) ** 2) / (2 * sigma**2)).mean()
    found = hidden_share((1e6, 3.0, 1e6), (1e-3, width, 1e-3))
    assert 1 - found.expected == pytest.approx(expected, abs=1e-3)


def test_a_small_voxel_and_a_fast_frame_hide_nothing():
    nothing = hidden_share((10.0, 3.0, 3.0), (1e-2, 1e-2, 1e-2))
    assert nothing.most < 1e-3
    slow = hidden_share((10.0, 3.0, 3.0), (1e-2, 1e-2, 1e-2), frame_time_s=8.0)
    s2, dt = (3.0 / 2.3548) ** 2, 0.14 * 8.0  # 2 D times half a frame
    assert 1 - slow.expected == pytest.approx(s2 / (s2 + dt), rel=0.04)


def test_blur_guard_goes_by_size_where_no_model_runs():
    still = {"time_s": 10.0, "previous_time_s": None}
    assert find(GUARD, seen(voxel_mm=(2.0, 0.5, 0.5), **still)) is None
    found = find(GUARD, seen(voxel_mm=(3.0, 2.0, 2.0), **still))
    assert (found.severity, found.unit) == ("warn", "%")
    assert 20.0 < found.value < 54.0
    slow = seen(voxel_mm=(2.0, 0.5, 0.5), time_s=10.0, previous_time_s=2.0)
    assert severity(GUARD, slow) == "warn"


@pytest.mark.parametrize(
    ("hidden_c", "expected"), [(2.1, None), (2.3, "warn"), (-1.0, None), (20.0, "warn")]
)
def test_blur_guard_goes_by_the_model_where_it_is_trusted(hidden_c, expected):
    hot = temperature_map(one_pixel(BODY_C + 20.0))
    coarse = {"voxel_mm": (0.1, 0.1, 0.1), "previous_time_s": None}
    observation = seen(hot, forecast=forecast(hidden_c=hidden_c), **coarse)
    assert severity(GUARD, observation) == expected


def test_what_is_hidden_of_hardly_any_rise_is_no_share():
    cold = seen(forecast=forecast(hidden_c=3.0), voxel_mm=(0.1, 0.1, 0.1), previous_time_s=None)
    assert find(GUARD, cold) is None
    hot = temperature_map(one_pixel(57.0))
    unsure = seen(
        hot,
        forecast=forecast(hidden_c=9.0, is_trusted=False),
        voxel_mm=(0.1, 0.1, 0.1),
        previous_time_s=None,
    )
    assert find(GUARD, unsure) is None
