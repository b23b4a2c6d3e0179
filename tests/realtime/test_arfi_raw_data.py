"""Raw data of a head that is pushed: displacement, temperature and focus of each pair of frames."""

import pickle

import numpy as np
import pytest

import recon
from messages import READOUT, Acquisition, Frame, FrameKey, ProtocolError
from realtime import pipeline
from realtime.protocol import parse_protocol
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_header import parse_header
from simulators.mrd import header_message
from simulators.phantom import Ellipse
from simulators.sequences.encoded_pairs import EncodedPairs
from simulators.tissue.magnet import FieldDrift, MagnetField
from simulators.tissue.push import Push
from simulators.tissue.sources import Gaussian
from simulators.tissue.tissue import Part, Tissue
from simulators.tissue_scan import TissueScan
from thermometry import ThermometryPlan
from thermometry.arfi import Arfi, encoding_rad_per_um

N, FOV_MM, N_BASELINE, N_FRAMES = 48, 144.0, 2, 8
FOCUS_MM = (12.0, -9.0)


def scan_of(phase_sign):
    tissue = Tissue(
        parts=(Part(water=(Ellipse(1.0, (0.0, 0.0), (60.0, 62.0), 0.0),)),),
        # the field drifts while it is measured: it must not read as displacement
        drift=FieldDrift(pattern=MagnetField(order0_hz=6.0, order1_hz=(2.0, 0.0)), after_s=6.0),
        push=Push(
            shape=Gaussian(center_mm=FOCUS_MM, fwhm_mm=(12.0, 15.0, 12.0)),
            peak_um=6.0,
            is_on=lambda frame: frame >= 2 * N_BASELINE,
        ),
        phase_sign=phase_sign,
    )
    sequence = EncodedPairs(matrix=(N, N), fov_mm=(FOV_MM, FOV_MM), n_frames=N_FRAMES)
    return TissueScan(sequence, tissue, n_coils=4, snr=50.0, seed=4)


def frames_of(scan):
    decoder, landed = Decoder(), []
    decoder.feed(header_message(scan.header_xml()))
    for readout in scan.readouts():
        decoder.feed(readout.message)
        for event in decoder.events():
            if not isinstance(event, Acquisition) or readout.frame < 0:
                continue
            landed.append(event)
            if len(landed) == N:
                yield frame_of(readout.frame, landed)
                landed = []


def frame_of(number, landed):
    rows = np.zeros(N, READOUT)
    rows["kspace_encode_step_1"] = [one.idx.kspace_encode_step_1 for one in landed]
    rows["n_samples"], rows["center_sample"] = landed[0].n_samples, landed[0].center_sample
    key = FrameKey(repetition=landed[0].idx.repetition, set=landed[0].idx.set)
    samples = np.stack([one.samples for one in landed])
    return Frame(number, key, rows, samples, 1.0 + number, landed[0].pose, is_complete=True)


def image_of(reconstructor, frame):
    start = reconstructor.start(None)
    partial = reconstructor.absorb(start, frame.readouts, frame.samples, None)
    return reconstructor.finish(partial, frame, reconstructor.calibrate(partial, frame, None))


PROTOCOL = """
[protocol]
name = "localise"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 4500.0
[recon]
method = "fft"
[thermometry]
method = "single-baseline"
baseline_frames = 2
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 1
max_std_c = 50.0
arfi_gradient_mt_per_m = 40.0
arfi_encoding_ms = 5.0
[[region]]
name = "target"
role = "target"
shape = "ellipse"
center_px = [{y}, 28.0]
radii_px = [3.0, 3.0]
[[limit]]
rule = "temperature-max"
region = "target"
stop_above_c = 90.0
[[limit]]
rule = "focus-offset"
region = "target"
"""


@pytest.mark.parametrize(("y", "offset_mm"), [(21.0, 0.0), (23.0, 6.0)])
def test_a_focus_beside_its_target_is_held_before_it_heats(y, offset_mm):
    scan = scan_of(1)
    built = pipeline.build(
        parse_protocol(PROTOCOL.format(y=y)),
        parse_header(scan.header_xml()),
        n_coils=4,
        n_samples=2 * N,
        noise=None,
    )
    state = pipeline.PipelineState()
    for frame in frames_of(scan):
        state, verdict, _ = pipeline.fold(built, state, frame)
        # what the worker keeps after each frame
        state = pickle.loads(pickle.dumps(state))
    assert state.focus[(0, 0, 0)].at_px[1] == pytest.approx(21.0, abs=0.33)
    found = [one for one in verdict.findings if one.rule == "focus-offset"]
    by_arfi = [one for one in found if "ARFI" in one.text]
    assert bool(by_arfi) == (offset_mm > 0)
    for one in by_arfi:
        assert one.severity == "hold"
        assert one.value == pytest.approx(offset_mm, abs=1.0)


@pytest.mark.parametrize("phase_sign", [1, -1])
def test_the_push_is_measured_and_the_focus_found(phase_sign):
    scan = scan_of(phase_sign)
    y_mm, x_mm = scan.sequence.rows_mm[:, None], scan.sequence.columns_mm[None, :]
    heated = np.hypot(x_mm - FOCUS_MM[0], y_mm - FOCUS_MM[1]) < 30.0
    plan = ThermometryPlan(
        echo_time_s=0.013,
        h1_frequency_hz=123.25e6,
        alpha_ppm_per_c=-0.0094,
        phase_sign=phase_sign,
        body_temperature_c=37.0,
        baseline_frames=N_BASELINE,
        drift_order=1,
        shape=(1, N, N),
        reference_mask=np.ones((1, N, N), np.bool_),
        heated_mask=heated[None],
    )
    arfi = Arfi(plan, phase_sign * encoding_rad_per_um(40.0, 0.005))
    state, last, header = arfi.start(), None, parse_header(scan.header_xml())
    fft = recon.METHODS["fft"](recon.plan(header, n_coils=4, n_samples=2 * N))
    for frame in frames_of(scan):
        state, found = arfi.step(state, image_of(fft, frame))
        last = found or last
    truth_um = scan.truth(x_mm, y_mm, frame=N_FRAMES - 1).push_um
    inside = heated & np.isfinite(truth_um) & last.valid[0]
    error = (last.displacement_um[0] - truth_um)[inside]
    assert np.abs(error).mean() < 0.4
    assert abs(error.mean()) < 0.1
    # 9 mm of a Gaussian of 12 x 15 mm: 0.85 of its peak on average
    assert last.focus.peak_um == pytest.approx(0.85 * 6.0, rel=0.1)
    y_px, x_px = N // 2 + FOCUS_MM[1] / 3.0, N // 2 + FOCUS_MM[0] / 3.0
    # a third of a pixel is 1 mm
    assert last.focus.at_px[1] == pytest.approx(y_px, abs=0.33)
    assert last.focus.at_px[2] == pytest.approx(x_px, abs=0.33)


def test_half_of_an_encoding_is_refused():
    text = PROTOCOL.format(y=21.0).replace("arfi_encoding_ms = 5.0\n", "")
    with pytest.raises(ProtocolError, match="arfi_gradient_mt_per_m: expected it and arfi_enc"):
        parse_protocol(text)
