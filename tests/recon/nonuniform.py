"""Radial and spiral sessions from exact non-uniform sums, without the code under test."""

from dataclasses import dataclass

import numpy as np

from messages import READOUT, Encoding, EncodingLimit, Frame, FrameKey, Pose, SessionHeader
from recon import ReconstructionSettings, Whitening, plan

GOLDEN = np.pi * (np.sqrt(5) - 1) / 2
N, N_COILS, N_SPOKES, N_SAMPLES = 32, 3, 21, 64


def nudft(image, coord):
    """Σ x e^{-2πi k·r/n} / √n of each coil (coil, y, x) at (y, x) in cycles (point, 2)."""
    n_y, n_x = image.shape[-2:]
    y, x = np.arange(n_y) - n_y // 2, np.arange(n_x) - n_x // 2
    turn_y = np.exp(-2j * np.pi / n_y * np.outer(coord[:, 0], y))
    turn_x = np.exp(-2j * np.pi / n_x * np.outer(coord[:, 1], x))
    return np.einsum("py,px,cyx->cp", turn_y, turn_x, image, optimize=True) / np.sqrt(n_y * n_x)


def nudft_adjoint(samples, coord, shape):
    """The adjoint of `nudft` on samples (coil, point)."""
    n_y, n_x = shape
    y, x = np.arange(n_y) - n_y // 2, np.arange(n_x) - n_x // 2
    turn_y = np.exp(2j * np.pi / n_y * np.outer(coord[:, 0], y))
    turn_x = np.exp(2j * np.pi / n_x * np.outer(coord[:, 1], x))
    return np.einsum("py,px,cp->cyx", turn_y, turn_x, samples, optimize=True) / np.sqrt(n_y * n_x)


def spokes(first, n_spokes=N_SPOKES, n=N, n_samples=N_SAMPLES):
    """Golden-angle spokes, oversampled twice: (y, x) in cycles, (spoke, sample, 2)."""
    angle = (first + np.arange(n_spokes)) * GOLDEN
    radius = (np.arange(n_samples) - n_samples // 2) * n / n_samples
    return np.stack([np.outer(np.sin(angle), radius), np.outer(np.cos(angle), radius)], axis=-1)


def spiral(turn=0.0, n_arms=8, n=N, n_samples=600):
    """Archimedean arms, a little closer than Nyquist asks, to the disc's edge: (arm, sample, 2)."""
    radius = np.linspace(0, n / 2, n_samples)
    angle = 2 * np.pi * (radius / (0.75 * n_arms) + np.arange(n_arms)[:, None] / n_arms) + turn
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=-1)


def body(n=N, n_coils=N_COILS):
    """Coil images (coil, y, x) of a body with an insert, smooth phase."""
    y, x = (np.mgrid[:n, :n] - n // 2) / (n / 2)
    object_ = ((x / 0.7) ** 2 + (y / 0.8) ** 2 < 1) + 0.5 * ((x - 0.2) ** 2 + (y + 0.1) ** 2 < 0.06)
    around = 2 * np.pi * np.arange(n_coils)[:, None, None] / n_coils
    far = (x - 0.8 * np.cos(around)) ** 2 + (y - 0.8 * np.sin(around)) ** 2
    return object_ * np.exp(-far / 0.9 + 1j * (0.2 * around + 0.6 * x))


@dataclass(frozen=True)
class Session:
    plan: object
    coord: list
    frames: list


def session(
    coords,
    *,
    image=None,
    settings=None,
    unit=1.0,
    trajectory="radial",
    encoded=None,
    n=N,
    noise_std=0.0,
    counters=True,
    rows=(),
    whitening=None,
):
    """Frames of `image` sampled at coords (one array (readout, sample, 2) a frame)."""
    image = body(n) if image is None else image
    n_coils = len(image)
    n_readouts, n_samples = coords[0].shape[:2]
    encoded = encoded or n_samples
    fov = 2.0 * n
    encoding = Encoding(
        (encoded, encoded, 1),
        (n, n, 1),
        (fov * encoded / n, fov * encoded / n, 5.0),
        (fov, fov, 5.0),
        trajectory,
        kspace_encoding_step_1=EncodingLimit(0, n_readouts - 1, 0) if counters else None,
    )
    rng = np.random.default_rng(5)
    frames = []
    for number, coord in enumerate(coords):
        samples = nudft(image, coord.reshape(-1, 2)).reshape(n_coils, n_readouts, n_samples)
        samples = samples.transpose(1, 0, 2) + noise_std * unit_noise(
            rng, (*coord.shape[:1], n_coils, n_samples)
        )
        table = np.zeros(n_readouts, READOUT)
        table["kspace_encode_step_1"] = np.arange(n_readouts)
        table["repetition"] = number
        table["n_samples"], table["center_sample"] = n_samples, n_samples // 2
        for name, values in rows:
            table[name] = values
        brought = np.ascontiguousarray(unit * coord[..., ::-1], np.float32)
        frames.append(
            Frame(
                number,
                FrameKey(repetition=number),
                table,
                np.ascontiguousarray(samples, np.complex64),
                0.0,
                Pose(),
                True,
                trajectory=brought,
            )
        )
    the_plan = plan(
        SessionHeader(b"", (encoding,)),
        n_coils=n_coils,
        n_samples=n_samples,
        settings=settings or ReconstructionSettings(trajectory="header"),
        whitening=whitening,
    )
    return Session(the_plan, coords, frames)


def unit_noise(rng, shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)


def no_whitening(n_coils=N_COILS):
    return Whitening(np.eye(n_coils, dtype=np.complex64), 1.0, 1000)


def absorb(method, frame, calibration=None, **more):
    start = method.start(calibration, **more)
    return method.absorb(start, frame.readouts, frame.samples, frame.trajectory)


def calibrate(method, frame):
    return method.calibrate(absorb(method, frame), frame)


def reconstruct(method, frame, calibration=None):
    return method.finish(absorb(method, frame, calibration), frame, calibration)


def nrmse(actual, expected):
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))
