"""No permit on what is not known: random observations, and damage to a recorded treatment."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import Pose, Prediction
from messages.codec import to_json
from realtime import pipeline
from realtime.alerts.rules import decide
from realtime.alerts.rules_linac import judge_motion
from tests.realtime.alerts.motions import OPEN, PREDICTION, at, closed, delivered, protocol, seen
from tests.realtime.linac_patient import SAGITTAL, Patient, cut
from tests.realtime.linac_pipeline import motion_protocol, pipeline_of

PLAIN = protocol()
POSE = Pose()
NOT_NUMBERS = (math.nan, math.inf, -math.inf)
not_number = st.sampled_from(NOT_NUMBERS)
DOUBTS = ("low-similarity", "jump", "out-of-plane", "low-contrast", "edge-of-search", "bad-image")


@st.composite
def spoilt_predictions(draw):
    """A prediction with one value that is no number, or none."""
    if draw(st.booleans()):
        return None
    name = draw(st.sampled_from(["position_mm", "low_mm", "high_mm"]))
    values = list(getattr(PREDICTION, name))
    values[draw(st.integers(0, 1))] = draw(not_number)
    return replace(PREDICTION, **{name: tuple(values)})


UNKNOWN = {
    "doubted": st.sets(st.sampled_from(DOUBTS), min_size=1).map(
        lambda doubts: {"displacement": at(doubts=tuple(doubts))}
    ),
    "in training": st.just({"displacement": at(is_training=True)}),
    "not in the slice": st.just({"displacement": None}),
    "no place": st.tuples(not_number, st.floats(-30, 30)).map(
        lambda place: {"displacement": at(place)}
    ),
    "limit not learned": st.just({"displacement": at(similarity_limit=math.nan)}),
    "not predicted": spoilt_predictions().map(lambda one: {"prediction": one}),
    "effect at no time": not_number.map(
        lambda time_s: {"prediction": replace(PREDICTION, effect_time_s=time_s)}
    ),
    "gate closed": st.sampled_from(["learning", "unknown", "outside", "min-on"]).map(
        lambda cause: {"gate": closed(cause)}
    ),
    "no gate": st.just({"gate": None}),
    "reference lost": st.just({"is_reference_lost": True}),
    "incomplete": st.sampled_from(["is_complete", "is_calibrated", "is_finite"]).map(
        lambda name: {name: False}
    ),
    "no clock": st.sampled_from([None, *NOT_NUMBERS]).map(lambda time_s: {"time_s": time_s}),
    "clock stands or steps back": st.floats(0, 1e3).map(
        lambda back_s: {"previous_time_s": 10.0 + back_s}
    ),
    "beam log doubted": st.just({"delivered": delivered(doubts=("monitor units fell",))}),
    "slice elsewhere": not_number.map(
        lambda x_mm: {"first_pose": POSE, "pose": replace(POSE, position_mm=(x_mm, 0.0, 0.0))}
    ),
}
HARMLESS = st.fixed_dictionaries(
    {},
    optional={
        "frame_period_s": st.sampled_from([None, 0.125, 1.0]),
        "first_volume_mm3": st.sampled_from([None, 0.0, math.nan, 1270.0, 1e9]),
        "surrogate_mm": st.sampled_from([None, (math.nan, 0.0), (1.0, 0.5)]),
        "held_since_s": st.sampled_from([None, 0.0, math.nan]),
        "delivered": st.sampled_from([None, delivered(mu=0.0), delivered(mu=math.nan)]),
        "organs_percent": st.sampled_from([{}, {"duodenum": math.nan}]),
    },
)


def decision(observation):
    """What the fold decides on it, as `conclude_linac` does."""
    findings = judge_motion(PLAIN, observation)
    is_training = observation.displacement is None or observation.is_training
    is_open = observation.gate is not None and observation.gate.is_open
    return decide(findings, is_baseline=is_training, therapy="mrlinac", is_gate_open=is_open)


def test_a_good_frame_is_granted():
    assert decision(seen()) == "GRANTED"


@pytest.mark.parametrize("what", UNKNOWN)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_else_a_frame_says_what_is_not_known_holds(what, data):
    others = data.draw(HARMLESS)
    observation = replace(seen(), **{**others, **data.draw(UNKNOWN[what])})
    assert decision(observation) == "HELD"


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(allow_nan=True), min_size=6, max_size=6),
    effect_s=st.floats(allow_nan=True),
    is_open=st.booleans(),
)
def test_granted_means_numbers_and_an_open_gate(values, effect_s, is_open):
    y, x, low_y, low_x, high_y, high_x = values
    guessed = Prediction(effect_s, (y, x), (low_y, low_x), (high_y, high_x), (0.1, 0.1))
    gate = OPEN if is_open else closed("outside")
    if decision(seen(prediction=guessed, gate=gate)) == "GRANTED":
        assert is_open
        assert all(map(math.isfinite, (*values, effect_s)))


N_FRAMES, N_TRAINING = 44, 12


@pytest.fixture(scope="module")
def treatment():
    """A pipeline, its state after training, and the frames that follow."""
    built = pipeline_of(
        motion_protocol("mrlinac-lung", training_frames=N_TRAINING, gate_center='"reference"')
    )
    state, frames = pipeline.PipelineState(), Patient().breathing(N_FRAMES)
    for frame in frames[: N_TRAINING + 8]:
        state, _, _ = pipeline.fold(built, state, frame)
    return built, state, frames[N_TRAINING + 8 :]


def not_finite(frame, rng):
    samples = frame.samples.copy()
    where = rng.integers(samples.size)
    samples.reshape(-1)[where] = rng.choice(NOT_NUMBERS)
    return replace(frame, samples=samples)


def no_time(frame, rng):
    rows = frame.readouts.copy()
    rows["time_s"] = math.nan
    return replace(frame, time_s=math.nan, readouts=rows)


def time_back(frame, rng):
    back_s = rng.uniform(0.2, 1000.0)
    rows = frame.readouts.copy()
    rows["time_s"] -= back_s
    return replace(frame, time_s=frame.time_s - back_s, readouts=rows)


def broken_off(frame, rng):
    return cut(frame, int(rng.integers(1, len(frame.readouts))))


def nothing_there(frame, rng):
    return replace(frame, samples=np.zeros_like(frame.samples))


def noise_alone(frame, rng):
    noise = rng.standard_normal((*frame.samples.shape, 2), np.float32).view(np.complex64)[..., 0]
    return replace(frame, samples=noise)


def slice_moved(frame, rng):
    moved_mm = float(rng.choice([0.6, -30.0, *NOT_NUMBERS]))
    return replace(frame, pose=replace(SAGITTAL, position_mm=(moved_mm, 0.0, 0.0)))


def slice_turned(frame, rng):
    return replace(frame, pose=replace(SAGITTAL, read_dir=SAGITTAL.slice_dir))


def target_gone(frame, rng):
    return Patient().frame(frame.frame_id, target=0.0)


DAMAGES = (not_finite, no_time, time_back, broken_off, nothing_there, noise_alone, slice_moved,
           slice_turned, target_gone)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # infinity times zero
def test_a_damaged_frame_is_held_and_what_follows_is_still_judged(treatment, damage, seed):
    built, state, frames = treatment
    rng = np.random.default_rng(seed)
    first, n_damaged = rng.integers(0, 10), rng.integers(1, 4)
    for n, frame in enumerate(frames[: first + n_damaged + 3]):
        is_damaged = first <= n < first + n_damaged
        given_frame = damage(frame, rng) if is_damaged else frame
        state, verdict, _ = pipeline.fold(built, state, given_frame)
        to_json(verdict)
        if is_damaged:
            assert verdict.decision == "HELD"
    assert all(map(math.isfinite, state.place_lps_mm))


def test_undamaged_it_is_granted_in_part(treatment):
    built, state, frames = treatment
    decisions = []
    for frame in frames:
        state, verdict, _ = pipeline.fold(built, state, frame)
        decisions.append(verdict.decision)
    assert set(decisions) == {"GRANTED", "HELD"}
