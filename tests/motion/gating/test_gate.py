"""The gate opens only where the target is probably inside, and never chatters."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motion.gating import make_gate
from tests.motion.gating.made import at, followed, gate, plan, predicted

INSIDE, OUTSIDE = (0.0, 0.0), (12.0, 0.0)


def readings(moving, places_mm, **how):
    return [reading for _, reading in followed(moving, places_mm, **how)]


def is_open(moving, places_mm, **how):
    return [one.is_open for one in readings(moving, places_mm, **how)]


def test_it_is_open_inside_and_closed_outside():
    assert is_open(gate(), [INSIDE, INSIDE, OUTSIDE, INSIDE]) == [True, True, False, True]
    last = readings(gate(), [OUTSIDE])[0]
    assert (last.closed_by, last.probability) == ("outside", pytest.approx(1.0))
    assert last.outside_percent > 30.0


def test_it_looks_where_the_target_will_be_and_not_where_it_is():
    moving = gate()
    _, leaving = moving.step(moving.start(), at(0.0, INSIDE), predicted(0.25, OUTSIDE))
    assert not leaving.is_open
    assert leaving.outside_percent == pytest.approx(0.0, abs=0.1)
    assert leaving.predicted_outside_percent > 30.0
    _, coming = moving.step(moving.start(), at(0.0, OUTSIDE), predicted(0.25, INSIDE))
    assert coming.is_open


def test_a_wide_interval_closes_what_a_narrow_one_opens():
    places = [(2.0, 0.0)]
    assert is_open(gate(max_outside_probability_percent=10.0), places, half_mm=0.3) == [True]
    assert is_open(gate(max_outside_probability_percent=10.0), places, half_mm=5.0) == [False]


@pytest.mark.parametrize(
    "doubt",
    [
        {"doubts": ("jump",)},
        {"is_training": True},
        {"doubts": ("low-similarity", "out-of-plane")},
    ],
)
def test_a_place_that_is_not_believed_closes_it(doubt):
    moving = gate()
    state, _ = moving.step(moving.start(), at(0.0, INSIDE), predicted(0.25, INSIDE))
    assert state.is_open
    state, reading = moving.step(state, at(0.1, INSIDE, **doubt), predicted(0.35, INSIDE))
    assert (state.is_open, reading.is_open, reading.closed_by) == (False, False, "unknown")
    assert reading.probability == 1.0
    assert math.isnan(reading.outside_percent)


@pytest.mark.parametrize(
    "prediction",
    [
        None,
        predicted(0.25, (math.nan, 0.0)),
        predicted(0.25, INSIDE, math.nan),
        predicted(0.25, INSIDE, math.inf),
        predicted(0.25, (0.0,)),
        predicted(0.25, (0.0, 0.0, 0.0)),
    ],
)
def test_a_prediction_that_says_nothing_closes_it(prediction):
    moving = gate()
    _, reading = moving.step(moving.start(), at(0.0, INSIDE), prediction)
    assert (reading.is_open, reading.probability, reading.closed_by) == (False, 1.0, "unknown")


def test_a_place_that_is_no_number_closes_it():
    moving = gate()
    _, reading = moving.step(moving.start(), at(0.0, (math.nan, 0.0)), predicted(0.25, INSIDE))
    assert (reading.is_open, reading.closed_by) == (False, "unknown")


def boundary_mm(moving):
    """Return where the gate's first boundary is crossed along y."""
    return next(y for y in np.arange(0.0, 9.0, 0.01) if not is_open(moving, [(y, 0.0)])[0])


def test_a_target_between_the_margins_neither_opens_nor_closes_it():
    moving = gate(resume_margin_mm=2.0)
    between = (boundary_mm(gate()) + boundary_mm(gate(margin_mm=2.0))) / 2, 0.0
    assert is_open(moving, [INSIDE, between, OUTSIDE, between, INSIDE]) == [
        True, True, False, False, True
    ]  # fmt: skip
    cause = readings(moving, [OUTSIDE, between])[1].closed_by
    assert cause == "resume-margin"


def test_a_target_that_trembles_at_the_boundary_does_not_make_it_chatter():
    edge = boundary_mm(gate())
    trembling = [(edge + 0.2 * (-1) ** k, 0.0) for k in range(200)]
    without = is_open(gate(), [INSIDE, *trembling])
    with_it = is_open(gate(resume_margin_mm=2.0), [INSIDE, *trembling])
    assert np.count_nonzero(np.diff(without)) > 100
    assert np.count_nonzero(np.diff(with_it)) == 1


def test_it_stays_closed_for_the_least_time():
    seen = is_open(gate(min_off_s=0.5), [INSIDE, OUTSIDE, *[INSIDE] * 8], step_s=0.125)
    assert seen == [True, False, False, False, False, True, True, True, True, True]
    # a beam that was never on has not just been closed
    assert is_open(gate(min_off_s=0.5), [INSIDE]) == [True]


def test_a_clock_that_steps_back_leaves_it_closed():
    moving = gate(min_off_s=0.5)
    state = moving.start()
    for now_s, place in ((10.0, INSIDE), (10.1, OUTSIDE), (3.0, INSIDE)):
        state, reading = moving.step(state, at(now_s, place), predicted(now_s + 0.25, place))
    assert (reading.is_open, reading.closed_by) == (False, "min-off")


def test_it_opens_only_where_the_target_is_expected_to_stay():
    moving = gate(min_on_s=0.5)
    start = moving.start()
    _, passing = moving.step(start, at(0.0, (-4.0, 0.0)), predicted(0.25, (-1.0, 0.0)))
    assert (passing.is_open, passing.closed_by) == (False, "min-on"), "it flies through"
    _, resting = moving.step(start, at(0.0, (-1.2, 0.0)), predicted(0.25, (-1.0, 0.0)))
    assert resting.is_open
    later = (predicted(0.5, INSIDE), predicted(0.75, INSIDE))
    _, known = moving.step(start, at(0.0, (-4.0, 0.0)), predicted(0.25, (-1.0, 0.0)), later)
    assert known.is_open, "later predictions say that it stays"
    later = (predicted(0.5, INSIDE), predicted(0.75, OUTSIDE))
    _, known = moving.step(start, at(0.0, (-1.2, 0.0)), predicted(0.25, (-1.0, 0.0)), later)
    assert (known.is_open, known.closed_by) == (False, "min-on")


def test_the_least_time_on_never_keeps_a_beam_on():
    assert is_open(gate(min_on_s=5.0), [INSIDE, OUTSIDE]) == [True, False]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-8.0, 8.0, width=32), min_size=2, max_size=60),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_the_gate_never_chatters_faster_than_its_least_time_off(y_mm, min_off_s):
    moving = CHATTER[min_off_s]
    times_s = 0.125 * np.arange(len(y_mm))
    seen = np.array(is_open(moving, [(y, 0.0) for y in y_mm], step_s=0.125))
    closed = times_s[1:][seen[:-1] & ~seen[1:]]
    opened = times_s[1:][~seen[:-1] & seen[1:]]
    for close_s in closed:
        after = opened[opened > close_s]
        assert not after.size or after[0] - close_s >= min_off_s - 1e-9


CHATTER = {off: gate(min_off_s=off, resume_margin_mm=2.5) for off in (0.0, 0.3, 1.0)}


def breath(n, *, rest_mm, depth_mm):
    phase = np.pi * np.arange(n) * 0.125 / 4.0
    return [(rest_mm + depth_mm * float(np.cos(one)) ** 6, 0.3) for one in phase]


def test_the_end_exhale_place_is_learned_and_then_stays():
    moving = gate(gate_center="end-exhale", learn_places=64, learn_s=5.0)
    places = breath(160, rest_mm=4.0, depth_mm=11.0)
    seen = readings(moving, places)
    assert all(one.closed_by == "learning" for one in seen[:63])
    assert math.isnan(seen[0].center_mm[0])
    centres = {one.center_mm for one in seen[64:]}
    assert len(centres) == 1
    (centre,) = centres
    assert centre == pytest.approx((4.0, 0.3), abs=0.2)
    opened = [place[0] for place, one in zip(places, seen, strict=True) if one.is_open]
    assert opened
    assert max(opened) < 4.0 + 4.5
    assert is_open(moving, [(0.0, 0.0)] * 70)[-1], "a target that rests is where it rests"


def test_training_teaches_the_place_and_doubts_teach_nothing():
    moving = gate(gate_center="end-exhale", learn_places=24, learn_s=5.0)
    state = moving.start()
    for number, place in enumerate(breath(48, rest_mm=4.0, depth_mm=11.0)):
        trained = at(0.125 * number, place, is_training=True)
        state, reading = moving.step(state, trained, None)
        assert reading.closed_by == "learning"
        wrong = at(0.125 * number + 0.01, (90.0, 90.0), doubts=("jump",))
        state, _ = moving.step(state, wrong, None)
    state, reading = moving.step(state, at(7.0, (4.0, 0.3)), predicted(7.25, (4.0, 0.3)))
    assert reading.is_open
    assert reading.center_mm == pytest.approx((4.0, 0.3), abs=0.2)


def test_three_seconds_of_breath_teach_no_place_however_many_frames():
    moving = gate(gate_center="end-exhale", learn_places=24)
    seen = readings(moving, breath(100, rest_mm=4.0, depth_mm=11.0))
    learning = [one.closed_by == "learning" for one in seen]
    assert learning == [True] * 80 + [False] * 20, "ten seconds at eight frames a second"


@pytest.mark.parametrize("clock", [lambda number: math.nan, lambda number: 5.0])
def test_without_a_clock_that_moves_nothing_is_learned_nor_gathered(clock):
    moving = gate(gate_center="end-exhale", learn_places=24, learn_s=5.0)
    state = moving.start()
    for number, place in enumerate(breath(200, rest_mm=4.0, depth_mm=11.0)):
        state, reading = moving.step(state, at(clock(number), place), None)
        assert reading.closed_by == "learning"
    assert len(state.places) <= 1


def test_a_state_goes_through_a_checkpoint():
    moving = gate(min_off_s=0.5)
    state, _ = moving.step(moving.start(), at(0.0, INSIDE), predicted(0.25, INSIDE))
    back = pickle.loads(pickle.dumps(state))
    assert (back.is_open, back.center_mm) == (True, (0.0, 0.0))
    assert len(pickle.dumps(state)) < 1000


def test_a_resume_margin_beyond_the_margin_is_refused():
    with pytest.raises(ValueError, match="resume_margin_mm is 4, above margin_mm 3"):
        make_gate(plan(resume_margin_mm=4.0))
