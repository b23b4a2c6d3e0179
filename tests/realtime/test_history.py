"""What the frames before have shown reaches the rules through the fold, and a checkpoint."""

import pickle
from dataclasses import replace

import pytest

from messages import Pose
from realtime import pipeline
from realtime.alerts.limits import (
    BaselineInvalid,
    Drift,
    HeatingRate,
    HeatingResponse,
    InvalidFraction,
    Movement,
)
from realtime.alerts.rules import limits_in_force
from realtime.protocol import load_protocol, shipped_protocols
from tests.realtime.test_multi_slice import built, frame

AWAY = Pose(patient_table_position=(0.0, 0.0, 20.0))


def folded(frames):
    one = built("center_px = [16.0, 16.0]")
    state, said = pipeline.PipelineState(), []
    for each in frames:
        state = pickle.loads(pickle.dumps(state))  # as a worker that was replaced would go on
        state, verdict, _ = pipeline.fold(one, state, each)
        said.append({finding.rule for finding in verdict.findings})
    return state, said


def test_a_table_that_moves_after_the_baseline_is_found_in_each_frame_from_then_on():
    frames = [frame(n, 0) for n in range(5)]
    frames[3:] = [replace(one, pose=AWAY) for one in frames[3:]]
    _, said = folded(frames)
    assert ["baseline-invalid" in rules for rules in said] == [False] * 3 + [True] * 2


def test_each_measured_frame_is_remembered_and_no_other():
    state, _ = folded([frame(n, 0, rise_c=2.0 * n) for n in range(4)])
    (one,) = state.slices.values()
    assert len(one.history.glances) == 3, "the first is the baseline"
    hottest = [glance.regions["focus"].hot_c for glance in one.history.glances]
    assert hottest == pytest.approx([2.0, 4.0, 6.0], abs=0.5)
    assert one.history.pose is not None


def test_a_state_does_not_grow_with_the_treatment():
    few, many = (folded([frame(n, 0) for n in range(n_frames)])[0] for n_frames in (12, 24))
    sizes = [len(pickle.dumps(next(iter(one.slices.values())).history)) for one in (few, many)]
    assert sizes[1] < 1.2 * sizes[0]


@pytest.mark.parametrize("name", [one for one in shipped_protocols() if one.startswith("mrgfus")])
def test_what_no_protocol_can_leave_out_is_in_force_once(name):
    limits = limits_in_force(load_protocol(name))
    for kind in (Drift, Movement, BaselineInvalid):
        assert sum(isinstance(one, kind) for one in limits) == 1, kind
    targets = [one.name for one in load_protocol(name).region if one.role == "target"]
    for kind in (HeatingResponse, HeatingRate, InvalidFraction):
        watched = [one.region for one in limits if isinstance(one, kind)]
        assert set(targets) <= set(watched), kind
        assert len(watched) == len(set(watched)), kind
