"""The Toeplitz normal operator, and the images that conjugate gradients make with it."""

import dataclasses

import numpy as np
import pytest
import sigpy.linop
import sigpy.mri.linop

from recon import ReconstructionSettings
from recon.cg_sense import CGSense
from recon.gridded import GriddedNUFFT
from recon.nufft import NUFFT
from recon.toeplitz import LEAST_EIGENVALUE, CirculantInverse, ToeplitzKernel, ToeplitzNormal
from tests.recon.nonuniform import (
    N_COILS,
    N_SPOKES,
    N,
    absorb,
    body,
    calibrate,
    no_whitening,
    nrmse,
    nudft,
    nudft_adjoint,
    reconstruct,
    session,
    spiral,
    spokes,
    unit_noise,
)


def settled(iterations=60, regularisation=0.02, **more):
    return ReconstructionSettings(
        trajectory="golden-angle", iterations=iterations, regularisation=regularisation, **more
    )


def radial(settings, **more):
    return session([spokes(0), spokes(N_SPOKES)], settings=settings, **more)


@pytest.mark.parametrize("shape", [(16, 16), (15, 20), (9, 7)])
def test_the_normal_operator_is_that_of_the_sums(shape):
    rng = np.random.default_rng(1)
    coord = ((rng.random((200, 2)) - 0.5) * shape).astype(np.float32)
    maps = unit_noise(rng, (3, *shape)).astype(np.complex64)
    image = unit_noise(rng, shape).astype(np.complex64)
    weights = rng.random(200).astype(np.float32)
    normal = ToeplitzNormal(ToeplitzKernel(shape, coord, weights), maps, damping=0.5)
    around = nudft_adjoint(weights * nudft(maps * image, coord), coord, shape)
    expected = (maps.conj() * around).sum(0) + 0.5 * image
    assert nrmse(normal * image, expected) < 1e-3
    assert normal.H is not None
    other = unit_noise(rng, shape).astype(np.complex64)
    one, two = np.vdot(other, normal * image), np.vdot(normal * other, image)
    assert abs(one - two) < 1e-5 * abs(one)


def test_the_normal_operator_is_sigpys():
    maps, coord = body().astype(np.complex64), spokes(0).reshape(-1, 2).astype(np.float32)
    ours = ToeplitzNormal(ToeplitzKernel((N, N), coord), maps)
    nufft = sigpy.linop.NUFFT(maps.shape, coord, oversamp=2.0, width=6)
    theirs = nufft * sigpy.linop.Multiply((N, N), maps)
    image = body()[0].astype(np.complex64)
    assert nrmse(ours * image, theirs.H * theirs * image) < 1e-3
    coarse = sigpy.mri.linop.Sense(maps, coord)
    assert nrmse(ours * image, coarse.H * coarse * image) < 5e-3


@pytest.mark.parametrize(("iterations", "limit"), [(40, 3e-3), (10, 0.02)])
def test_it_is_the_minimum_on_the_exact_sums(iterations, limit):
    one = radial(settled(iterations))
    method, frame = CGSense(one.plan), one.frames[1]
    calibration = calibrate(method, one.frames[0])
    coord = one.coord[1].reshape(-1, 2)
    maps = calibration.maps.weights[:, 0].conj()
    measured = frame.samples.transpose(1, 0, 2).reshape(N_COILS, -1)
    right = (maps.conj() * nudft_adjoint(measured, coord, (N, N))).sum(0)
    pixels = np.eye(N * N).reshape(N * N, N, N)
    waves = nudft(pixels, coord)
    convolution = waves.conj() @ waves.T
    weighed = maps.reshape(N_COILS, -1)
    normal = np.einsum("cr,rs,cs->rs", weighed.conj(), convolution, weighed)
    normal += 0.02 * calibration.eigenvalue * np.eye(N * N)
    expected = np.linalg.solve(normal, right.ravel()).reshape(N, N)
    assert nrmse(reconstruct(method, frame, calibration).pixels[0], expected) < limit


def test_the_preconditioner_undoes_a_circulant():
    kernel = ToeplitzKernel((N, N), spokes(0).reshape(-1, 2).astype(np.float32))
    y, x = np.mgrid[:N, :N]
    for k_y, k_x in ((0, 0), (3, -5), (0, 12)):
        wave = np.exp(2j * np.pi * (k_y * y + k_x * x) / N).astype(np.complex64)
        one_coil = ToeplitzNormal(kernel, np.ones((1, N, N), np.complex64))
        power = np.vdot(wave, one_coil * wave).real / N**2
        assert abs(kernel.circulant[k_y, k_x] / power - 1) < 1e-3
        undone = CirculantInverse(kernel, 0.0) * wave
        least = LEAST_EIGENVALUE * kernel.circulant.max()
        assert nrmse(undone, wave / max(power, least)) < 2e-3


def test_the_largest_eigenvalue_is_the_largest():
    one = radial(settled())
    calibration = calibrate(CGSense(one.plan), one.frames[0])
    maps = calibration.maps.weights[:, 0].conj()
    operator = NUFFT(maps.shape, one.coord[0].reshape(-1, 2).astype(np.float32))
    operator = operator * sigpy.linop.Multiply((N, N), maps)
    rng, found = np.random.default_rng(2), 0.0
    image = unit_noise(rng, (N, N)).astype(np.complex64)
    for _ in range(60):
        image = operator.H * operator * image
        found = np.linalg.norm(image)
        image /= found
    assert abs(calibration.eigenvalue / found - 1) < 0.02


def test_linear_once_converged():
    one, rng = radial(settled(), noise_std=0.05), np.random.default_rng(3)
    method, frame = CGSense(one.plan), one.frames[1]
    calibration = calibrate(method, one.frames[0])
    other = unit_noise(rng, frame.samples.shape)
    parts = [
        reconstruct(
            method, dataclasses.replace(frame, samples=s.astype(np.complex64)), calibration
        ).pixels
        for s in (frame.samples, other, 2 * frame.samples - 0.5j * other)
    ]
    assert nrmse(parts[2], 2 * parts[0] - 0.5j * parts[1]) < 1e-4


@pytest.mark.parametrize(("kind", "limit"), [("radial", 0.15), ("spiral", 0.32)])
def test_it_is_nearer_to_the_truth_than_gridding_where_spokes_are_few(kind, limit):
    coord = spokes(0) if kind == "radial" else spiral()[::2]
    settings = ReconstructionSettings(trajectory="header", iterations=30, regularisation=1e-3)
    encoded = None if kind == "radial" else N
    one = session([coord], settings=settings, trajectory=kind, encoded=encoded)
    method = CGSense(one.plan)
    calibration = calibrate(method, one.frames[0])
    truth = (calibration.maps.weights[:, 0] * body()).sum(0)
    errors = [
        nrmse(reconstruct(m, one.frames[0], calibration).pixels[0], truth)
        for m in (method, GriddedNUFFT(one.plan))
    ]
    assert errors[0] < 0.9 * errors[1]
    assert errors[0] < limit


def test_each_frame_starts_from_nothing():
    one = radial(settled(3))
    method = CGSense(one.plan)
    calibration = calibrate(method, one.frames[0])
    alone = reconstruct(method, one.frames[1], calibration).pixels
    used = absorb(method, one.frames[0], calibration)
    method.finish(used, one.frames[0], calibration)
    after = absorb(method, one.frames[1], calibration, recycled=used)
    np.testing.assert_array_equal(method.finish(after, one.frames[1], calibration).pixels, alone)


def test_noise_std_is_that_of_each_pixel():
    one = radial(settled(10, 1e-3), whitening=no_whitening(), noise_std=0.02)
    method, frame = CGSense(one.plan), one.frames[1]
    calibration = calibrate(method, one.frames[0])
    rng = np.random.default_rng(4)
    images = []
    for _ in range(80):
        noise = unit_noise(rng, frame.samples.shape)
        shaken = dataclasses.replace(frame, samples=(frame.samples + noise).astype(np.complex64))
        images.append(reconstruct(method, shaken, calibration))
    told = images[0].noise_std
    assert told.shape == (1, N, N)
    assert told.dtype == np.float32
    measured = np.std([one.pixels for one in images], axis=0)
    inside = np.abs(body()[:, None]).max(0) > 0.2
    ratio = measured[inside] / told[inside]
    # the measured ones themselves are known to 6 % each
    assert abs(np.median(ratio) - 1) < 0.05
    assert np.percentile(np.abs(ratio - 1), 90) < 0.2
    smooth = np.sqrt(np.mean(measured[0, 8:24, 8:24] ** 2) / np.mean(told[0, 8:24, 8:24] ** 2))
    assert abs(smooth - 1) < 0.1
    bare = radial(settled(2))
    assert calibrate(CGSense(bare.plan), bare.frames[0]).noise_std is None


def test_the_image_brings_no_coils_and_without_calibration_its_own_maps():
    one = radial(settled(5))
    method = CGSense(one.plan)
    image = reconstruct(method, one.frames[0])
    assert image.coil_pixels is None
    assert image.noise_std is None
    calibration = calibrate(method, one.frames[0])
    with_maps = reconstruct(method, one.frames[0], calibration)
    assert nrmse(image.pixels, with_maps.pixels) < 1e-4
