"""Raw data of a scan with a narrow readout: a hot spot is seen beside its place, and moved back."""

import math
from dataclasses import replace

import numpy as np
import pytest

from messages import READOUT, Acquisition, Encoding, Frame, FrameKey, ProtocolError
from realtime import pipeline
from realtime.protocol import parse_protocol
from realtime.readout_bandwidth import readout_bandwidth_hz_per_px
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_header import parse_header
from simulators.mrd import header_message
from simulators.phantom import Ellipse
from simulators.sequences.cartesian import Cartesian
from simulators.tissue.heat import Heat, on_off
from simulators.tissue.magnet import FieldDrift, MagnetField
from simulators.tissue.sources import Gaussian
from simulators.tissue.tissue import Part, Tissue
from simulators.tissue_scan import TissueScan

N, FOV_MM, N_FRAMES = 48, 144.0, 6
DWELL_US = 260.0  # 96 samples in 25 ms: 40 Hz a pixel
SPOT_MM = (12.0, -9.0)
PROTOCOL = """
[protocol]
name = "narrow-readout"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 4500.0
[recon]
method = "fft"
[thermometry]
method = "single-baseline"
baseline_frames = 1
alpha_ppm_per_c = -0.0094
phase_sign = {sign}
body_temperature_c = 37.0
drift_order = 0
max_std_c = 50.0
heated_margin_px = 6.0
off_resonance_shift = {moved}
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [21.0, 28.0]
radii_px = [5.0, 5.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 90.0
"""


def scan_of(*, phase_sign=1, drift_hz=90.0):
    sequence = Cartesian(
        matrix=(N, N),
        fov_mm=(FOV_MM, FOV_MM),
        echo_times_s=(0.016,),
        repetition_time_s=0.035,
        n_frames=N_FRAMES,
        sample_time_us=DWELL_US,
    )
    duration_s = N_FRAMES * N * 0.035
    heat = Heat(
        source=Gaussian(center_mm=SPOT_MM, fwhm_mm=(12.0, 12.0, math.inf)),
        plan=on_off(2 * N * 0.035, watts=40.0),
        center_mm=SPOT_MM,
        grid_mm=1.5,
        half_depth_mm=6.0,
    )
    body = Ellipse(1.0, (0.0, 0.0), (60.0, 62.0), 0.0)
    tissue = Tissue(
        parts=(Part(water=(body,)),),
        heat=heat,
        drift=FieldDrift(pattern=MagnetField(order0_hz=drift_hz), after_s=duration_s),
        phase_sign=phase_sign,
    )
    return TissueScan(sequence, tissue, n_coils=4, seed=3)


def acquisitions(scan):
    decoder = Decoder()
    decoder.feed(header_message(scan.header_xml()))
    for readout in scan.readouts():
        decoder.feed(readout.message)
        for event in decoder.events():
            if isinstance(event, Acquisition):
                yield event


def protocol_of(*, is_moved, phase_sign=1):
    return parse_protocol(PROTOCOL.format(moved=str(is_moved).lower(), sign=phase_sign))


def last_map(scan, protocol):
    return last_frame(scan, protocol)[1]


def last_frame(scan, protocol):
    built = state = None
    landed = []
    for one in acquisitions(scan):
        if built is None:
            built = pipeline.build(
                protocol,
                parse_header(scan.header_xml()),
                n_coils=one.n_coils,
                n_samples=one.n_samples,
                noise=None,
                imaging_sample_time_us=one.sample_time_us,
            )
            state = pipeline.PipelineState()
        landed.append(one)
        if len(landed) == N:
            state, verdict, maps = pipeline.fold(built, state, frame_of(landed))
            landed = []
    return verdict, maps


def frame_of(landed):
    rows = np.zeros(N, READOUT)
    rows["kspace_encode_step_1"] = [one.idx.kspace_encode_step_1 for one in landed]
    rows["n_samples"], rows["center_sample"] = landed[0].n_samples, landed[0].center_sample
    number = landed[0].idx.repetition
    samples = np.stack([one.samples for one in landed])
    key = FrameKey(repetition=number)
    return Frame(number, key, rows, samples, 1.0 + number, landed[0].pose, is_complete=True)


def centroid_px(rise_c):
    near = rise_c[
        12:30, 18:38
    ]  # the head's rim is off: what was air in one image is not in another
    hot = np.where(np.nan_to_num(near) > 0.3 * np.nanmax(near), near, 0.0)
    rows, columns = np.indices(hot.shape)
    return np.array([(hot * rows).sum(), (hot * columns).sum()]) / hot.sum()


@pytest.mark.parametrize("phase_sign", [1, -1])
def test_a_spot_moves_back_to_its_place(phase_sign):
    scan = scan_of(phase_sign=phase_sign)
    truth = scan.seen_rise_c(N_FRAMES - 1)
    assert np.nanmax(truth) > 8
    seen = last_map(scan, protocol_of(is_moved=False, phase_sign=phase_sign))
    moved = last_map(scan, protocol_of(is_moved=True, phase_sign=phase_sign))
    place = centroid_px(truth)
    as_seen = centroid_px(seen.temperature_c[0] - 37.0) - place
    as_moved = centroid_px(moved.temperature_c[0] - 37.0) - place
    # 75 Hz of drift since the baseline at 40 Hz a pixel, against 10 Hz and more of heat
    assert abs(as_seen[1]) > 1.3
    # the 7 Hz that the field drifted before the baseline are in no phase difference
    assert abs(as_moved[1]) < 0.25
    # drift within a frame turns k-space along its lines: a quarter of a turn, a quarter of a pixel
    assert abs(as_moved[0]) < 0.25


def test_bandwidth_of_a_pixel_is_that_of_the_readout_over_its_pixels():
    extent_mm, wide_mm = (240.0, 240.0, 3.0), (480.0, 240.0, 3.0)
    encoding = Encoding((256, 128, 1), (128, 128, 1), wide_mm, extent_mm, "cartesian")
    # 256 samples of 8 µs: 488 Hz for each of the 256 pixels of 1.875 mm across 480 mm
    assert readout_bandwidth_hz_per_px(encoding, 8.0) == pytest.approx(488.28, rel=1e-4)
    fine = Encoding((256, 128, 1), (256, 128, 1), wide_mm, extent_mm, "cartesian")
    assert readout_bandwidth_hz_per_px(fine, 8.0) == pytest.approx(244.14, rel=1e-4)
    assert math.isnan(readout_bandwidth_hz_per_px(encoding, 0.0))
    assert math.isnan(readout_bandwidth_hz_per_px(encoding, math.nan))
    echo_planar = Encoding((256, 128, 1), (128, 128, 1), wide_mm, extent_mm, "epi")
    assert math.isnan(readout_bandwidth_hz_per_px(echo_planar, 8.0))


@pytest.mark.parametrize(("sampling", "dwell_us"), [("cartesian", 0.0), ("epi", 4.0)])
def test_a_shift_that_nobody_can_compute_is_refused(sampling, dwell_us):
    header = parse_header(scan_of().header_xml())
    encodings = (replace(header.encodings[0], trajectory=sampling),)
    with pytest.raises(ProtocolError, match=r"thermometry\.off_resonance_shift: is true, but"):
        pipeline.build(
            protocol_of(is_moved=True),
            replace(header, encodings=encodings),
            n_coils=4,
            n_samples=2 * N,
            noise=None,
            imaging_sample_time_us=dwell_us,
        )
