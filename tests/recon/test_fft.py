"""Lines transformed at once: the sums they stand for, with FFTW and without."""

import numpy as np
import pytest

from recon import fft
from recon.fft import InverseLines
from tests.recon.nonuniform import nrmse, unit_noise

SHAPE = (3, 5, 24)  # blocks, lines, samples


@pytest.fixture(params=["scipy", "FFTW"])
def installed(request, monkeypatch):
    if request.param == "scipy":
        monkeypatch.setattr(fft, "pyfftw", None)
    elif fft.pyfftw is None:
        pytest.skip("pyfftw, the extra `fftw`, is not installed")
    return request.param


def filled(shape=SHAPE):
    samples = unit_noise(np.random.default_rng(1), shape).astype(np.complex64)
    lines = InverseLines(*shape)
    lines.lines[...] = samples
    return lines, samples


@pytest.mark.parametrize("n_samples", [1, 8, 20, 45, 160])
def test_a_block_gives_the_unscaled_sums(installed, n_samples):
    lines, samples = filled((3, 5, n_samples))
    turn = np.outer(np.arange(n_samples), np.arange(n_samples)) / n_samples
    expected = samples @ np.exp(2j * np.pi * turn)
    for block in (2, 0, 1):
        found = lines.transforms(block)
        assert found.dtype == np.complex64
        assert found.shape == (5, n_samples)
        assert nrmse(found, expected[block]) < 1e-6


def test_other_blocks_stay(installed):
    lines, samples = filled()
    lines.transforms(1)
    np.testing.assert_array_equal(lines.lines[[0, 2]], samples[[0, 2]])


def test_blocks_know_nothing_of_each_other(installed):
    lines, samples = filled()
    alone = [lines.transforms(block).copy() for block in range(3)]
    lines.lines[...] = samples
    lines.lines[1] = np.nan
    assert np.isnan(lines.transforms(1)).all()
    for block in (0, 2):
        np.testing.assert_array_equal(lines.transforms(block), alone[block])


def test_each_plan_gives_the_same_bits(installed):
    one, _ = filled((1, 32, 160))
    other, _ = filled((1, 32, 160))
    np.testing.assert_array_equal(one.transforms(0), other.transforms(0))


def test_lines_lie_where_registers_read_them(installed):
    for n_samples in (7, 20, 24):
        assert InverseLines(2, 3, n_samples).lines.ctypes.data % 64 == 0
