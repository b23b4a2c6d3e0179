"""Laws that every reconstruction method obeys."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import READOUT, Encoding, EncodingLimit, Frame, FrameKey, Pose, SessionHeader
from recon import METHODS, plan, whitening_from_noise

N_COILS, N_KX, N_KY, N_X, N_Y = 3, 24, 10, 12, 9
ROUNDING = 2e-6  # of the largest pixel: a few float32 roundings

methods = pytest.mark.parametrize("name", sorted(METHODS))


def make_method(name):
    encoding = Encoding(
        (N_KX, N_KY, 1),
        (N_X, N_Y, 1),
        (48.0, 20.0, 5.0),
        (24.0, 18.0, 5.0),
        "cartesian",
        kspace_encoding_step_1=EncodingLimit(0, N_KY - 1, N_KY // 2),
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
    return METHODS[name](plan(header, n_coils=N_COILS, n_samples=N_KX, whitening=whitening))


def complex_noise(rng, shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def make_frame(seed):
    rng = np.random.default_rng(seed)
    rows = np.zeros(N_KY, READOUT)
    rows["kspace_encode_step_1"] = rng.permutation(N_KY)
    rows["n_samples"], rows["center_sample"] = N_KX, N_KX // 2
    samples = complex_noise(rng, (N_KY, N_COILS, N_KX))
    # A patient: without signal the virtual coil has nulls, where rounding errors grow.
    samples[rows["kspace_encode_step_1"] == N_KY // 2, :, N_KX // 2] += 40 + 20j
    return Frame(0, FrameKey(), rows, samples, 0.0, Pose(), True)


def with_samples(frame, samples):
    samples = samples.astype(np.complex64)
    return Frame(0, frame.key, frame.readouts, samples, 0.0, frame.pose, True)


def absorb_all(method, frame):
    return method.absorb(method.start(), frame.readouts, frame.samples)


def reconstruct(method, frame, calibration=None):
    return method.finish(absorb_all(method, frame), frame, calibration)


def calibrate(method, frame):
    return method.calibrate(absorb_all(method, frame), frame)


def assert_close(actual, expected):
    assert np.abs(actual - expected).max() <= ROUNDING * np.abs(expected).max()


@methods
def test_linear_with_fixed_maps(name):
    method, one, two = make_method(name), make_frame(1), make_frame(2)
    maps = calibrate(method, one)
    both = with_samples(one, 2 * one.samples - 0.5j * two.samples)
    two = with_samples(one, two.samples)
    expected = (
        2 * reconstruct(method, one, maps).pixels - 0.5j * reconstruct(method, two, maps).pixels
    )
    assert_close(reconstruct(method, both, maps).pixels, expected)


@methods
@pytest.mark.parametrize("are_maps_fixed", [True, False])
@given(phase_rad=st.floats(-10, 10))
@settings(max_examples=20, deadline=None)
def test_a_global_phase_passes_through(name, are_maps_fixed, phase_rad):
    method, frame = make_method(name), make_frame(3)
    before = reconstruct(method, frame)
    maps = calibrate(method, frame) if are_maps_fixed else None
    turned = with_samples(frame, np.exp(1j * phase_rad) * frame.samples)
    after = reconstruct(method, turned, maps)
    assert_close(after.pixels, np.exp(1j * phase_rad) * before.pixels)
    assert_close(after.coil_pixels, np.exp(1j * phase_rad) * before.coil_pixels)


@methods
def test_input_is_not_touched(name):
    method, frame = make_method(name), make_frame(4)
    samples, readouts = frame.samples.copy(), frame.readouts.copy()
    frame.samples.flags.writeable = frame.readouts.flags.writeable = False
    reconstruct(method, frame)
    np.testing.assert_array_equal(frame.samples, samples)
    np.testing.assert_array_equal(frame.readouts, readouts)


@methods
def test_deterministic(name):
    one = reconstruct(make_method(name), make_frame(5))
    two = reconstruct(make_method(name), make_frame(5))
    np.testing.assert_array_equal(one.pixels, two.pixels)
    np.testing.assert_array_equal(one.coil_pixels, two.coil_pixels)


@methods
@given(cuts=st.sets(st.integers(1, N_KY - 1)))
@settings(max_examples=25, deadline=None)
def test_batching_changes_no_bit(name, cuts):
    method, frame = make_method(name), make_frame(6)
    partial = method.start()
    edges = [0, *sorted(cuts), N_KY]
    for first, last in pairwise(edges):
        partial = method.absorb(partial, frame.readouts[first:last], frame.samples[first:last])
    batched = method.finish(partial, frame)
    np.testing.assert_array_equal(batched.pixels, reconstruct(method, frame).pixels)


@methods
def test_a_recycled_partial_is_as_good_as_new(name):
    method, one, two = make_method(name), make_frame(7), make_frame(8)
    used = absorb_all(method, one)
    first = method.finish(used, one)
    kept = first.coil_pixels.copy()
    half = slice(0, N_KY // 2)
    recycled = method.absorb(method.start(recycled=used), two.readouts[half], two.samples[half])
    fresh = method.absorb(method.start(), two.readouts[half], two.samples[half])
    recycled_image, fresh_image = method.finish(recycled, two), method.finish(fresh, two)
    np.testing.assert_array_equal(recycled_image.pixels, fresh_image.pixels)
    assert recycled_image.noise_std == fresh_image.noise_std
    np.testing.assert_array_equal(first.coil_pixels, kept)


@methods
def test_finish_leaves_the_partial_alone(name):
    method, frame = make_method(name), make_frame(9)
    partial = absorb_all(method, frame)
    first, second = method.finish(partial, frame), method.finish(partial, frame)
    np.testing.assert_array_equal(first.coil_pixels, second.coil_pixels)


@methods
def test_an_image_is_read_only_and_names_its_frame(name):
    method, frame = make_method(name), make_frame(10)
    image = reconstruct(method, frame)
    assert image.pixels.shape == method.plan.image_shape
    assert image.coil_pixels.shape == (N_COILS, *method.plan.image_shape)
    assert not image.pixels.flags.writeable
    assert not image.coil_pixels.flags.writeable
    assert image.pixels.dtype == image.coil_pixels.dtype == np.complex64
    assert (image.frame_id, image.key, image.fov_mm) == (0, frame.key, (24.0, 18.0, 5.0))
