"""Gridding and FINUFFT against the sums they stand for."""

import numpy as np
import pytest
import sigpy.linop

from recon.gridding import OversampledGrid
from recon.nufft import NUFFT, NUFFTAdjoint, point_spread
from tests.recon.nonuniform import body, nrmse, nudft, nudft_adjoint, unit_noise


def scattered(shape, n_points=300):
    rng = np.random.default_rng(1)
    return ((rng.random((n_points, 2)) - 0.5) * shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(3, 24, 32), (1, 17, 20), (2, 15, 15)])
@pytest.mark.parametrize(("eps", "limit"), [(1e-3, 3e-3), (1e-6, 2e-5)])
def test_finufft_gives_the_sums(shape, eps, limit):
    rng = np.random.default_rng(2)
    coord = scattered(shape[1:])
    operator = NUFFT(shape, coord, eps)
    image = unit_noise(rng, shape).astype(np.complex64)
    samples = unit_noise(rng, operator.oshape).astype(np.complex64)
    assert nrmse(operator * image, nudft(image, coord)) < limit
    assert nrmse(operator.H * samples, nudft_adjoint(samples, coord, shape[1:])) < limit


def test_forward_and_adjoint_are_adjoint():
    rng = np.random.default_rng(3)
    operator = NUFFT((2, 24, 20), scattered((24, 20)))
    image = unit_noise(rng, operator.ishape).astype(np.complex64)
    samples = unit_noise(rng, operator.oshape).astype(np.complex64)
    one, other = np.vdot(samples, operator * image), np.vdot(operator.H * samples, image)
    assert abs(one - other) < 1e-5 * np.linalg.norm(image) * np.linalg.norm(samples)
    assert isinstance(operator.H, NUFFTAdjoint)
    assert isinstance(operator.H.H, NUFFT)


def test_it_stands_in_for_sigpys():
    coord = scattered((32, 32))
    image = body().astype(np.complex64)
    theirs = sigpy.linop.NUFFT(image.shape, coord, oversamp=2.0, width=6)
    ours = NUFFT(image.shape, coord, 1e-6)
    samples = theirs * image
    assert nrmse(ours * image, samples) < 1e-3
    assert nrmse(ours.H * samples, theirs.H * samples) < 1e-3


def test_the_point_spread_is_its_sum():
    coord, weights = scattered((8, 9)), np.linspace(0, 1, 300).astype(np.float32)
    y, x = np.arange(-8, 8) / 8, np.arange(-9, 9) / 9
    turn = 2j * np.pi * (coord[:, 0, None, None] * y[:, None] + coord[:, 1, None, None] * x)
    expected = np.einsum("p,pyx->yx", weights, np.exp(turn))
    assert nrmse(point_spread((8, 9), coord, weights), expected) < 2e-3


def spread(grid, coord, weights, samples):
    onto = grid.zeros()
    power = grid.spread(onto, coord, weights, np.ascontiguousarray(samples.T))
    return onto, power


@pytest.mark.parametrize("shape", [(32, 32), (15, 24), (128, 128)])
def test_gridding_gives_the_weighted_sums(shape):
    rng = np.random.default_rng(4)
    grid = OversampledGrid(shape, 3)
    coord, weights = scattered(shape), rng.random(300).astype(np.float32)
    coord[:4] = [[s * shape[0] / 2, t * shape[1] / 2] for s in (-1, 1) for t in (-1, 1)]
    samples = unit_noise(rng, (3, 300)).astype(np.complex64)
    onto, power = spread(grid, coord, weights, samples)
    maps = unit_noise(rng, (3, *shape)).astype(np.complex64)
    before = onto.copy()
    pixels, combined = grid.pixels(onto, maps)
    expected = nudft_adjoint(weights * samples, coord, shape)
    assert nrmse(pixels, expected) < 1e-3
    assert np.abs(pixels - expected).max() < 4e-3 * np.abs(expected).max()
    assert nrmse(combined, (maps * pixels).sum(0)) < 1e-6
    assert np.isclose(power, np.sum(weights**2), rtol=1e-5)
    np.testing.assert_array_equal(onto, before)


def test_what_the_pixels_cannot_show_is_passed_over():
    grid = OversampledGrid((32, 32), 1)
    coord = np.array([[0, 17], [-16.5, 0], [3, 4]], np.float32)
    onto, power = spread(grid, coord, np.ones(3, np.float32), np.ones((1, 3), np.complex64))
    only, _ = spread(grid, coord[2:], np.ones(1, np.float32), np.ones((1, 1), np.complex64))
    np.testing.assert_array_equal(onto, only)
    assert power == 1
