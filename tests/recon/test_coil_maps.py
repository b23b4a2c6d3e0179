"""Coils combined without losing phase, noise or the way frames compare."""

import numpy as np
import pytest

from recon.coil_maps import combine, estimate_coil_maps

N, N_COILS = 48, 6


def phantom(rng, *, noise_std=0.0, heating_rad=0.0):
    """A disc of smooth phase under six coils around it: (coil images, truth, inside)."""
    y, x = (np.mgrid[:N, :N] - N / 2) / (N / 2)
    inside = x**2 + y**2 < 0.6
    truth = inside * np.exp(1j * (0.8 * x - 0.5 * y))
    angles = 2 * np.pi * np.arange(N_COILS)[:, None, None] / N_COILS
    distance2 = (x - 1.2 * np.cos(angles)) ** 2 + (y - 1.2 * np.sin(angles)) ** 2
    coils = np.exp(-distance2 / 1.5 + 1j * (angles + 0.3 * x * np.sin(angles)))
    focus = np.exp(-((x - 0.2) ** 2 + y**2) / 0.02)
    images = coils * truth * np.exp(1j * heating_rad * focus)
    noise = rng.standard_normal((2, *images.shape)) * noise_std / np.sqrt(2)
    images = (images + noise[0] + 1j * noise[1])[:, None].astype(np.complex64)
    return images, focus, inside


def test_maps_have_unit_norm_in_every_pixel():
    images, _, _ = phantom(np.random.default_rng(1), noise_std=0.02)
    weights = estimate_coil_maps(images).weights
    np.testing.assert_allclose(np.sum(np.abs(weights) ** 2, axis=0), 1, atol=1e-5)
    assert weights.dtype == np.complex64
    assert not weights.flags.writeable


def test_combination_is_as_bright_as_the_root_sum_of_squares():
    images, _, inside = phantom(np.random.default_rng(2))
    combined = combine(images, estimate_coil_maps(images))[0]
    bright = np.sqrt(np.sum(np.abs(images) ** 2, axis=0))[0]
    assert np.abs(np.abs(combined[inside]) / bright[inside] - 1).max() < 0.01


def test_combined_phase_is_smooth_over_the_patient():
    images, _, inside = phantom(np.random.default_rng(3))
    combined = combine(images, estimate_coil_maps(images))[0]
    for step in (
        combined[1:] * combined[:-1].conj(),
        (combined[:, 1:] * combined[:, :-1].conj()).T,
    ):
        both = inside[1:] & inside[:-1]
        assert np.abs(np.angle(step))[both].max() < 0.3  # rad a pixel: no wrap, no vortex


def test_combined_phase_is_that_of_the_strongest_coil():
    images, _, _ = phantom(np.random.default_rng(8))
    pair = np.stack([images[0], 0.2 * np.exp(1j) * images[0]]).astype(np.complex64)
    combined = combine(pair, estimate_coil_maps(pair))
    turn = np.angle(combined * images[0].conj())[np.abs(images[0]) > 0.1]
    assert np.abs(turn).max() < 1e-5


def test_images_without_phase_have_maps_without_phase():
    images, _, inside = phantom(np.random.default_rng(9))
    weights = estimate_coil_maps(np.abs(images).astype(np.complex64)).weights
    assert np.abs(weights.imag[:, 0, inside]).max() < 1e-5


def test_heating_between_frames_is_kept_by_fixed_maps():
    rng = np.random.default_rng(4)
    before, focus, inside = phantom(rng)
    after, _, _ = phantom(rng, heating_rad=-0.6)
    maps = estimate_coil_maps(before)
    difference = np.angle(combine(after, maps) * combine(before, maps).conj())[0]
    # 0.003 rad is 0.02 °C at 3 T and an echo time of 10 ms
    assert np.abs(difference + 0.6 * focus)[inside].max() < 0.003


def test_where_no_coil_has_signal_the_maps_stay_finite():
    images = np.zeros((3, 1, 8, 8), np.complex64)
    weights = estimate_coil_maps(images).weights
    np.testing.assert_allclose(np.sum(np.abs(weights) ** 2, axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_maps_do_not_depend_on_the_scale_of_the_signal(scale):
    images, _, _ = phantom(np.random.default_rng(5), noise_std=0.02)
    expected = estimate_coil_maps(images).weights
    scaled = estimate_coil_maps(images * np.float32(scale)).weights
    assert np.abs(scaled - expected).max() < 1e-3


def test_nan_makes_maps_of_nan():
    images, _, _ = phantom(np.random.default_rng(6))
    images[2, 0, 3, 3] = np.nan
    assert np.isnan(estimate_coil_maps(images).weights).all()


def test_maps_of_another_shape_are_refused():
    images, _, _ = phantom(np.random.default_rng(7))
    with pytest.raises(ValueError, match="coil maps are"):
        combine(images[:2], estimate_coil_maps(images))
