"""Laws that every reconstruction method obeys."""

import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import READOUT, Encoding, EncodingLimit, Frame, FrameKey, Pose, SessionHeader
from messages.acquisition import PARALLEL_CALIBRATION_AND_IMAGING
from recon import METHODS, plan, whitening_from_noise
from tests.recon.devices import AT_HAND, METHODS_THERE

N_COILS, N_KX, N_KY, N_X, N_Y = 3, 48, 32, 24, 30
FOV_MM = (24.0, 30.0, 5.0)
ACCELERATED = {"grappa", "sense", "l1-wavelet"}
OFF_THE_GRID = {"nufft", "cg-sense"}
NOT_LINEAR = {"l1-wavelet"}
N_SPOKES = 40
ROUNDING = 2e-6  # of the largest pixel: a few float32 roundings
# solvers repeat roundings, and gridding adds thousands of samples into one cell
LOOSE_ROUNDING = 1e-4
MAPS_ROUNDING = 1e-5  # maps made of the frame itself round differently where it is turned

EVERYWHERE = [*METHODS, *(f"{name} on {device}" for name in METHODS_THERE for device in AT_HAND)]
methods = pytest.mark.parametrize("name", sorted(EVERYWHERE))


def make_method(name):
    """Readouts oversampled twice; accelerated twice where the method can; spokes off the grid."""
    name, _, device = name.partition(" on ")
    is_radial = name in OFF_THE_GRID
    encoded = (N_KX, N_X, 1) if is_radial else (N_KX, N_KY, 1)
    recon = (N_X, N_X, 1) if is_radial else (N_X, N_Y, 1)
    recon_fov_mm = (24.0, 24.0, 5.0) if is_radial else FOV_MM
    encoded_fov_mm = (48.0, 24.0, 5.0) if is_radial else (48.0, 32.0, 5.0)
    n_lines = N_SPOKES if is_radial else N_KY
    encoding = Encoding(
        encoded,
        recon,
        encoded_fov_mm,
        recon_fov_mm,
        "radial" if is_radial else "cartesian",
        kspace_encoding_step_1=EncodingLimit(0, n_lines - 1, n_lines // 2),
        acceleration=(2, 1) if name in ACCELERATED else (1, 1),
        calibration_mode="embedded" if name in ACCELERATED else "",
    )
    rng = np.random.default_rng(7)
    noise = complex_noise(rng, (N_COILS, 500))
    whitening = whitening_from_noise(
        noise,
        noise_sample_time_us=5.0,
        acquisition_sample_time_us=10.0,
        relative_receiver_noise_bandwidth=0.79,
    )
    header = SessionHeader(b"", (encoding,))
    planned = plan(header, n_coils=N_COILS, n_samples=N_KX, whitening=whitening)
    return METHODS[name](planned, AT_HAND[device]()) if device else METHODS[name](planned)


def complex_noise(rng, shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def coil_kspace(seed, ky, kx):
    """A patient of three Gaussians behind smooth coils, at any frequency: (coil, *shape).

    ky, kx: cycles per field of view of the image. A Gaussian times a plane wave, and the whole
    times a coil that is a mixture of plane waves, have their transform in closed form.
    """
    rng = np.random.default_rng(seed)
    total = np.zeros((N_COILS, *ky.shape), complex)
    waves = rng.uniform(-1, 1, (N_COILS, 3, 2))
    weights = complex_noise(rng, (N_COILS, 3))
    for _ in range(3):
        y, x = rng.uniform(-0.2, 0.2, 2)
        width, weight = rng.uniform(0.06, 0.12), rng.uniform(0.5, 1) * np.exp(2j * rng.random())
        for coil in range(N_COILS):
            for (wave_y, wave_x), part in zip(waves[coil], weights[coil], strict=True):
                v, u = ky - wave_y, kx - wave_x
                size = np.exp(-2 * (np.pi * width) ** 2 * (u**2 + v**2))
                total[coil] += part * weight * size * np.exp(-2j * np.pi * (v * y + u * x))
    return 100 * total


def make_frame(name, seed):
    name = name.partition(" on ")[0]
    rng = np.random.default_rng(seed)
    kx = (np.arange(N_KX) - N_KX // 2) / 2  # the readout spans twice the image
    if name in OFF_THE_GRID:
        angle = np.arange(N_SPOKES) * np.pi * (np.sqrt(5) - 1) / 2
        trajectory = np.stack([np.outer(np.cos(angle), kx), np.outer(np.sin(angle), kx)], -1)
        rows = np.zeros(N_SPOKES, READOUT)
        rows["kspace_encode_step_1"] = np.arange(N_SPOKES)
        kspace = coil_kspace(seed, trajectory[..., 1], trajectory[..., 0])
        trajectory = trajectory.astype(np.float32)
    else:
        lines, trajectory = np.arange(N_KY), None
        if name in ACCELERATED:
            lines = lines[(lines % 2 == 0) | (np.abs(lines - N_KY // 2) <= 8)]
        rows = np.zeros(len(lines), READOUT)
        rows["kspace_encode_step_1"] = rng.permutation(lines)
        is_central = np.abs(rows["kspace_encode_step_1"] - N_KY // 2) <= 8
        if name in ACCELERATED:
            rows["flags"][is_central] = PARALLEL_CALIBRATION_AND_IMAGING
        ky = (rows["kspace_encode_step_1"] - N_KY // 2) * (FOV_MM[1] / 32.0)
        kspace = coil_kspace(seed, *np.broadcast_arrays(ky[:, None], kx))
    rows["n_samples"], rows["center_sample"] = N_KX, N_KX // 2
    samples = kspace.transpose(1, 0, 2) + complex_noise(rng, (len(rows), N_COILS, N_KX))
    samples = np.ascontiguousarray(samples, np.complex64)
    return Frame(0, FrameKey(), rows, samples, 0.0, Pose(), True, trajectory)


def with_samples(frame, samples):
    samples = samples.astype(np.complex64)
    return replace(frame, samples=samples)


def absorb(method, partial, frame, part):
    trajectory = None if frame.trajectory is None else frame.trajectory[part]
    return method.absorb(partial, frame.readouts[part], frame.samples[part], trajectory)


def absorb_all(method, frame):
    return absorb(method, method.start(), frame, slice(None))


def reconstruct(method, frame, calibration=None):
    return method.finish(absorb_all(method, frame), frame, calibration)


def calibrate(method, frame):
    return method.calibrate(absorb_all(method, frame), frame)


def assert_close(name, actual, expected, *, rounding=ROUNDING):
    rounding = rounding if name == "fft" else LOOSE_ROUNDING
    assert np.abs(actual - expected).max() <= rounding * np.abs(expected).max()


def noise_std(image):
    return None if image.noise_std is None else np.asarray(image.noise_std)


@methods
def test_linear_with_a_fixed_calibration(name):
    if name in NOT_LINEAR:
        pytest.skip("thresholding wavelets is not linear, and its docstring says so")
    method, one, two = make_method(name), make_frame(name, 1), make_frame(name, 1)
    rng = np.random.default_rng(2)
    two = with_samples(two, two.samples + complex_noise(rng, two.samples.shape))
    fixed = calibrate(method, one)
    both = with_samples(one, 2 * one.samples - 0.5j * two.samples)
    expected = (
        2 * reconstruct(method, one, fixed).pixels - 0.5j * reconstruct(method, two, fixed).pixels
    )
    assert_close(name, reconstruct(method, both, fixed).pixels, expected)


@methods
@pytest.mark.parametrize("is_calibrated", [True, False])
@given(phase_rad=st.floats(-10, 10))
@settings(max_examples=10, deadline=None)
def test_a_global_phase_passes_through(name, is_calibrated, phase_rad):
    method, frame = make_method(name), make_frame(name, 3)
    fixed = calibrate(method, frame) if is_calibrated else None
    before = reconstruct(method, frame, fixed)
    turned = with_samples(frame, np.exp(1j * phase_rad) * frame.samples)
    after = reconstruct(method, turned, fixed)
    rounding = ROUNDING if is_calibrated else MAPS_ROUNDING
    assert_close(name, after.pixels, np.exp(1j * phase_rad) * before.pixels, rounding=rounding)
    if before.coil_pixels is not None:
        assert_close(name, after.coil_pixels, np.exp(1j * phase_rad) * before.coil_pixels)


@methods
def test_input_is_not_touched(name):
    method, frame = make_method(name), make_frame(name, 4)
    samples, readouts = frame.samples.copy(), frame.readouts.copy()
    frame.samples.flags.writeable = frame.readouts.flags.writeable = False
    if frame.trajectory is not None:
        frame.trajectory.flags.writeable = False
    reconstruct(method, frame, calibrate(method, frame))
    np.testing.assert_array_equal(frame.samples, samples)
    np.testing.assert_array_equal(frame.readouts, readouts)


@methods
def test_deterministic(name):
    images = []
    for _ in range(2):
        method, frame = make_method(name), make_frame(name, 5)
        images.append(reconstruct(method, frame, calibrate(method, frame)))
    np.testing.assert_array_equal(images[0].pixels, images[1].pixels)
    np.testing.assert_array_equal(noise_std(images[0]), noise_std(images[1]))


@methods
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_batching_changes_no_bit(name, data):
    method, frame = make_method(name), make_frame(name, 6)
    fixed = calibrate(method, frame)
    n_readouts = len(frame.readouts)
    cuts = data.draw(st.sets(st.integers(1, n_readouts - 1)))
    partial = method.start(fixed)
    for first, last in pairwise([0, *sorted(cuts), n_readouts]):
        partial = absorb(method, partial, frame, slice(first, last))
    batched = method.finish(partial, frame, fixed)
    whole = absorb(method, method.start(fixed), frame, slice(None))
    np.testing.assert_array_equal(batched.pixels, method.finish(whole, frame, fixed).pixels)


@methods
def test_a_calibration_known_from_the_start_makes_the_same_image(name):
    method, frame = make_method(name), make_frame(name, 6)
    fixed = calibrate(method, frame)
    early = absorb(method, method.start(fixed), frame, slice(None))
    late = absorb_all(method, frame)
    image = method.finish(late, frame, fixed)
    assert_close(name, method.finish(early, frame, fixed).pixels, image.pixels)
    assert image.is_complete


@methods
def test_a_calibration_survives_its_checkpoint(name):
    method, frame = make_method(name), make_frame(name, 6)
    fixed = calibrate(method, frame)
    restored = pickle.loads(pickle.dumps(fixed))
    assert restored.is_ready
    np.testing.assert_array_equal(
        reconstruct(make_method(name), frame, restored).pixels,
        reconstruct(method, frame, fixed).pixels,
    )


@methods
def test_a_recycled_partial_is_as_good_as_new(name):
    method, one, two = make_method(name), make_frame(name, 7), make_frame(name, 8)
    fixed = calibrate(method, one)
    used = absorb(method, method.start(fixed), one, slice(None))
    first = method.finish(used, one, fixed)
    kept = first.pixels.copy()
    half = slice(0, len(two.readouts) // 2)
    recycled = absorb(method, method.start(fixed, used), two, half)
    fresh = absorb(method, method.start(fixed), two, half)
    recycled_image, fresh_image = (method.finish(one, two, fixed) for one in (recycled, fresh))
    np.testing.assert_array_equal(recycled_image.pixels, fresh_image.pixels)
    np.testing.assert_array_equal(noise_std(recycled_image), noise_std(fresh_image))
    np.testing.assert_array_equal(first.pixels, kept)


@methods
def test_finish_leaves_the_partial_alone(name):
    method, frame = make_method(name), make_frame(name, 9)
    fixed, partial = calibrate(method, frame), absorb_all(method, frame)
    first, second = (method.finish(partial, frame, fixed) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, second.pixels)


@methods
def test_an_incomplete_frame_teaches_nothing(name):
    method, frame = make_method(name), make_frame(name, 9)
    partial = absorb_all(method, frame)
    learned = method.calibrate(partial, replace(frame, is_complete=False))
    assert learned is None or not learned.is_ready


@methods
def test_nan_never_becomes_a_number(name):
    method, frame = make_method(name), make_frame(name, 9)
    fixed = calibrate(method, frame)
    samples = frame.samples.copy()
    samples[3, 1, N_KX // 2] = np.nan
    spoilt = with_samples(frame, samples)
    assert not np.isfinite(reconstruct(method, spoilt, fixed).pixels).all()
    learned = calibrate(method, spoilt)
    assert learned is None or not learned.is_ready


@methods
def test_an_image_is_read_only_and_names_its_frame(name):
    method, frame = make_method(name), make_frame(name, 10)
    image = reconstruct(method, frame, calibrate(method, frame))
    assert image.pixels.shape == method.plan.image_shape
    assert image.pixels.dtype == np.complex64
    assert not image.pixels.flags.writeable
    if image.coil_pixels is not None:
        assert image.coil_pixels.shape == (N_COILS, *method.plan.image_shape)
        assert image.coil_pixels.dtype == np.complex64
        assert not image.coil_pixels.flags.writeable
    if np.ndim(image.noise_std):
        assert image.noise_std.shape == method.plan.image_shape
    assert (image.frame_id, image.key) == (0, frame.key)
    assert image.fov_mm == method.plan.recon_fov_mm
