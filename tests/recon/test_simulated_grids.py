"""Parallel imaging and EPI on the simulator's closed-form samples; nothing of ours made them."""

from dataclasses import replace

import numpy as np
import pytest

from messages import (
    READOUT,
    Encoding,
    EncodingLimit,
    EpiTiming,
    Frame,
    FrameKey,
    Pose,
    SessionHeader,
)
from recon import METHODS, ReconstructionSettings, plan
from simulators.scan import Scan
from simulators.sequences.cartesian import Cartesian
from simulators.sequences.epi import Epi

N, N_COILS, FOV_MM = 64, 8, 240.0
MATRIX = {"matrix": (N, N), "fov_mm": (FOV_MM, FOV_MM)}


def frame_of(scan, number, planned):
    rows = np.zeros(len(planned), READOUT)
    for name in ("kspace_encode_step_1", "average", "segment"):
        rows[name] = [one.counter(name) for one in planned]
    rows["flags"] = [one.flags for one in planned]
    rows["n_samples"] = scan.sequence.n_samples
    rows["center_sample"] = [one.center_sample for one in planned]
    samples = np.stack([scan.samples(one) for one in planned])
    return Frame(number, FrameKey(repetition=number), rows, samples, 0.0, Pose(), True)


def frames_of(scan, *, is_still=False):
    """Frames in order of time; what comes before the first belongs to it."""
    frames = {}
    for one in scan.sequence.readouts():
        # The field's phase along a readout blurs along x, which is not what is tested.
        still = replace(one, since_excitation_s=one.echo_time_s) if is_still else one
        frames.setdefault(one.frame, []).append(still)
    return [frame_of(scan, number, planned) for number, planned in frames.items()]


def method_of(name, scan, *, epi=None, **settings):
    sequence = scan.sequence
    low, high, center = sequence.limits()["kspace_encoding_step_1"]
    acceleration, across, mode = sequence.parallel or (1, 1, "")
    encoding = Encoding(
        sequence.encoded_matrix,
        (N, N, 1),
        sequence.encoded_fov_mm,
        (FOV_MM, FOV_MM, sequence.encoded_fov_mm[2]),
        sequence.trajectory_name,
        EncodingLimit(low, high, center),
        acceleration=(acceleration, across),
        calibration_mode=mode,
        epi=epi,
    )
    made = plan(
        SessionHeader(b"", (encoding,)),
        n_coils=scan.n_coils,
        n_samples=sequence.n_samples,
        settings=ReconstructionSettings(**settings),
    )
    return METHODS[name](made)


def images_of(method, frames):
    """Images as the monitor makes them: calibrated while they come, filled on arrival."""
    known, images = None, []
    for frame in frames:
        partial = method.absorb(method.start(known), frame.readouts, frame.samples)
        if known is None or not known.is_ready:
            known = method.calibrate(partial, frame, known)
        images.append(method.finish(partial, frame, known))
    return images


@pytest.fixture(scope="module")
def whole():
    """The image of every line."""
    scan = Scan(Cartesian(**MATRIX), n_coils=N_COILS)
    return images_of(method_of("fft", scan), frames_of(scan)[:1])[0]


def error(image, truth):
    """After one complex factor: orthonormal transforms of other sizes scale otherwise."""
    scale = np.vdot(image.pixels, truth.pixels) / np.vdot(image.pixels, image.pixels)
    return np.linalg.norm(scale * image.pixels - truth.pixels) / np.linalg.norm(truth.pixels)


@pytest.mark.parametrize("name", ["grappa", "sense"])
@pytest.mark.parametrize("mode", ["embedded", "separate", "interleaved"])
@pytest.mark.parametrize("acceleration", [2, 3])  # 64 is no multiple of 3
def test_few_lines_give_the_image_of_all(whole, name, mode, acceleration):
    sequence = Cartesian(**MATRIX, acceleration=acceleration, calibration=mode, n_frames=6)
    scan = Scan(sequence, n_coils=N_COILS)
    frames = frames_of(scan)
    images = images_of(method_of(name, scan, regularisation=1e-4), frames)
    n_waiting = 2 * (acceleration - 1) if mode == "interleaved" else 0
    assert [image.is_complete for image in images] == [False] * n_waiting + [True] * (6 - n_waiting)
    aliased = images_of(method_of("fft", scan), frames)[-1]
    for image in images[n_waiting:]:
        assert error(image, whole) < 0.06
        assert error(image, whole) < 0.2 * error(aliased, whole)


EPI = Epi(**MATRIX, echo_times_s=(0.03,), ramp_up_us=120.0, ramp_down_us=120.0, delay_us=41.6)


def epi_scan(**errors):
    return Scan(replace(EPI, **errors), n_coils=N_COILS)


def timing_of(epi):
    return EpiTiming(
        epi.ramp_up_us, epi.flat_top_us, epi.ramp_down_us, epi.delay_us, epi.n_samples,
        epi.sample_time_us,
    )  # fmt: skip


def epi_image(scan, **settings):
    method = method_of("fft", scan, epi=timing_of(scan.sequence), **settings)
    return images_of(method, frames_of(scan, is_still=True)[:1])[0]


def test_a_train_without_faults_is_the_grid_s_image(whole):
    assert error(epi_image(epi_scan()), whole) < 0.003


@pytest.mark.parametrize("n_shots", [1, 4])
def test_the_ghost_of_delay_and_phase_goes(n_shots):
    faults = {"odd_even_phase_rad": 0.6, "gradient_delay_us": 1.5, "n_shots": n_shots}
    clean = epi_image(epi_scan(n_shots=n_shots))
    ghosted = epi_image(epi_scan(**faults), epi_phase_correction="off")
    aligned = epi_image(epi_scan(**faults))
    assert error(ghosted, clean) > 0.2
    assert error(aligned, clean) ** 2 < 0.02 * error(ghosted, clean) ** 2  # fiftyfold in energy
