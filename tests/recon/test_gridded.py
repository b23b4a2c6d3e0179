"""Radial and spiral images by one weighted adjoint."""

import dataclasses
import pickle
from itertools import pairwise

import finufft
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.acquisition import NOISE_MEASUREMENT
from recon import ReconstructionSettings, whitening_from_noise
from recon.cg_sense import CGSense
from recon.density import density
from recon.gridded import GriddedNUFFT
from tests.recon.nonuniform import (
    N_COILS,
    N_SAMPLES,
    N_SPOKES,
    N,
    absorb,
    body,
    calibrate,
    no_whitening,
    nrmse,
    nudft_adjoint,
    reconstruct,
    session,
    spiral,
    spokes,
    unit_noise,
)

ENOUGH = 55  # spokes that sample the disc of 32 pixels fully
GOLDEN = ReconstructionSettings(trajectory="golden-angle", iterations=4)
BROUGHT = ReconstructionSettings(trajectory="header", iterations=4)
methods = pytest.mark.parametrize("method_class", [GriddedNUFFT, CGSense])
sources = pytest.mark.parametrize("how", [GOLDEN, BROUGHT], ids=["computed", "brought"])
ROUNDING = 1e-4  # 0.1 mrad: float32 in the grid's corners, and going round in iterations


def radial(how=GOLDEN, **more):
    return session([spokes(0), spokes(N_SPOKES)], settings=how, **more)


def with_samples(frame, samples):
    return dataclasses.replace(frame, samples=samples.astype(np.complex64))


@pytest.mark.parametrize("coord", [spokes(3), spiral()], ids=["radial", "spiral"])
def test_it_is_the_adjoint_of_the_weighted_samples(coord):
    one = session([coord], trajectory="spiral", encoded=N)
    image = reconstruct(GriddedNUFFT(one.plan), one.frames[0])
    areas = np.concatenate(density([c.astype(np.float32) for c in coord]))
    weighted = areas * one.frames[0].samples.transpose(1, 0, 2).reshape(N_COILS, -1)
    flat = coord.reshape(-1, 2)
    exact = nudft_adjoint(weighted, flat, (N, N))
    assert nrmse(image.coil_pixels[:, 0], exact) < 1e-3
    y, x = np.ascontiguousarray((2 * np.pi / N * flat).T)
    theirs = (
        finufft.nufft2d1(y, x, np.ascontiguousarray(weighted, complex), (N, N), isign=1, eps=1e-9)
        / N
    )
    assert nrmse(image.coil_pixels[:, 0], theirs) < 3e-3


@pytest.mark.parametrize("coord", [spokes(0, ENOUGH), spiral()], ids=["radial", "spiral"])
def test_a_fully_sampled_disc_has_the_scale_of_an_inverse_fft(coord):
    one = session([coord], trajectory="spiral", encoded=N)
    pixels = reconstruct(GriddedNUFFT(one.plan), one.frames[0]).coil_pixels[:, 0]
    k_y, k_x = np.mgrid[:N, :N] - N // 2
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(body(), axes=(1, 2))), axes=(1, 2))
    inside = spectrum * (np.hypot(k_y, k_x) <= N / 2)
    truth = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(inside, axes=(1, 2))), axes=(1, 2))
    assert abs(np.vdot(truth, pixels) / np.vdot(truth, truth) - 1) < 0.02
    assert nrmse(pixels, truth) < 0.06


@sources
@methods
def test_frames_after_the_first_are_spread_as_they_arrive(method_class, how):
    one = radial(how)
    method = method_class(one.plan)
    calibration = calibrate(method, one.frames[0])
    arrived = absorb(method, one.frames[1], calibration)
    assert arrived.is_spread
    early = method.finish(arrived, one.frames[1], calibration)
    late = method.finish(absorb(method, one.frames[1]), one.frames[1], calibration)
    np.testing.assert_array_equal(early.pixels, late.pixels)


def test_a_rotated_spiral_is_spread_as_it_arrives():
    one = session([spiral(), spiral(turn=1.1)], trajectory="spiral", encoded=N)
    method = GriddedNUFFT(one.plan)
    arrived = absorb(method, one.frames[1], calibrate(method, one.frames[0]))
    assert arrived.is_spread
    assert (
        nrmse(
            method.finish(arrived, one.frames[1]).coil_pixels,
            reconstruct(GriddedNUFFT(one.plan), one.frames[1]).coil_pixels,
        )
        < 0.01
    )


def test_another_trajectory_is_weighted_anew():
    one = session([spokes(0), np.concatenate([spokes(50, 10), spokes(9, 11)])])
    method = GriddedNUFFT(one.plan)
    calibration = calibrate(method, one.frames[0])
    arrived = absorb(method, one.frames[1], calibration)
    assert not arrived.is_spread
    actual = method.finish(arrived, one.frames[1], calibration).coil_pixels
    alone = session([one.coord[1]])
    expected = reconstruct(GriddedNUFFT(alone.plan), alone.frames[0]).coil_pixels
    assert nrmse(actual, expected) < 1e-5


@sources
def test_linear_with_a_fixed_calibration(how):
    one, rng = radial(how), np.random.default_rng(8)
    method, frame = GriddedNUFFT(one.plan), one.frames[1]
    calibration = calibrate(method, one.frames[0])
    other = with_samples(frame, 5 * unit_noise(rng, frame.samples.shape))
    both = with_samples(frame, 2 * frame.samples - 0.5j * other.samples)
    parts = [reconstruct(method, f, calibration).pixels for f in (frame, other, both)]
    assert np.abs(parts[2] - (2 * parts[0] - 0.5j * parts[1])).max() < 1e-5 * abs(parts[2]).max()


@methods
@pytest.mark.parametrize("is_calibrated", [True, False])
@given(phase_rad=st.floats(-10, 10))
@settings(max_examples=10, deadline=None)
def test_a_global_phase_passes_through(method_class, is_calibrated, phase_rad):
    one = radial()
    method, frame = method_class(one.plan), one.frames[1]
    calibration = calibrate(method, one.frames[0]) if is_calibrated else None
    before = reconstruct(method, frame, calibration).pixels
    turned = with_samples(frame, np.exp(1j * phase_rad) * frame.samples)
    after = reconstruct(method, turned, calibration).pixels
    inside = np.abs(before) > 0.1 * np.abs(before).max()
    difference = np.abs(after - np.exp(1j * phase_rad) * before)[inside] / np.abs(before).max()
    if is_calibrated:
        assert difference.max() < ROUNDING
        return
    # In maps of the frame's own a pixel without signal, or at a null of the virtual coil, has the
    # phase of its rounding; 1e-3 rad is a hundredth of a degree
    assert np.quantile(difference, 0.99) < 10 * ROUNDING
    assert difference.max() < 100 * ROUNDING


@methods
def test_input_is_not_touched_and_results_repeat(method_class):
    one = radial(BROUGHT)
    frame = one.frames[0]
    kept = [a.copy() for a in (frame.samples, frame.readouts, frame.trajectory)]
    for array in (frame.samples, frame.readouts, frame.trajectory):
        array.flags.writeable = False
    images = []
    for _ in range(2):
        method = method_class(one.plan)
        images.append(reconstruct(method, frame, calibrate(method, frame)))
    np.testing.assert_array_equal(images[0].pixels, images[1].pixels)
    for array, copy in zip((frame.samples, frame.readouts, frame.trajectory), kept, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert not images[0].pixels.flags.writeable
    assert images[0].pixels.shape == (1, N, N)
    assert images[0].pixels.dtype == np.complex64


@methods
@given(cuts=st.sets(st.integers(1, N_SPOKES - 1)))
@settings(max_examples=10, deadline=None)
def test_batching_changes_no_bit(method_class, cuts):
    one = radial(BROUGHT)
    method, frame = method_class(one.plan), one.frames[1]
    calibration = calibrate(method, one.frames[0])
    partial = method.start(calibration)
    for first, last in pairwise([0, *sorted(cuts), N_SPOKES]):
        part = slice(first, last)
        partial = method.absorb(
            partial, frame.readouts[part], frame.samples[part], frame.trajectory[part]
        )
    batched = method.finish(partial, frame, calibration).pixels
    np.testing.assert_array_equal(batched, reconstruct(method, frame, calibration).pixels)


@methods
def test_a_recycled_partial_is_as_good_as_new(method_class):
    one = radial()
    method = method_class(one.plan)
    calibration = calibrate(method, one.frames[0])
    used = absorb(method, one.frames[0], calibration)
    first = method.finish(used, one.frames[0], calibration)
    kept = first.pixels.copy()
    again = method.finish(used, one.frames[0], calibration)
    np.testing.assert_array_equal(again.pixels, kept)
    recycled = absorb(method, one.frames[1], calibration, recycled=used)
    expected = reconstruct(method, one.frames[1], calibration)
    actual = method.finish(recycled, one.frames[1], calibration)
    np.testing.assert_array_equal(actual.pixels, expected.pixels)
    np.testing.assert_array_equal(first.pixels, kept)


@methods
def test_a_calibration_survives_a_checkpoint(method_class):
    one = radial()
    method = method_class(one.plan)
    calibration = calibrate(method, one.frames[0])
    copy = pickle.loads(pickle.dumps(calibration))
    np.testing.assert_array_equal(
        reconstruct(method, one.frames[1], copy).pixels,
        reconstruct(method, one.frames[1], calibration).pixels,
    )


@methods
def test_nan_stays_nan_and_teaches_nothing(method_class):
    one = radial(whitening=no_whitening())
    method = method_class(one.plan)
    calibration = calibrate(method, one.frames[0])
    one.frames[1].samples[5, 1, 30] = np.nan
    assert np.isnan(reconstruct(method, one.frames[1], calibration).pixels).all()
    assert calibrate(method, one.frames[1]) is None


@methods
def test_what_makes_no_image_is_passed_over_and_a_missing_spoke_is_told(method_class):
    one = radial()
    method, frame = method_class(one.plan), one.frames[1]
    calibration = calibrate(method, one.frames[0])
    rows = frame.readouts.copy()
    rows["flags"][3] = NOISE_MEASUREMENT
    noisy = dataclasses.replace(frame, readouts=rows, is_complete=False)
    part = np.arange(N_SPOKES) != 3
    missing = dataclasses.replace(
        frame, readouts=frame.readouts[part], samples=frame.samples[part], is_complete=False
    )
    images = [reconstruct(method, one_frame, calibration) for one_frame in (noisy, missing)]
    np.testing.assert_array_equal(images[0].pixels, images[1].pixels)
    assert not images[0].is_complete
    assert method.calibrate(absorb(method, missing), missing) is None
    assert nrmse(images[0].pixels, reconstruct(method, frame, calibration).pixels) > 1e-3


def test_an_empty_frame_is_black():
    one = radial()
    method = GriddedNUFFT(one.plan)
    nothing = dataclasses.replace(
        one.frames[0], readouts=one.frames[0].readouts[:0], samples=one.frames[0].samples[:0]
    )
    assert not reconstruct(method, nothing).pixels.any()
    assert calibrate(method, nothing) is None


def test_noise_std_is_that_of_every_pixel():
    mixing = np.array([[2, 0.3, 0], [0, 1, 0.5j], [0, 0, 0.7]])
    rng = np.random.default_rng(9)
    scan = (mixing @ unit_noise(rng, (3, 20000))).astype(np.complex64)
    whitening = whitening_from_noise(
        scan,
        noise_sample_time_us=5.0,
        acquisition_sample_time_us=5.0,
        relative_receiver_noise_bandwidth=1.0,
    )
    one = radial(whitening=whitening)
    method = GriddedNUFFT(one.plan)
    calibration = calibrate(method, one.frames[0])
    coils, combined, told = [], [], 0.0
    for _ in range(60):
        noise = mixing @ unit_noise(rng, (N_SPOKES, N_COILS, N_SAMPLES))
        image = reconstruct(method, with_samples(one.frames[1], noise), calibration)
        coils.append(image.coil_pixels)
        combined.append(image.pixels)
        told = image.noise_std
    assert abs(np.sqrt(np.mean(np.abs(coils) ** 2)) / told - 1) < 0.02
    assert abs(np.sqrt(np.mean(np.abs(combined) ** 2)) / told - 1) < 0.02
    corner = np.sqrt(np.mean(np.abs(np.array(coils)[..., :8, :8]) ** 2))
    assert abs(corner / told - 1) < 0.05


def test_the_operator_is_the_forward_model():
    one = radial()
    method = GriddedNUFFT(one.plan)
    calibration = calibrate(method, one.frames[0])
    sampled = absorb(method, one.frames[1], calibration)
    forward = method.operator(None, sampled)
    assert forward.ishape == [N_COILS, 1, N, N]
    measured = one.frames[1].samples.transpose(1, 0, 2).reshape(N_COILS, -1)
    assert nrmse(forward * body()[:, None].astype(np.complex64), measured) < 2e-3
    assert method.operator(calibration, sampled).ishape == [1, N, N]
    with pytest.raises(ValueError, match="no readouts"):
        method.operator(None, method.start())


@methods
def test_another_methods_partial_is_refused(method_class):
    method = method_class(radial().plan)
    with pytest.raises(TypeError, match="another method"):
        method.finish(None, radial().frames[0])
    small = method_class(session([spokes(0)], n=16, encoded=N_SAMPLES).plan)
    with pytest.raises(ValueError, match="another plan"):
        small.start(recycled=method.start())
