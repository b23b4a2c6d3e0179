"""Each rule fires at its limit, is silent below it, and is not fooled by invalid pixels."""

from dataclasses import replace

import numpy as np
import pytest

from messages import FrameKey, PowerLog
from messages.codec import encode
from messages.verdict import Finding, Verdict
from realtime.alerts import faults, rules_linac
from realtime.alerts.limits import (
    LIMITS,
    LIMITS_OF,
    DoseLimit,
    DoseReached,
    Drift,
    HeatingResponse,
    InvalidFraction,
    Noise,
    StaleFrame,
    TemperatureMax,
)
from realtime.alerts.rules import RULES, decide, judge, limits_in_force, read_regions
from realtime.protocol import load_protocol, parse_protocol
from tests.realtime.alerts.observations import (
    BODY_C,
    FOCUS,
    SHAPE,
    dose_map,
    find,
    focus_mask,
    full,
    one_pixel,
    seen,
    severity,
    temperature_map,
    with_focus,
)


def test_each_limit_has_its_rule():
    assert set(RULES) == set(LIMITS_OF["mrgfus"])
    assert set(rules_linac.RULES) == set(LIMITS_OF["mrlinac"])
    assert set(RULES) | set(rules_linac.RULES) == set(LIMITS)


HOT = TemperatureMax(region="focus", stop_above_c=60.0, warn_above_c=57.0)


@pytest.mark.parametrize(
    ("hottest_c", "expected"), [(56.9, None), (57.0, "warn"), (59.9, "warn"), (60.0, "hold")]
)
def test_temperature_max_judges_the_hottest_pixel(hottest_c, expected):
    assert severity(HOT, seen(temperature_map(one_pixel(hottest_c)))) == expected


def test_temperature_max_gives_its_evidence():
    found = find(HOT, seen(temperature_map(one_pixel(61.5))))
    assert (found.rule, found.region) == ("temperature-max", "focus")
    assert (found.value, found.limit, found.unit) == (61.5, 60.0, "°C")


def test_temperature_max_adds_the_noise_margin():
    limit = TemperatureMax(region="focus", stop_above_c=60.0, noise_margin_sigma=2.0)
    assert severity(limit, seen(temperature_map(one_pixel(58.9)))) is None
    assert severity(limit, seen(temperature_map(one_pixel(59.0)))) == "hold"


def test_an_unknown_standard_deviation_hides_no_heat():
    limit = TemperatureMax(region="focus", stop_above_c=60.0, noise_margin_sigma=2.0)
    std_c = full(np.nan)
    assert severity(limit, seen(temperature_map(one_pixel(60.0), std_c=std_c))) == "hold"


def test_heat_is_found_though_every_neighbour_is_invalid():
    valid = np.zeros(SHAPE, np.bool_)
    valid[0, 5, 5] = True
    assert severity(HOT, seen(temperature_map(one_pixel(60.0), valid=valid))) == "hold"


def test_heat_beside_the_region_or_in_an_invalid_pixel_is_not_the_regions():
    outside = full(BODY_C)
    outside[0, 9, 9] = 90.0
    assert find(HOT, seen(temperature_map(outside))) is None
    valid = np.ones(SHAPE, np.bool_)
    valid[0, 5, 5] = False
    assert find(HOT, seen(temperature_map(one_pixel(90.0), valid=valid))) is None


def test_a_valid_pixel_without_a_number_is_not_believed():
    temperature = temperature_map()
    temperature.temperature_c[FOCUS] = np.nan
    assert find(HOT, seen(temperature)) is None
    whole = InvalidFraction(region="focus", max_percent=100.0)
    assert severity(whole, seen(temperature)) == "hold", "no pixel at all is never fine"


GOAL = DoseReached(region="focus", cem43_min=240.0)


def test_dose_reached_needs_every_pixel_by_its_low_side():
    estimate = with_focus(300.0)
    assert severity(GOAL, seen(dose=dose_map(estimate, low=with_focus(240.0)))) == "inform"
    low = with_focus(240.0)
    low[0, 5, 5] = 239.0
    assert find(GOAL, seen(dose=dose_map(estimate, low=low))) is None


def test_dose_reached_in_a_share_of_the_region():
    limit = DoseReached(region="focus", cem43_min=240.0, percent_of_region=75.0)
    low = with_focus(0.0)
    low[0, 4:7, 4:8] = 240.0
    assert severity(limit, seen(dose=dose_map(low))) == "inform"
    low[0, 4, 4] = 0.0
    assert find(limit, seen(dose=dose_map(low))) is None


def test_dose_reached_can_end_the_heating():
    limit = DoseReached(region="focus", cem43_min=240.0, then="hold")
    assert severity(limit, seen(dose=dose_map(with_focus(240.0)))) == "hold"


def test_no_dose_is_reached_where_nothing_is_valid_or_a_dose_is_nan():
    nothing = temperature_map(valid=np.zeros(SHAPE, np.bool_))
    assert find(GOAL, seen(nothing, dose=dose_map(with_focus(300.0)))) is None
    assert find(GOAL, seen(dose=dose_map(with_focus(np.nan)))) is None
    assert find(GOAL, seen()) is None


SPARE = DoseLimit(region="focus", stop_above_cem43_min=17.0, warn_above_cem43_min=2.0)


@pytest.mark.parametrize(
    ("estimate", "high", "expected"),
    [
        (1.0, 1.9, None),
        (1.0, 2.0, "warn"),
        (1.0, 40.0, "warn"),
        (16.9, 40.0, "warn"),
        (17.0, 17.0, "hold"),
    ],
)
def test_dose_limit_stops_by_the_estimate_and_warns_by_the_high_side(estimate, high, expected):
    dose = dose_map(one_pixel(estimate, elsewhere=0.0), high=one_pixel(high, elsewhere=0.0))
    assert severity(SPARE, seen(dose=dose)) == expected


def test_a_pixel_that_is_invalid_now_keeps_its_dose():
    nothing = temperature_map(valid=np.zeros(SHAPE, np.bool_))
    dose = dose_map(one_pixel(17.0, elsewhere=0.0))
    assert severity(SPARE, seen(nothing, dose=dose)) == "hold"


def test_an_infinite_dose_stops_and_a_nan_beside_it_does_not_hide_it():
    estimate = with_focus(0.0)
    estimate[0, 5, 5], estimate[0, 5, 6] = np.nan, np.inf
    found = find(SPARE, seen(dose=dose_map(estimate)))
    assert found is not None
    assert found.severity == "hold"


RESPONSE = HeatingResponse(region="focus", max_wrong_sign_c=3.0, expect_rise_c=2.0, within_s=5.0)


def test_a_region_that_seems_to_cool_has_the_wrong_sign():
    assert find(RESPONSE, seen(temperature_map(with_focus(BODY_C - 2.9)))) is None
    assert severity(RESPONSE, seen(temperature_map(with_focus(BODY_C - 3.0)))) == "hold"


def test_cooling_within_the_noise_is_no_wrong_sign():
    noisy = temperature_map(with_focus(BODY_C - 3.9), std_c=full(1.0))
    assert find(RESPONSE, seen(noisy)) is None
    noisy = temperature_map(with_focus(BODY_C - 4.0), std_c=full(1.0))
    assert severity(RESPONSE, seen(noisy)) == "hold"


def test_a_small_cold_spot_in_a_large_region_is_enough_but_one_pixel_is_not():
    masks = {"focus": np.ones(SHAPE, np.bool_)}  # 256 pixels, 12 of them spared
    few = full(BODY_C)
    few[0, 0, :12] = BODY_C - 20.0
    assert find(RESPONSE, replace(seen(temperature_map(few)), masks=masks)) is None
    few[0, 0, 12] = BODY_C - 20.0
    assert severity(RESPONSE, replace(seen(temperature_map(few)), masks=masks)) == "hold"


@pytest.mark.parametrize(
    ("rise_c", "steps", "expected"),
    [
        (1.9, [(5.0, 40.0)], "hold"),
        (1.9, [(5.0, 40.0), (9.0, 50.0)], "hold"),
        (2.1, [(5.0, 40.0)], None),
        (1.9, [(5.1, 40.0)], None),
        (1.9, [(1.0, 40.0), (5.1, 0.0), (5.2, 40.0)], None),
        (1.9, [(1.0, 40.0), (5.0, 0.0)], None),
        (1.9, [], None),
    ],
    ids=["no heat", "a step up", "heats", "too early", "after a pause", "power off", "unknown"],
)
def test_power_without_heat_holds(rise_c, steps, expected):
    time_s, watts = np.array(steps).reshape(-1, 2).T
    observation = seen(temperature_map(with_focus(BODY_C + rise_c)), power=PowerLog(time_s, watts))
    assert severity(RESPONSE, observation) == expected


def test_the_response_is_measured_from_the_protocols_body_temperature():
    cool = temperature_map(full(20.0))
    assert find(RESPONSE, seen(cool, body_temperature_c=20.0)) is None
    assert severity(RESPONSE, seen(cool)) == "hold"


FIELD = Drift(max_drift_c=10.0, max_residual_c=2.0)


@pytest.mark.parametrize(
    ("removed_c", "left_c", "expected"),
    [
        (9.9, 1.9, None),
        (10.0, 0.0, "warn"),
        (-10.0, 0.0, "warn"),
        (0.0, 2.0, "hold"),
        (50.0, 2.0, "hold"),
        (float("nan"), 0.0, "warn"),
        (0.0, float("nan"), "hold"),
    ],
)
def test_drift_warns_by_what_was_removed_and_holds_by_what_is_left(removed_c, left_c, expected):
    temperature = temperature_map(drift_c=removed_c, drift_residual_c=left_c)
    assert severity(FIELD, seen(temperature)) == expected


def test_drift_that_could_not_be_fitted_holds_without_any_limit():
    assert severity(Drift(), seen(temperature_map(is_drift_trusted=False))) == "hold"
    assert find(Drift(), seen(temperature_map(drift_c=99.0))) is None


@pytest.mark.parametrize(("std_c", "expected"), [(1.9, None), (2.0, "hold"), (np.nan, "hold")])
def test_noise_holds_at_its_limit_and_where_it_is_unknown(std_c, expected):
    limit = Noise(region="focus", max_std_c=2.0)
    assert severity(limit, seen(temperature_map(std_c=full(std_c)))) == expected


@pytest.mark.parametrize(
    ("n_invalid", "expected"), [(0, None), (4, None), (5, "hold"), (16, "hold")]
)
def test_invalid_fraction_holds_above_its_limit(n_invalid, expected):
    valid = np.ones(SHAPE, np.bool_)
    inside = np.argwhere(focus_mask())
    for at in inside[:n_invalid]:
        valid[tuple(at)] = False
    limit = InvalidFraction(region="focus", max_percent=25.0)
    assert severity(limit, seen(temperature_map(valid=valid))) == expected


def test_stale_frame_holds_after_a_gap():
    limit = StaleFrame(max_gap_s=1.0)
    assert find(limit, seen(time_s=10.5, previous_time_s=10.0)) is None
    assert severity(limit, seen(time_s=11.0, previous_time_s=10.0)) == "hold"
    assert find(limit, seen(previous_time_s=None)) is None


def test_a_verdict_too_old_is_stale():
    text = load_protocol("mrgfus-demo").text.replace(
        "max_gap_s = ", "max_age_ms = 80.0\nmax_gap_s = "
    )
    protocol = parse_protocol(text)
    assert faults.too_old(protocol, age_ms=79.9) is None
    assert faults.too_old(protocol, age_ms=80.0).severity == "hold"
    assert faults.too_old(load_protocol("mrgfus-demo"), age_ms=1e9) is None


BARE = """
[protocol]
name = "bare"
therapy = "mrgfus"
frame_deadline_ms = 100.0
lease_ms = 4500.0
[recon]
method = "fft"
[thermometry]
method = "single-baseline"
baseline_frames = 5
alpha_ppm_per_c = -0.01
phase_sign = 1
body_temperature_c = 37.0
drift_order = 1
[[region]]
name = "focus"
role = "target"
shape = "rectangle"
center_px = [5.5, 5.5]
radii_px = [1.5, 1.5]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 60.0
"""


def judged(observation, text=BARE):
    return [(found.rule, found.severity) for found in judge(parse_protocol(text), observation)]


def test_a_good_frame_has_no_finding_and_is_granted():
    assert judged(seen()) == []
    assert decide((), is_baseline=False, therapy="mrgfus") == "GRANTED"


@pytest.mark.parametrize(
    ("observation", "rule"),
    [
        (seen(is_complete=False), "incomplete-frame"),
        (seen(is_finite=False), "non-finite-data"),
        (seen(time_s=None), "scanner-clock"),
        (seen(time_s=float("nan")), "scanner-clock"),
        (seen(time_s=9.8, previous_time_s=9.8), "scanner-clock"),
        (seen(time_s=9.7, previous_time_s=9.8), "scanner-clock"),
        (seen(temperature_map(valid=~focus_mask())), "invalid-fraction"),
        (seen(temperature_map(with_focus(27.0))), "heating-response"),
        (seen(temperature_map(is_drift_trusted=False)), "drift"),
    ],
    ids=str,
)
def test_what_no_protocol_can_leave_out_holds(observation, rule):
    assert judged(observation) == [(rule, "hold")]


def test_an_interrupted_dose_warns():
    assert judged(seen(dose=dose_map(full(0.0), interrupted=True))) == [
        ("dose-interrupted", "warn")
    ]


def test_a_protocol_may_set_its_own_value_for_a_rule_that_is_always_on():
    own = BARE + '[[limit]]\nrule = "invalid-fraction"\nregion = "focus"\nmax_percent = 90.0\n'
    valid = np.ones(SHAPE, np.bool_)
    valid[0, 4:7, 4:8] = False  # 75 % of the focus
    assert judged(seen(temperature_map(valid=valid))) == [("invalid-fraction", "hold")]
    assert judged(seen(temperature_map(valid=valid)), own) == []
    rules = [type(limit) for limit in limits_in_force(parse_protocol(own))]
    assert rules.count(InvalidFraction) == 1


def test_a_spared_region_that_cannot_be_seen_holds_too():
    nerve = """
[[region]]
name = "nerve"
role = "organ-at-risk"
shape = "rectangle"
center_px = [10.5, 10.5]
radii_px = [0.5, 0.5]
"""
    watched = '[[limit]]\nrule = "dose-limit"\nregion = "nerve"\nstop_above_cem43_min = 17.0\n'
    mask = np.zeros(SHAPE, np.bool_)
    mask[0, 10:12, 10:12] = True
    unseen = seen(temperature_map(valid=~mask))
    unseen = replace(unseen, masks={"focus": focus_mask(), "nerve": mask})
    assert judged(unseen, BARE + nerve) == []
    assert judged(unseen, BARE + nerve + watched) == [("invalid-fraction", "hold")]


def test_a_baseline_frame_has_no_temperature_to_judge():
    baseline = temperature_map(one_pixel(90.0), is_baseline=True)
    assert judged(seen(baseline)) == []
    assert judged(seen(baseline, is_complete=False)) == [("incomplete-frame", "hold")]


def test_findings_come_in_the_protocols_order_and_one_a_limit():
    observation = seen(temperature_map(one_pixel(90.0), is_drift_trusted=False), is_complete=False)
    expected = [("incomplete-frame", "hold"), ("temperature-max", "hold"), ("drift", "hold")]
    assert judged(observation) == expected
    assert judged(observation) == expected


def test_judging_changes_nothing():
    observation = seen(temperature_map(one_pixel(90.0)), dose=dose_map(full(1.0)))
    before = observation.temperature.temperature_c.copy()
    judge(parse_protocol(BARE), observation)
    np.testing.assert_array_equal(observation.temperature.temperature_c, before)


def test_every_finding_can_be_sent_even_where_a_figure_is_not_finite():
    observation = seen(
        temperature_map(full(np.inf), std_c=full(np.nan), drift_residual_c=float("nan")),
        dose=dose_map(full(np.inf)),
    )
    text = load_protocol("mrgfus-demo").text
    protocol = parse_protocol(text)
    masks = {region.name: focus_mask() for region in protocol.region}
    findings = judge(protocol, replace(observation, masks=masks))
    readings = read_regions(protocol, masks, observation.temperature, observation.dose)
    assert encode(Verdict(1, FrameKey(), "COMPUTED", "HELD", 1.0, findings, readings))


HOLD = Finding("noise", "hold", "too noisy")
WARN = Finding("drift", "warn", "drifts")


@pytest.mark.parametrize(
    ("findings", "is_baseline", "therapy", "decision"),
    [
        ((), False, "mrgfus", "GRANTED"),
        ((WARN,), False, "mrgfus", "GRANTED"),
        ((WARN, HOLD), False, "mrgfus", "HELD"),
        ((), True, "mrgfus", "HELD"),
        ((), False, "imaging", "HELD"),
        ((), False, "mrlinac", "HELD"),
    ],
)
def test_only_a_watched_frame_without_a_hold_is_granted(findings, is_baseline, therapy, decision):
    assert decide(findings, is_baseline=is_baseline, therapy=therapy) == decision


def test_a_reading_gives_a_regions_figures():
    valid = np.ones(SHAPE, np.bool_)
    valid[0, 4, 4] = False
    dose = dose_map(one_pixel(30.0, elsewhere=2.0))
    (reading,) = read_regions(
        parse_protocol(BARE),
        {"focus": focus_mask()},
        temperature_map(one_pixel(52.0), valid=valid),
        dose,
    )
    assert (reading.name, reading.role, reading.n_pixels, reading.n_valid) == (
        "focus",
        "target",
        16,
        15,
    )
    assert reading.temperature_max_c == 52.0
    assert reading.temperature_mean_c == pytest.approx(37.0 + 15.0 / 15.0)
    assert reading.temperature_std_c == 0.5
    assert (reading.dose_max_cem43_min, reading.dose_min_cem43_min) == (30.0, 2.0)


def test_a_region_without_a_believable_pixel_reads_nothing():
    nothing = temperature_map(valid=np.zeros(SHAPE, np.bool_))
    for temperature in (nothing, temperature_map(is_baseline=True)):
        (reading,) = read_regions(parse_protocol(BARE), {"focus": focus_mask()}, temperature, None)
        assert reading.temperature_max_c is None
        assert reading.temperature_mean_c is None
