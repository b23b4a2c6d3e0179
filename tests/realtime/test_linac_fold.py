"""Raw data of a moving patient → tracking, prediction, gate, dose and verdict, against truth."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from messages import BeamLog, ProtocolError
from realtime.protocol import parse_protocol
from simulators.linac import CosFour, Still, cough, linac_scan, out_of_plane
from tests.realtime.linac_treatment import protocol_with, treated

QUICK = protocol_with(training_frames=16, gate_center='"reference"')
MOTION = CosFour(depth_mm=(0.0, -3.0, -12.0), period_s=3.0)


def places(monitor, maps, scan):
    """Measured and true displacement (frame, 2), of the frames in which the target was followed."""
    seen, true = [], []
    first = None
    for verdict in monitor.verdicts:
        motion = verdict.motion
        if motion is None or motion.displacement_mm is None or motion.doubts:
            continue
        frame = verdict.frame_id
        first = frame if first is None else first
        seen.append(motion.displacement_mm)
        true.append(
            np.subtract(scan.truth(frame).displacement_mm, scan.truth(first).displacement_mm)
        )
    return np.array(seen), np.array(true)


@pytest.fixture(scope="module")
def breathing():
    scan = linac_scan("lung-sagittal", motion=MOTION, n_frames=72)
    monitor, maps = treated(scan, QUICK)
    return scan, monitor, maps


def test_the_target_is_where_the_simulator_has_it(breathing):
    scan, monitor, maps = breathing
    seen, true = places(monitor, maps, scan)
    assert len(seen) >= 68
    error_mm = np.hypot(*(seen - true).T)
    assert error_mm.mean() < 0.3
    assert error_mm.max() < 0.8
    assert np.ptp(true[:, 0]) > 10  # and it did move


def test_the_mask_of_the_maps_is_the_targets(breathing):
    scan, _, maps = breathing
    for one in maps[40:]:
        truth = scan.truth(one.frame_id).mask
        overlap = 2 * (one.target_mask[0] & truth).sum() / (one.target_mask.sum() + truth.sum())
        assert overlap > 0.75  # the protocol draws an ellipse that is not turned
        assert np.array_equal(one.region_bits & 1 == 1, one.target_mask)
    assert np.isnan(maps[-1].dose_gy).all(), "without a plan nothing is known of dose"


def test_nothing_is_permitted_before_the_target_is_followed(breathing):
    _, monitor, _ = breathing
    trained = [one.frame_id for one in monitor.verdicts if one.baseline_frames < 16]
    assert trained
    assert all(monitor.verdicts[frame].decision == "HELD" for frame in trained)
    assert monitor.verdicts[3].findings[0].rule == "training"


def test_it_is_permitted_near_the_end_of_exhalation_and_held_at_inhalation(breathing):
    _, monitor, _ = breathing
    late = monitor.verdicts[40:]
    granted = [one for one in late if one.decision == "GRANTED"]
    held = [one for one in late if one.decision == "HELD"]
    assert len(granted) > 5
    assert len(held) > 5
    at_mm = {one.frame_id: one.motion.displacement_mm[0] for one in late}
    center_mm = late[0].motion.gate_center_mm[0]
    assert max(at_mm[one.frame_id] - center_mm for one in granted) < 4.5
    assert all({one.rule for one in each.findings} & {"gate", "tracking"} for each in held)


def test_what_a_verdict_says_is_json(breathing):
    from messages.codec import to_json

    _, monitor, _ = breathing
    for one in monitor.verdicts:
        to_json(one)


def test_the_state_is_a_checkpoint(breathing):
    _, monitor, _ = breathing
    again = pickle.loads(pickle.dumps(monitor.state))
    assert again.place_lps_mm == monitor.state.place_lps_mm


def test_a_frame_with_missing_lines_is_held_and_teaches_nothing():
    scan = linac_scan("lung-sagittal", motion=Still(), n_frames=30)

    def spoiled(acquisition, readout):
        if readout.frame == 24:
            return replace(acquisition, samples=np.full_like(acquisition.samples, np.nan))
        return acquisition

    monitor, _ = treated(scan, QUICK, spoil=spoiled)
    bad, after = monitor.verdicts[24], monitor.verdicts[-1]
    assert bad.decision == "HELD"
    assert {one.rule for one in bad.findings} >= {"non-finite-data", "tracking"}
    assert bad.motion.displacement_mm is None
    assert after.motion.displacement_mm is not None
    assert np.hypot(*after.motion.displacement_mm) < 0.3


def test_a_target_that_leaves_the_slice_is_held():
    scan = linac_scan("lung-sagittal", motion=Still(), events=(out_of_plane(4.0),), n_frames=56)
    monitor, _ = treated(scan, QUICK)
    gone = [one for one in monitor.verdicts if scan.truth(one.frame_id).area_mm2 < 50]
    assert len(gone) >= 3
    assert all(one.decision == "HELD" for one in gone)


def test_a_cough_is_held():
    scan = linac_scan("lung-sagittal", motion=Still(), events=(cough(4.0),), n_frames=44)
    monitor, _ = treated(scan, QUICK)
    moved = [
        one
        for one in monitor.verdicts[16:]
        if np.hypot(*scan.truth(one.frame_id).displacement_mm) > 6
    ]
    assert moved
    assert all(one.decision == "HELD" for one in moved)
    assert monitor.verdicts[-1].decision == "GRANTED", "and it resumes by itself"


@pytest.fixture(scope="module")
def in_turn():
    motion = CosFour(depth_mm=(3.0, -4.0, -10.0), period_s=2.7)
    scan = linac_scan("sagittal-coronal", motion=motion, n_frames=110)
    # two breaths of training: what lies between the slices' references is told by the mean of them
    monitor, _ = treated(scan, protocol_with(training_frames=22, gate_center='"reference"'))
    return scan, monitor


@pytest.mark.slow
def test_two_planes_in_turn_tell_all_three_axes_from_one_origin(in_turn):
    scan, monitor = in_turn
    seen = [one for one in monitor.verdicts if one.motion and one.motion.displacement_mm]
    first = np.array(scan.truth(seen[0].frame_id).displacement_lps_mm)
    error_mm = {0: [], 1: []}
    for one in seen:
        if one.frame_id > 60:
            axes = [1, 2] if one.key.slice == 0 else [0, 2]
            true = np.array(scan.truth(one.frame_id).displacement_lps_mm) - first
            error_mm[one.key.slice].append((np.array(one.motion.displacement_lps_mm) - true)[axes])
    sagittal, coronal = (np.array(error_mm[n]) for n in (0, 1))
    assert np.abs(sagittal).mean() < 0.4
    # left and right have the coronal reference as their origin, head and foot the sagittal one
    assert np.abs(coronal[:, 1]).mean() < 0.6
    assert np.std(coronal[:, 0]) < 0.4


@pytest.mark.slow
def test_both_planes_are_permitted(in_turn):
    _, monitor = in_turn
    assert {one.key.slice for one in monitor.verdicts if one.decision == "GRANTED"} == {0, 1}


def test_beam_reports_reach_the_reading():
    scan = linac_scan("lung-sagittal", motion=Still(), n_frames=22)

    def tell(monitor, n):
        monitor.beam = BeamLog(np.array([0.0]), np.array([1]), np.array([n > 20]), np.zeros(1))

    monitor, _ = treated(scan, QUICK, between=tell)
    assert [one.motion.is_beam_on for one in monitor.verdicts[-2:]] == [False, True]


def test_a_navigator_without_spokes_is_refused_by_its_key():
    scan = linac_scan("lung-sagittal", motion=Still(), n_frames=1)
    text = QUICK.text.replace("training_frames", "navigator = true\ntraining_frames")
    with pytest.raises(ProtocolError, match="expected one of radial, goldenangle") as caught:
        treated(scan, parse_protocol(text))
    assert caught.value.key == "motion.navigator"
