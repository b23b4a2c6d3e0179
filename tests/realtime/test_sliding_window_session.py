"""A session with a sliding window: its protocol, its dry run, its slices and its checkpoint."""

import os
from dataclasses import replace

import numpy as np
import pytest

from messages import Encoding, EncodingLimit, HeaderError, Pose, ProtocolError, SessionHeader
from realtime import dry_run, pipeline
from realtime.checkpoint import CheckpointMemory
from realtime.protocol import parse_protocol
from realtime.synthetic_frame import synthetic_frame

N, N_COILS, HOP, WINDOW = 32, 2, 6, 20
FULL = 3  # the first hop with which a window of 20 is full
PROTOCOL = f"""
[protocol]
name = "sliding"
therapy = "imaging"
frame_deadline_ms = 4000.0
lease_ms = 30000.0
[recon]
method = "auto"
trajectory = "golden-angle"
readouts_per_frame = {HOP}
window_readouts = {WINDOW}
"""


def build(text=PROTOCOL, *, trajectory="goldenangle", n_slices=1):
    fov_mm = (64.0, 64.0, 5.0)
    limit = EncodingLimit(0, HOP - 1, 0)
    encoding = Encoding(
        (N, N, 1), (N, N, 1), fov_mm, fov_mm, trajectory,
        kspace_encoding_step_1=limit if trajectory == "goldenangle" else None, n_slices=n_slices,
    )  # fmt: skip
    header = SessionHeader(b"", (encoding,), h1_frequency_hz=127.7e6)
    return pipeline.build(parse_protocol(text), header, n_coils=N_COILS, n_samples=N, noise=None)


def hop_frames(built, n, *, slices=(0,)):
    frames = []
    for number in range(n):
        for of_slice in slices:
            frame = synthetic_frame(built, Pose())
            rows = frame.readouts.copy()
            rows["repetition"] = number
            rows["time_s"] = number + np.arange(HOP) / 100
            key = replace(frame.key, repetition=number, slice=of_slice)
            frame_id = len(frames)
            time_s = float(rows["time_s"].mean())
            frames.append(replace(frame, frame_id=frame_id, key=key, readouts=rows, time_s=time_s))
    return frames


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        (f"window_readouts = {WINDOW}", f"window_readouts = {HOP}", "recon.window_readouts"),
        ('"golden-angle"', '"golden-angle-restarted"', "recon.trajectory"),
        ('"golden-angle"', '"uniform-angle"', "recon.trajectory"),
    ],
)
def test_a_window_that_cannot_slide_is_refused_by_its_key(before, after, key):
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(PROTOCOL.replace(before, after))
    assert caught.value.key == key


def test_a_window_of_lines_is_refused_when_the_header_comes():
    with pytest.raises(HeaderError, match=r"recon.window_readouts expects one of"):
        build(trajectory="cartesian")


def test_interleaved_slices_have_a_window_each():
    built = build(n_slices=2)
    state, verdicts = pipeline.PipelineState(), []
    for frame in hop_frames(built, 6, slices=(0, 1)):
        state, verdict, _ = pipeline.fold(built, state, frame)
        verdicts.append(verdict)
    is_found = [bool(verdict.findings) for verdict in verdicts]
    assert is_found == [True] * 2 * FULL + [False] * 2 * (6 - FULL)
    for stream in ((0, 0, 0, 0), (1, 0, 0, 0)):
        assert len(state.slices[stream].calibration.hops) == 4


def test_a_verdict_is_dated_by_its_window_and_not_by_its_hop():
    built = build()
    state, frames = pipeline.PipelineState(), hop_frames(built, 5)
    for frame in frames:
        state, verdict, maps = pipeline.fold(built, state, frame)
    # of hops 1 to 4 the last 20 spokes, 0.01 s apart in each, a second from hop to hop
    times_s = np.concatenate([one.readouts["time_s"] for one in frames])[-WINDOW:]
    assert verdict.time_s == pytest.approx(times_s.mean())
    assert maps.time_s == verdict.time_s < frames[-1].time_s


def test_nan_is_held_while_it_is_in_the_window_and_then_forgotten():
    built = build()
    state, frames, rules = pipeline.PipelineState(), hop_frames(built, 11), []
    samples = frames[5].samples.copy()
    samples[-1, 0, 3] = np.nan
    frames[5] = replace(frames[5], samples=samples)
    for frame in frames:
        state, verdict, _ = pipeline.fold(built, state, frame)
        rules.append({finding.rule for finding in verdict.findings})
    assert rules[5:9] == [{"non-finite-data"}] * 4
    assert rules[3:5] == [set()] * 2
    assert rules[9:] == [set()] * 2


def test_the_dry_run_measures_full_windows_only(monkeypatch):
    built, seen = build(), []
    measure = pipeline.measure

    def spied(slice_state, image):
        seen.append(image.is_complete)
        return measure(slice_state, image)

    class Still:
        def now_ns(self):
            return 0

    monkeypatch.setattr(pipeline, "measure", spied)
    dry_run.rehearse(built, Pose(), clock=Still())
    assert seen[:FULL] == [False] * FULL
    assert all(seen[-dry_run.LEAST_MEASURED :])


def test_a_checkpoint_carries_the_window_on():
    built = build()
    frames = hop_frames(built, 7)
    state = pipeline.PipelineState()
    memory = CheckpointMemory(os.memfd_create("checkpoint"))
    for frame in frames[:-1]:
        state, _, _ = pipeline.fold(built, state, frame)
        memory.save(state)
    _, verdict, maps = pipeline.fold(built, memory.load(), frames[-1])
    _, _, expected = pipeline.fold(built, state, frames[-1])
    assert verdict.findings == ()
    np.testing.assert_array_equal(maps.magnitude, expected.magnitude)


def test_a_rolling_calibration_is_never_taken_for_refinement():
    text = PROTOCOL.replace('method = "auto"', 'method = "auto"\ncoil_maps = "espirit"')
    built = build(text)
    state = pipeline.PipelineState()
    for frame in hop_frames(built, 6):
        state, _, _ = pipeline.fold(built, state, frame)
    assert pipeline.to_refine(built, state) is None
