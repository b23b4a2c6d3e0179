"""What no observation may do to the rules: make one fail, or take a hold away by a NaN."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import Pose, PowerLog
from realtime.alerts.history import History
from realtime.alerts.limits import (
    BaselineInvalid,
    BlurGuard,
    DoseLimit,
    DoseReached,
    DoseRisk,
    Drift,
    Fat,
    FocusOffset,
    HeatingRate,
    HeatingResponse,
    InvalidFraction,
    Movement,
    NearField,
    Noise,
    SignalVoid,
    StaleFrame,
    TemperatureMax,
)
from realtime.alerts.remembering import remember
from realtime.alerts.rules import RULES, judge
from realtime.protocol import load_protocol
from tests.realtime.alerts.observations import (
    dose_map,
    forecast,
    full,
    power,
    seen,
    temperature_map,
)
from thermometry import Focus

LIMITS = (
    *(
        TemperatureMax(region="focus", stop_above_c=60.0, noise_margin_sigma=2.0, stop_by=side)
        for side in ("upper-bound", "estimate", "lower-bound")
    ),
    DoseReached(region="focus", cem43_min=240.0),
    DoseLimit(region="focus", stop_above_cem43_min=17.0, warn_above_cem43_min=2.0),
    DoseRisk(region="focus", cem43_min=17.0),
    NearField(region="focus"),
    FocusOffset(region="focus"),
    HeatingResponse(region="focus", expect_rise_c=2.0, within_s=5.0),
    HeatingRate(region="focus"),
    BlurGuard(region="focus", focus_fwhm_mm=(10.0, 3.0, 3.0)),
    Movement(min_similarity=0.9),
    Drift(max_drift_c=10.0, max_residual_c=2.0, max_rate_c_per_s=0.1),
    Noise(region="focus", max_std_c=2.0),
    InvalidFraction(region="focus", max_percent=30.0),
    SignalVoid(region="focus"),
    Fat(region="focus"),
    BaselineInvalid(),
    StaleFrame(max_gap_s=6.0),
)
DEMO = load_protocol("mrgfus-demo")
PROTOCOL = replace(DEMO, document=msgspec.structs.replace(DEMO.document, limit=LIMITS))
NO_NUMBERS = (np.nan, np.inf, -np.inf)

numbers = st.sampled_from((*NO_NUMBERS, 0.0, -40.0, 0.5, 3.0, 37.0, 45.0, 61.0, 1e30))
places_px = st.tuples(numbers, numbers, numbers)
POWERS = (PowerLog(), power((0.0, 0.0)), power((0.0, 0.0), (3.0, 40.0)))
masks = st.sampled_from(("all", "none", "some"))
places = st.sampled_from(("block", "pixel", "whole"))


def mask(kind, rng):
    if kind == "some":
        return rng.random((1, 16, 16)) < 0.5
    return np.full((1, 16, 16), kind == "all")


def region(kind):
    inside = np.zeros((1, 16, 16), np.bool_)
    y, x = {"block": (slice(4, 8), slice(4, 8)), "pixel": (5, 5), "whole": (slice(16),) * 2}[kind]
    inside[0, y, x] = True
    return inside


@st.composite
def maps(draw):
    """One number everywhere, with a few other ones strewn in."""
    values = full(draw(numbers))
    values[0, 5, 4 : 4 + draw(st.integers(0, 3))] = draw(numbers)
    return values


@st.composite
def observations(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    valid = mask(draw(masks), rng)
    temperature = replace(
        temperature_map(is_baseline=draw(st.integers(0, 7)) == 0),
        temperature_c=draw(maps()),
        temperature_std_c=draw(maps()),
        valid=valid,
        ambiguous=draw(st.none() | st.just(valid)),
        drift_c=draw(numbers),
        drift_residual_c=draw(numbers),
        is_drift_trusted=draw(st.booleans()),
        misfit_sigma=draw(numbers),
        similarity=draw(numbers),
        shift_px=draw(st.none() | st.tuples(numbers, numbers)),
        fat_fraction=draw(st.none() | maps()),
        magnitude_ratio=draw(st.none() | maps()),
        scale_std_c=draw(st.none() | maps()),
    )
    foretold = forecast(
        **{
            name: draw(maps())
            for name in (
                "peak_c", "peak_std_c", "final_cem43_min", "final_low_cem43_min",
                "final_high_cem43_min",
            )
        },
        hidden_c=draw(numbers),
        expected_rise_c=draw(numbers),
        rise_z=draw(numbers),
        is_trusted=draw(st.booleans()),
    )  # fmt: skip
    one = seen(
        temperature,
        dose=draw(st.none() | st.just(dose_map(draw(maps()), low=draw(maps()), high=draw(maps())))),
        time_s=draw(st.none() | numbers),
        previous_time_s=draw(st.none() | numbers),
        power=draw(st.sampled_from(POWERS)),
        forecast=draw(st.none() | st.just(foretold)),
        magnitude=draw(st.none() | maps()),
        previous_peak_c=draw(st.none() | maps()),
        pose=draw(st.none() | st.builds(Pose, position_mm=st.tuples(numbers, numbers, numbers))),
        focus=draw(st.none() | st.builds(Focus, places_px, places_px, numbers)),
    )
    return replace(one, masks={"focus": region(draw(places))})


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of infinities, in numpy
@given(st.lists(observations(), min_size=1, max_size=6))
def test_no_course_of_observations_makes_a_rule_fail(course):
    history = History()
    for one in course:
        history = remember(history, one)
        for limit in LIMITS:
            RULES[type(limit)](limit, replace(one, history=history))
        judge(PROTOCOL, replace(one, history=history))


def holding(observation):
    return any(one.severity == "hold" for one in judge(PROTOCOL, observation))


MAPS = ("temperature_c", "temperature_std_c")
CALM = {
    "temperature_c": 37.0,
    "temperature_std_c": 0.5,
    "drift_c": 0.0,
    "drift_residual_c": 0.1,
    "shift_px": (0.1, 0.0),
    "time_s": 10.0,
    "position_mm": (0.0, 0.0, 0.0),
}
HAZARDS = {
    "temperature_c": st.floats(20.0, 90.0),
    "temperature_std_c": st.floats(1.0, 4.0),
    "drift_c": st.floats(-12.0, 12.0),
    "drift_residual_c": st.floats(1.0, 4.0),
    "shift_px": st.tuples(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0)),
    "time_s": st.floats(8.0, 30.0),
    "position_mm": st.tuples(st.floats(-2.0, 2.0), st.just(0.0), st.just(0.0)),
}


def one_frame(figures, *, nan_in="", everywhere=False):
    """A baseline frame and one after it, in which a figure is no number."""
    values = {name: full(figures[name]) for name in MAPS}
    values["temperature_c"] = full(37.0)
    values["temperature_c"][0, 5, 5] = figures["temperature_c"]
    if nan_in in MAPS:
        values[nan_in][... if everywhere else (0, 5, 5)] = np.nan
    elif nan_in:
        known = figures[nan_in]
        nothing = (np.nan, *known[1:]) if isinstance(known, tuple) else np.nan
        figures = {**figures, nan_in: nothing}
    first = seen(temperature_map(is_baseline=True), pose=Pose(), time_s=9.0)
    temperature = temperature_map(
        values["temperature_c"],
        std_c=values["temperature_std_c"],
        drift_c=figures["drift_c"],
        drift_residual_c=figures["drift_residual_c"],
        shift_px=figures["shift_px"],
        similarity=1.0,
    )
    second = seen(
        temperature,
        pose=Pose(figures["position_mm"]),
        time_s=figures["time_s"],
        previous_time_s=9.0,
    )
    history = remember(remember(History(), first), second)
    return replace(second, history=history)


def test_a_calm_frame_holds_nothing():
    assert not holding(one_frame(CALM))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(
    hazard=st.sampled_from(tuple(HAZARDS)), everywhere=st.booleans(), same=st.booleans(),
    data=st.data(),
)  # fmt: skip
def test_nan_takes_no_hold_away(hazard, everywhere, same, data):
    figures = {**CALM, hazard: data.draw(HAZARDS[hazard])}
    nan_in = hazard if same else data.draw(st.sampled_from(tuple(CALM)))
    after = one_frame(figures, nan_in=nan_in, everywhere=everywhere)
    assert holding(after) or not holding(one_frame(figures))


def test_a_valid_pixel_without_a_number_holds_wherever_it_is():
    hole = full(37.0)
    hole[0, 15, 15] = np.nan
    for struck in ({"temperature_c": hole}, {"temperature_std_c": hole}):
        spoilt = seen(replace(temperature_map(), **struck))
        assert ("non-finite-data", "hold") in [
            (one.rule, one.severity) for one in judge(DEMO, spoilt)
        ]
    invalid = temperature_map(valid=np.isfinite(hole))
    assert not [one for one in judge(DEMO, seen(invalid)) if one.rule == "non-finite-data"]


def test_the_side_of_a_dose_that_is_not_known_hides_no_other_pixel():
    low, high = full(0.0), full(0.0)
    low[0, 5, 5], high[0, 5, 5] = 20.0, 30.0
    low[0, 5, 6], high[0, 5, 6] = np.nan, 1.0
    limit = DoseRisk(region="focus", cem43_min=17.0)
    found = RULES[DoseRisk](limit, seen(dose=dose_map(high, low=low, high=high)))
    assert found.severity == "hold"
