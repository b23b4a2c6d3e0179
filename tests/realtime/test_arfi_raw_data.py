"""Raw data of a head that is pushed: displacement, temperature and focus of each pair of frames."""

import numpy as np
import pytest

import recon
from messages import READOUT, Acquisition, Frame, FrameKey
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


def images_of(scan):
    decoder, landed, reconstructor = Decoder(), [], None
    decoder.feed(header_message(scan.header_xml()))
    for readout in scan.readouts():
        decoder.feed(readout.message)
        for event in decoder.events():
            if not isinstance(event, Acquisition) or readout.frame < 0:
                continue
            landed.append(event)
            if len(landed) == N:
                if reconstructor is None:
                    header = parse_header(scan.header_xml())
                    plan = recon.plan(header, n_coils=event.n_coils, n_samples=event.n_samples)
                    reconstructor = recon.METHODS["fft"](plan)
                yield image_of(reconstructor, readout.frame, landed)
                landed = []


def image_of(reconstructor, number, landed):
    rows = np.zeros(N, READOUT)
    rows["kspace_encode_step_1"] = [one.idx.kspace_encode_step_1 for one in landed]
    rows["n_samples"], rows["center_sample"] = landed[0].n_samples, landed[0].center_sample
    key = FrameKey(repetition=landed[0].idx.repetition, set=landed[0].idx.set)
    samples = np.stack([one.samples for one in landed])
    frame = Frame(number, key, rows, samples, 1.0 + number, landed[0].pose, is_complete=True)
    partial = reconstructor.absorb(reconstructor.start(None), rows, samples, None)
    return reconstructor.finish(partial, frame, reconstructor.calibrate(partial, frame, None))


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
    state, last = arfi.start(), None
    for image in images_of(scan):
        state, found = arfi.step(state, image)
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
