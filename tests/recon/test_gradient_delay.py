"""Delays found where spokes cross."""

import numpy as np
import pytest

from recon import ReconstructionSettings
from recon.density import direction
from recon.gradient_delay import GradientDelay, estimate_delay
from recon.gridded import GriddedNUFFT
from tests.recon.nonuniform import (
    absorb,
    calibrate,
    nrmse,
    reconstruct,
    session,
    spokes,
)

RING = ReconstructionSettings(trajectory="golden-angle", gradient_delay="ring")
OFF = ReconstructionSettings(trajectory="golden-angle")
SPACING = 0.5


def delayed(coord, x, y, xy):
    delay = GradientDelay(x * SPACING, y * SPACING, xy * SPACING)
    return np.stack([one + delay.shift(direction(one)) for one in coord])


@pytest.mark.parametrize("delay", [(0.3, -0.4, 0.1), (1.2, 0.7, -0.3), (0.0, 0.0, 0.0)])
@pytest.mark.parametrize("noise_std", [0.0, 0.02])
def test_known_delays_are_found(delay, noise_std):
    one = session([delayed(spokes(0), *delay)], settings=RING, noise_std=noise_std)
    found = calibrate(GriddedNUFFT(one.plan), one.frames[0]).sampling.delay
    actual = np.array([found.x, found.y, found.xy]) / SPACING
    assert np.abs(actual - delay).max() < 0.02


@pytest.mark.parametrize(
    ("delay", "limit"), [((0.8, -0.6, 0.2), 0.08), ((0.5, 0.5, 0.0), 0.02), ((0.5, -0.5, 0), 0.055)]
)
def test_later_frames_are_corrected_as_they_arrive(delay, limit):
    n = 55  # enough spokes, so that streaks do not hide what the delays do
    coords = [delayed(spokes(first, n), *delay) for first in (0, n)]
    late = session(coords, settings=RING)
    method, plain = GriddedNUFFT(late.plan), GriddedNUFFT(session(coords, settings=OFF).plan)
    calibration = calibrate(method, late.frames[0])
    arrived = absorb(method, late.frames[1], calibration)
    assert arrived.is_spread
    true = session([spokes(n, n)], settings=OFF).frames[0]
    true.readouts["repetition"] = 1
    expected = reconstruct(plain, true).coil_pixels
    corrected = method.finish(arrived, late.frames[1], calibration).coil_pixels
    uncorrected = reconstruct(plain, late.frames[1]).coil_pixels
    assert nrmse(corrected, expected) < limit
    assert nrmse(uncorrected, expected) > 1.1 * nrmse(corrected, expected)


def test_parallel_spokes_show_nothing():
    along = [np.array([0.0, 1.0])] * 4
    with pytest.raises(ValueError, match="hardly cross"):
        estimate_delay([np.ones((2, 16), np.complex64)] * 4, [8.0] * 4, along, SPACING)
