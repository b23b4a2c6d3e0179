"""Heat that comes too fast, or not as the model expects."""

import pickle
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from messages import RegionReading
from realtime.alerts.limits import HeatingRate, HeatingResponse, Limit
from tests.realtime.alerts.observations import (
    find,
    forecast,
    frames,
    full,
    seen,
    severity,
    temperature_map,
    told,
)

RATE = HeatingRate(region="focus", max_unexplained_c=5.0)


@pytest.mark.parametrize(
    ("rises_c", "expected"),
    [
        ((0, 2, 6, 10), None),
        ((0, 2, 6, 14.9), None),
        ((0, 2, 6, 15.1), "hold"),
        ((0, 4, 8, 12), None),
        ((0, 0, 0, 20), None),
        ((0, 0, 2, 20), None),
        ((20, 15, 12, 10), None),
        ((0, 2, 6), None),
    ],
    ids=[
        "slows", "almost", "jumps", "steady", "begins", "began half a frame ago", "cools",
        "too few frames",
    ],
)  # fmt: skip
def test_a_rise_that_frames_do_not_explain_holds_where_power_is_unknown(rises_c, expected):
    assert severity(RATE, told(frames(*rises_c))) == expected


def test_a_known_change_of_power_explains_a_rise_and_no_change_does_not():
    rises_c = (0, 0, 0, 8)
    assert find(RATE, told(frames(*rises_c, steps=[(0.0, 0.0), (6.5, 40.0)]))) is None
    assert severity(RATE, told(frames(*rises_c, steps=[(0.0, 0.0)]))) == "hold"


def test_noise_is_no_boiling():
    noisy = frames(0, 2, 6, 16, std_c=0.8)
    assert find(RATE, told(noisy)) is None, "6 °C in excess, a second difference of 8 is noise"
    assert severity(RATE, told(frames(0, 2, 6, 18, std_c=0.8))) == "hold"


def test_the_models_expectation_goes_first():
    expected = forecast(expected_rise_c=15.0, rise_z=4.1)
    assert find(RATE, told(frames(0, 2, 6, 19.9, forecast=expected))) is None
    assert severity(RATE, told(frames(0, 2, 6, 20.1, forecast=expected))) == "hold"
    doubted = replace(expected, is_trusted=False)
    assert find(RATE, told(frames(0, 4, 8, 12.0, forecast=doubted))) is None


def test_what_ends_the_models_trust_is_judged_by_the_model_that_was():
    on = [(0.0, 0.0), (5.0, 40.0)]  # by the frames alone the power would explain it
    course = frames(0, 2, 6, 12.1, steps=on, forecast=forecast(expected_rise_c=7.0, rise_z=9.0))
    surprised = replace(course[-1].forecast, is_trusted=False)
    assert severity(RATE, told([*course[:-1], replace(course[-1], forecast=surprised)])) == "hold"


def test_the_first_heated_frame_is_no_boiling_to_a_model_that_knew_it_could_not_tell():
    on = [(0.0, 0.0), (6.5, 40.0)]
    unsure = forecast(expected_rise_c=0.1, rise_z=2.2)
    assert find(RATE, told(frames(0, 0, 0, 7.5, steps=on, forecast=unsure))) is None
    # without a change of power, the frames before tell, whatever another place does to the model
    assert severity(RATE, told(frames(0, 0, 0, 7.5, steps=on[:1], forecast=unsure))) == "hold"


def test_a_lost_frame_is_two_frames_of_heat_and_no_boiling():
    shown = frames(0, 4, 8, 12, 16, 20)
    assert find(RATE, told([*shown[:4], shown[5]])) is None


def dark(*ratios):
    observations = []
    for n, ratio in enumerate(ratios):
        magnitude = full(1.0)
        magnitude[0, 4:6, 4:6] = ratio  # a quarter of the focus
        temperature = temperature_map(magnitude_ratio=magnitude)
        observations.append(seen(temperature, time_s=float(n)))
    return observations


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ((1.0, 0.71), None),
        ((1.0, 0.69), "hold"),
        ((1.0, 0.8, 0.6), None),
        ((0.3, 0.3), None),
        ((0.5, 1.0), None),
        ((1.0, np.nan), None),
        ((0.2,), None),
    ],
    ids=["less", "a third", "slowly", "always", "comes back", "unknown", "first"],
)
def test_a_signal_that_vanishes_in_a_frame_holds(ratios, expected):
    assert severity(RATE, told(dark(*ratios))) == expected


def test_a_void_needs_no_believable_pixel():
    first, second = dark(1.0, 0.1)
    valid = np.ones(full(0).shape, bool)
    valid[0, 4:6, 4:6] = False
    second = replace(second, temperature=replace(second.temperature, valid=valid))
    assert severity(RATE, told([first, second])) == "hold"


RESPONSE = HeatingResponse(region="focus", unexpected_frames=2)


def unexpected(*z, expected_c=2.0, trusted_before=True):
    """A frame as expected, then some that are not, which ends the model's trust."""
    said = [
        forecast(rise_z=0.0, is_trusted=trusted_before),
        *(forecast(rise_z=one, expected_rise_c=expected_c, is_trusted=False) for one in z),
    ]
    shown = frames(*[6.0] * len(said))
    return [replace(one, forecast=said_) for one, said_ in zip(shown, said, strict=True)]


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        ((4.1, 4.1), "hold"),
        ((-4.1, -4.1), "hold"),
        ((4.1, 3.9), None),
        ((3.9, 4.1), None),
        ((4.1,), None),
        ((4.1, np.nan), None),
    ],
)
def test_a_rise_that_the_model_did_not_expect_holds_after_some_frames(z, expected):
    assert severity(RESPONSE, told(unexpected(*z))) == expected


def test_a_model_that_was_never_trusted_expects_nothing():
    # without a power log heat comes from nowhere: the model is surprised, and heating is right
    never = unexpected(*[9.0] * 7, trusted_before=False)
    assert find(RESPONSE, told(never)) is None
    assert find(RESPONSE, told(never[1:])) is None
    assert severity(RESPONSE, told(unexpected(*[9.0] * 7))) == "hold", "but once it was"


def test_as_many_frames_as_a_protocol_may_ask_for_are_remembered():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(
            {"rule": "heating-response", "region": "focus", "unexpected_frames": 8}, Limit
        )
    longest = HeatingResponse(region="focus", unexpected_frames=7)
    assert severity(longest, told(unexpected(*[9.0] * 7))) == "hold"


@pytest.mark.parametrize("times_s", [(2, 4, 4, 6), (2, 2, 2, 2), (8, 6, 4, 2), (2, 4, 3, 4)])
def test_equal_stamps_and_a_clock_that_steps_back_break_no_rule(times_s):
    course = [
        replace(one, time_s=float(time_s))
        for one, time_s in zip(frames(0, 2, 6, 30), times_s, strict=True)
    ]
    last = told(course)
    find(RATE, last)
    rising = [one.time_s for one in last.history.glances]
    assert rising == sorted(set(rising))
    assert rising[-1] == times_s[-1], "the frame that came last is what the rules look at"


@pytest.mark.parametrize("limit", [RATE, HeatingResponse(region="focus")])
def test_a_worker_that_restarts_from_its_checkpoint_judges_as_before(limit):
    course = unexpected(*[9.0] * 2) if limit is not RATE else frames(0, 2, 6, 15.1)
    before = told(course[:-1]).history
    assert severity(limit, told(course[-1:], history=pickle.loads(pickle.dumps(before)))) == "hold"
    # without its memory it must wait for frames, and fails in none
    assert find(limit, told(course[-1:])) is None


def test_what_the_model_expects_of_the_hottest_target_hides_no_boiling_in_another():
    expected = forecast(expected_rise_c=40.0, rise_z=0.0)
    cool = RegionReading("focus", "target", 16, 16, temperature_max_c=52.1)
    hot = RegionReading("other", "target", 16, 16, temperature_max_c=77.0)
    boiling = told(frames(0, 2, 6, 15.1, forecast=expected))
    assert find(RATE, replace(boiling, regions=(cool,))) is None
    assert severity(RATE, replace(boiling, regions=(cool, hot))) == "hold"


def test_many_standard_deviations_of_little_are_little():
    assert find(RESPONSE, told(unexpected(40.0, 40.0, expected_c=3.1))) is None
    assert find(RESPONSE, told(unexpected(40.0, 40.0, expected_c=np.nan))) is None


@pytest.mark.parametrize(("std_c", "expected"), [(0.8, None), (0.9, "hold")])
def test_a_rise_that_noise_alone_could_show_is_no_heat(std_c, expected):
    asked = HeatingResponse(region="focus", expect_rise_c=2.0, within_s=5.0)
    (last,) = frames(2.5, step_s=10.0, std_c=std_c, steps=[(1.0, 30.0)])
    assert severity(asked, last) == expected


def test_what_the_model_says_of_the_hottest_target_is_not_said_of_another():
    course = unexpected(4.1, 4.1)
    cool = RegionReading("focus", "target", 16, 16, temperature_max_c=43.0)
    hot = RegionReading("other", "target", 16, 16, temperature_max_c=60.0)
    skin = RegionReading("skin", "organ-at-risk", 16, 16, temperature_max_c=60.0)
    assert severity(RESPONSE, replace(told(course), regions=(cool, skin))) == "hold"
    assert find(RESPONSE, replace(told(course), regions=(cool, hot))) is None
