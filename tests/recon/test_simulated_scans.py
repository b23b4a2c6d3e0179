"""Radial and spiral images of the simulator's closed-form samples, against its Cartesian grid."""

from dataclasses import replace

import numpy as np
import pytest

from messages import READOUT, Encoding, EncodingLimit, Frame, FrameKey, Pose, SessionHeader
from recon import METHODS, ReconstructionSettings, plan
from simulators.scan import Scan
from simulators.sequences.radial import Radial
from simulators.sequences.spiral import Spiral
from tests.recon.nonuniform import calibrate, nrmse, reconstruct

N, N_COILS = 64, 4
MATRIX = {"matrix": (N, N), "fov_mm": (240.0, 240.0)}
SCANS = {
    "radial": Radial(**MATRIX, spokes_per_frame=128, trajectory_unit="1/m"),
    "late": Radial(**MATRIX, spokes_per_frame=128, delay_samples=(0.7, 0.7)),
    "spiral": Spiral(**MATRIX, n_arms=16),
}


def still(planned):
    """No decay of the phase along the readout: it would blur, which is not what is tested."""
    return replace(planned, since_excitation_s=planned.echo_time_s)


def simulated(name):
    sequence = SCANS[name]
    scan = Scan(sequence, n_coils=N_COILS)
    planned = [still(one) for one in sequence.readouts() if one.frame == 0]
    rows = np.zeros(len(planned), READOUT)
    for field in ("kspace_encode_step_1", "repetition"):
        rows[field] = [one.counter(field) for one in planned]
    rows["n_samples"] = sequence.n_samples
    rows["center_sample"] = [one.center_sample for one in planned]
    samples = np.stack([scan.samples(one) for one in planned])
    trajectory = np.stack([one.trajectory for one in planned])
    encoding = Encoding(
        sequence.encoded_matrix,
        (N, N, 1),
        sequence.encoded_fov_mm,
        (240.0, 240.0, 3.0),
        sequence.trajectory_name,
        kspace_encoding_step_1=EncodingLimit(0, len(planned) - 1, 0),
    )
    frame = Frame(0, FrameKey(), rows, samples, 0.0, Pose(), True, trajectory)
    return scan, planned, encoding, frame


def band_limited(scan, planned):
    """The coils' images from the same disc of k-space on a Cartesian grid: (coil, y, x)."""
    k_y, k_x = np.mgrid[:N, :N] - N // 2
    k_per_mm = np.stack([k_x, k_y, 0 * k_x], axis=-1).reshape(-1, 3) / 240.0
    on_grid = replace(planned[0], k_per_mm=k_per_mm)
    kspace = scan.samples(on_grid).reshape(N_COILS, N, N) * (np.hypot(k_y, k_x) <= N / 2)
    shifted = np.fft.ifftshift(kspace, axes=(1, 2))
    return np.fft.fftshift(np.fft.ifft2(shifted, norm="ortho"), axes=(1, 2))


def method_of(name, encoding, frame, **settings):
    made = plan(
        SessionHeader(b"", (encoding,)),
        n_coils=N_COILS,
        n_samples=frame.samples.shape[2],
        settings=ReconstructionSettings(**settings),
    )
    return METHODS[name](made)


def in_view(image):
    """Where spokes and arms that lie 1 / FOV apart leave no alias: the disc in the square."""
    y, x = np.mgrid[:N, :N] - N // 2
    return image[..., np.hypot(y, x) < 0.42 * N]


@pytest.mark.parametrize(("name", "limit"), [("radial", 0.02), ("spiral", 0.05), ("late", 0.025)])
def test_gridding_agrees_with_the_phantom_within_its_gibbs_error(name, limit):
    scan, planned, encoding, frame = simulated(name)
    delay = "ring" if name == "late" else "off"
    method = method_of("nufft", encoding, frame, gradient_delay=delay)
    calibration = calibrate(method, frame)
    image = reconstruct(method, frame, calibration)
    truth = band_limited(scan, planned)
    truth, pixels = in_view(truth), in_view(image.coil_pixels[:, 0])
    assert nrmse(pixels, truth) < limit
    assert abs(np.vdot(truth, pixels) / np.vdot(truth, truth) - 1) < 0.02
    combined = (in_view(calibration.maps.weights[:, 0]) * truth).sum(0)
    bright = np.abs(combined) > 0.2 * np.abs(combined).max()
    phase_rad = np.angle(in_view(image.pixels[0]) * combined.conj())
    assert np.abs(phase_rad)[bright].mean() < 0.03


@pytest.mark.parametrize(("name", "limit"), [("radial", 0.06), ("spiral", 0.05)])
def test_cg_sense_agrees_with_the_phantom(name, limit):
    scan, planned, encoding, frame = simulated(name)
    method = method_of("cg-sense", encoding, frame)
    calibration = calibrate(method, frame)
    image = reconstruct(method, frame, calibration).pixels[0]
    truth = (calibration.maps.weights[:, 0] * band_limited(scan, planned)).sum(0)
    # maps of low resolution do not explain the coils to the last percent at the body's rim
    assert nrmse(in_view(image), in_view(truth)) < limit
