"""A patient under surface coils, and frames of it that leave lines out."""

import numpy as np

from messages import READOUT, Encoding, EncodingLimit, Frame, FrameKey, Pose, SessionHeader
from messages.acquisition import PARALLEL_CALIBRATION, PARALLEL_CALIBRATION_AND_IMAGING
from recon import METHODS, ReconstructionSettings, plan, whitening_from_noise

N, N_COILS = 64, 8
CENTER = N // 2
EMBEDDED = range(CENTER - 12, CENTER + 12)
Y, X = np.mgrid[:N, :N] - N // 2
NOISE_DWELL_US = 5.0


def coil_sensitivities(n_coils=N_COILS):
    """Smooth complex maps (coil, y, x) of coils on a ring around the patient."""
    angles = 2 * np.pi * np.arange(n_coils)[:, None, None] / n_coils
    away_y, away_x = Y / (N / 2) - 1.1 * np.sin(angles), X / (N / 2) - 1.1 * np.cos(angles)
    return np.exp(-(away_y**2 + away_x**2) / 0.7 + 1j * (angles + 0.8 * away_x - 0.5 * away_y))


def patient(heat_rad=0.0):
    """A body with structure and smooth phase (y, x); heat turns the phase of a spot."""
    body = 1 / (1 + np.exp(3 * (np.hypot(Y / 1.15, X) - 0.36 * N)))
    organs = sum(
        a * np.exp(-((Y - y) ** 2 + (X - x) ** 2) / (2 * s * s))
        for y, x, s, a in ((-9, 4, 3.0, 0.6), (8, -8, 4.0, -0.5), (12, 10, 2.0, 0.7))
    )
    spot = heat_rad * np.exp(-((Y - 4) ** 2 + (X - 5) ** 2) / (2 * 3.0**2))
    return body * (1 + organs) * np.exp(1j * (0.02 * X - 0.015 * Y + spot))


def kspace(image, coils=None):
    """Centred orthonormal FFT of coil images, (coil, ky, kx)."""
    coils = coil_sensitivities() if coils is None else coils
    shifted = np.fft.ifftshift(coils * image, axes=(-2, -1))
    return np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1)).astype(np.complex64)


def make_method(name, *, acceleration=2, mode="", whitening=None, n_coils=N_COILS, **settings):
    limit = EncodingLimit(0, N - 1, CENTER)
    size, fov_mm = (N, N, 1), (2.0 * N, 2.0 * N, 5.0)
    encoding = Encoding(
        size, size, fov_mm, fov_mm, "cartesian", limit,
        acceleration=(acceleration, 1), calibration_mode=mode,
    )  # fmt: skip
    the_plan = plan(
        SessionHeader(b"", (encoding,)),
        n_coils=n_coils,
        n_samples=N,
        whitening=whitening,
        settings=ReconstructionSettings(**settings),
    )
    return METHODS[name](the_plan)


def lines_of(mode, acceleration=2, offset=0):
    """(line, flags) of a frame: a lattice, and what the mode of calibration adds."""
    lattice = range(offset, N, acceleration)
    if mode == "interleaved":
        return [(line, 0) for line in lattice]
    if mode == "separate":
        return [(line, PARALLEL_CALIBRATION) for line in EMBEDDED] + [(line, 0) for line in lattice]
    if mode == "unflagged":
        return [(line, 0) for line in sorted({*lattice, *EMBEDDED})]
    imaging = [(y, PARALLEL_CALIBRATION_AND_IMAGING if y in EMBEDDED else 0) for y in lattice]
    between = [(y, PARALLEL_CALIBRATION) for y in EMBEDDED if y not in lattice]
    return sorted(imaging + between)  # embedded as Siemens flags it


def make_frame(data, lines, **columns):
    """A frame of k-space (coil, ky, kx), its readouts in the order of `lines`."""
    rows = np.zeros(len(lines), READOUT)
    rows["kspace_encode_step_1"] = [line for line, _ in lines]
    rows["flags"] = [flags for _, flags in lines]
    rows["n_samples"], rows["center_sample"] = N, N // 2
    for name, values in columns.items():
        rows[name] = values
    samples = np.ascontiguousarray(data[:, [line for line, _ in lines]].transpose(1, 0, 2))
    return Frame(0, FrameKey(), rows, samples.astype(np.complex64), 0.0, Pose(), True)


def absorbed(method, frame, calibration=None):
    return method.absorb(method.start(calibration), frame.readouts, frame.samples)


def calibrated(method, frame, calibration=None):
    return method.calibrate(absorbed(method, frame, calibration), frame, calibration)


def reconstructed(method, frame, calibration=None):
    return method.finish(absorbed(method, frame, calibration), frame, calibration)


def complex_noise(rng, *shape):
    """E|n|² = 1."""
    noise = rng.standard_normal((2, *shape)) / np.sqrt(2)
    return (noise[0] + 1j * noise[1]).astype(np.complex64)


def unit_whitening(rng, n_coils=N_COILS):
    return whitening_from_noise(
        complex_noise(rng, n_coils, 200000),
        noise_sample_time_us=NOISE_DWELL_US,
        acquisition_sample_time_us=NOISE_DWELL_US,
        relative_receiver_noise_bandwidth=None,
    )


def image_of_all_lines():
    """What the patient looks like where no line is missing: coil images, and their combination."""
    method = make_method("fft", acceleration=1)
    frame = make_frame(kspace(patient()), [(line, 0) for line in range(N)])
    return reconstructed(method, frame, calibrated(method, frame))


def error(image, truth):
    """Against the image of all lines; both carry the virtual coil's phase."""
    turn = np.vdot(image.pixels, truth.pixels)
    difference = image.pixels * (turn / abs(turn)) - truth.pixels
    return np.linalg.norm(difference) / np.linalg.norm(truth.pixels)
