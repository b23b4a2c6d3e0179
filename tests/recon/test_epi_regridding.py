"""EPI readouts under a trapezoid: positions in k, and the profile that comes back."""

import numpy as np
import pytest

from messages import EpiTiming, HeaderError
from recon.epi_regridding import profile_matrix, readout_positions, sampling_matrix

SIEMENS = EpiTiming(160.0, 240.0, 160.0, 32.0, 160, 3.1)  # of skyra_epi_2ch.h5
N = 80
PIXELS = np.arange(N) - N // 2


def gaussian_samples(k, *, center, width):
    """The Fourier integral of exp(-(x - center)² / 2 width²), orthonormal as images are."""
    decay = np.exp(-2 * (np.pi * width * k / N) ** 2)
    return width * np.sqrt(2 * np.pi / N) * decay * np.exp(-2j * np.pi * k * center / N)


def test_a_line_spans_the_encoded_matrix_about_zero():
    k = readout_positions(SIEMENS, N)
    np.testing.assert_allclose(k, -k[::-1], atol=1e-9)
    # Half a dwell at either end of the open receiver: the gradient there is 32 / 160 of its top
    assert N - 0.2 < k[-1] - k[0] < N
    assert np.all(np.diff(k) > 0)
    assert np.diff(k).max() == pytest.approx(3.1 * N / 393.6)  # the area: 2 · 76.8 + 240


def test_without_ramps_the_samples_are_even():
    k = readout_positions(EpiTiming(0.0, 96.0, 0.0, 0.0, 96, 1.0), 96)
    np.testing.assert_allclose(k, np.arange(96) - 47.5)


@pytest.mark.parametrize(("center", "width"), [(10.3, 1.5), (-35.0, 2.0), (0.0, 8.0)])
@pytest.mark.parametrize("polarity", [1, -1])
def test_a_profile_comes_back(center, width, polarity):
    k = polarity * readout_positions(SIEMENS, N)
    samples = gaussian_samples(k, center=center, width=width)
    profile = samples.astype(np.complex64) @ profile_matrix(k, N, N)
    truth = np.exp(-((PIXELS - center) ** 2) / (2 * width**2))
    assert np.abs(profile - truth).max() < 1e-4


def test_what_lies_beside_the_image_does_not_fold_into_it():
    k = readout_positions(SIEMENS, N)
    profile = gaussian_samples(k, center=55.0, width=1.5) @ profile_matrix(k, N, N)
    assert np.abs(profile).max() < 1e-4


def test_half_the_field_of_view_is_its_middle():
    k = readout_positions(SIEMENS, N)
    whole, half = profile_matrix(k, N, N), profile_matrix(k, N, N // 2)
    np.testing.assert_allclose(half, whole[:, N // 4 : -N // 4], atol=1e-6)


def test_the_profile_inverts_the_forward_model():
    k = readout_positions(SIEMENS, N)
    back = sampling_matrix(k, N, N).T @ profile_matrix(k, N, N)
    assert np.abs(back - np.eye(N)).max() < 1e-3


def test_noise_is_even_along_the_profile():
    power = np.sum(np.abs(profile_matrix(readout_positions(SIEMENS, N), N, N)) ** 2, axis=0)
    assert np.ptp(power) < 5e-3 * power.mean()


def test_lines_of_either_direction_are_equally_noisy_though_samples_lie_off_centre():
    # the receiver opens 32 us after the gradient begins and closes 42 us before it ends, so that a
    # reverse line's outermost node lies beyond its last sample
    k = readout_positions(EpiTiming(160.0, 240.0, 160.0, 32.0, 128, 3.8), 64)
    assert abs(k[0] + k[-1]) > 0.3
    forward, reverse = (
        float(np.mean(np.sum(np.abs(profile_matrix(one, 64, 64)) ** 2, axis=0))) for one in (k, -k)
    )
    assert reverse < 1.1 * forward


@pytest.mark.parametrize(
    "timing",
    [
        EpiTiming(160.0, 240.0, 160.0, 32.0, 400, 3.1),  # receiver open longer than the gradient
        EpiTiming(160.0, 240.0, 160.0, 32.0, 1, 3.1),
        EpiTiming(-1.0, 240.0, 160.0, 32.0, 160, 3.1),
        EpiTiming(160.0, float("nan"), 160.0, 32.0, 160, 3.1),
        EpiTiming(0.0, 0.0, 0.0, 0.0, 160, 0.0),
    ],
)
def test_a_timing_that_cannot_be_is_refused(timing):
    with pytest.raises(HeaderError, match="trajectoryDescription"):
        readout_positions(timing, N)
