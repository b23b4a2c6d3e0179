"""Slices that are imaged one by one: a region is watched in the slice that it lies in."""

import numpy as np
import pytest

from messages import READOUT, Encoding, Frame, FrameKey, Pose, SessionHeader
from realtime import pipeline
from realtime.protocol import parse_protocol

N, N_COILS, THICKNESS_MM = 32, 2, 5.0
PROTOCOL = """
[protocol]
name = "three-slices"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 4500.0
[recon]
method = "fft"
[thermometry]
method = "single-baseline"
baseline_frames = 1
alpha_ppm_per_c = -0.01
phase_sign = 1
body_temperature_c = 37.0
drift_order = -1
max_std_c = 50.0
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
{focus}
radii_px = [2.0, 2.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 60.0
"""
IN_SLICE_1 = "center_mm = [0.0, 0.0, 6.0]"  # 6 mm from slice 0, 1 mm from slice 1


def built(focus):
    extent_mm = (64.0, 64.0, THICKNESS_MM)
    encoding = Encoding((N, N, 1), (N, N, 1), extent_mm, extent_mm, "cartesian", n_slices=3)
    header = SessionHeader(b"", (encoding,), echo_times_s=(0.01,), h1_frequency_hz=127.7e6)
    protocol = parse_protocol(PROTOCOL.format(focus=focus))
    return pipeline.build(protocol, header, n_coils=N_COILS, n_samples=N, noise=None)


def frame(number, slice_, *, rise_c=0.0):
    rad_per_c = 2 * np.pi * -0.01e-6 * 127.7e6 * 0.01
    y, x = np.mgrid[:N, :N] - N // 2
    body = (np.hypot(y, x) < 13) * np.exp(1j * rad_per_c * rise_c * (np.hypot(y, x) < 3))
    coils = np.stack([body, body * np.exp(0.3j + x / 40)])
    kspace = np.fft.fftshift(
        np.fft.fft2(np.fft.ifftshift(coils, axes=(1, 2)), norm="ortho"), (1, 2)
    )
    rng = np.random.default_rng((number, slice_))
    kspace = kspace + 1e-3 * (rng.standard_normal(kspace.shape) + 1j)
    rows = np.zeros(N, READOUT)
    rows["kspace_encode_step_1"], rows["n_samples"] = np.arange(N), N
    rows["center_sample"] = N // 2
    pose = Pose(position_mm=(0.0, 0.0, 5.0 * slice_))
    samples = kspace.transpose(1, 0, 2).astype(np.complex64)
    key = FrameKey(repetition=number, slice=slice_)
    return Frame(3 * number + slice_, key, rows, samples, 1.0 + number + 0.1 * slice_, pose, True)


def played(focus, *, slices=(0, 1, 2), n_frames=3, rise_c=None):
    one = built(focus)
    state, verdicts = pipeline.PipelineState(), {}
    for number in range(n_frames):
        for slice_ in slices:
            hot_c = (rise_c or {}).get(slice_, 0.0) if number == n_frames - 1 else 0.0
            state, verdict, _ = pipeline.fold(one, state, frame(number, slice_, rise_c=hot_c))
            verdicts[slice_] = verdict
    return verdicts


def rules(verdict):
    return {one.rule for one in verdict.findings}


@pytest.mark.parametrize(
    "focus", [IN_SLICE_1, "center_px = [16.0, 16.0]\nslice = 1"], ids=["mm", "slice number"]
)
def test_a_region_is_read_in_its_own_slice_and_granted_in_all(focus):
    verdicts = played(focus)
    assert [len(verdicts[slice_].regions) for slice_ in range(3)] == [0, 1, 0]
    assert {one.decision for one in verdicts.values()} == {"GRANTED"}


def test_heat_in_its_slice_holds_and_in_another_is_not_its_own():
    hot = played(IN_SLICE_1, rise_c={1: 30.0})
    assert "temperature-max" in rules(hot[1])
    assert hot[1].decision == "HELD"
    assert "temperature-max" not in rules(played(IN_SLICE_1, rise_c={0: 30.0})[0])


def test_a_region_in_no_slice_holds_in_all_of_them():
    verdicts = played("center_mm = [0.0, 0.0, 40.0]")
    assert all("region-unseen" in rules(one) for one in verdicts.values())
    assert {one.decision for one in verdicts.values()} == {"HELD"}


def test_a_slice_that_does_not_come_holds_the_others():
    verdicts = played(IN_SLICE_1, slices=(0, 2))
    assert all(one.decision == "HELD" for one in verdicts.values())
    assert "focus" in next(one for one in verdicts[0].findings if one.rule == "region-unseen").text


def test_pixels_without_a_slice_are_watched_in_every_slice():
    verdicts = played("center_px = [16.0, 16.0]")
    assert [len(verdicts[slice_].regions) for slice_ in range(3)] == [1, 1, 1]
