"""What the library methods are made of, each against an answer that is known."""

import numpy as np
import pytest

from tests.thermometry.breathing import body, breath
from tests.thermometry.phantoms import anatomy, complex_noise, coordinates, hot_spot
from thermometry.coil_profile import _project, coil_profile
from thermometry.drift import DriftBasis
from thermometry.library import moving_heat
from thermometry.library.hybrid import mixture
from thermometry.library.in_plane_shift import box_around, measure_shift
from thermometry.library.likeness import likeness, similarity
from thermometry.library.moving_heat import followed
from thermometry.library.multi_baseline import between_two
from thermometry.library.phases import polynomials, principal_scores, slow_drift, unwrapped

SHAPE = (1, 48, 48)


def gram_of(images):
    return (images @ images.conj().T).real


# --- coils to one image


def test_a_projection_keeps_phase_differences_whatever_the_profile():
    coils, other = body(SHAPE, 0.0).astype(np.complex64), anatomy(SHAPE, n_coils=4)
    turned = (coils * np.exp(1j * 0.7)).astype(np.complex64)
    for profile in (coil_profile(coils), coil_profile(other)):  # its own, and a stranger's
        first, second = profile.project(coils)[0], profile.project(turned)[0]
        seen = np.abs(first) > 1e-3 * np.abs(first).max()
        assert np.allclose(np.angle(second[seen] * first[seen].conj()), 0.7, atol=1e-3)


def test_a_projection_loses_no_signal_to_noise():
    # against the best possible combination, Σ|s|², in a noisy first image
    rng = np.random.default_rng(2)
    coils = anatomy(SHAPE, n_coils=8)
    noisy = (coils + complex_noise(rng, coils.shape, np.sqrt(2) / 20)).astype(np.complex64)
    profile = coil_profile(noisy)
    signal = np.abs(profile.project(coils)[0])
    best = np.sqrt(np.sum(np.abs(coils) ** 2, axis=0)).ravel() * profile.gain
    assert (signal / best).min() > 0.98
    assert np.allclose(np.sum(np.abs(profile.conjugate) ** 2, axis=0), profile.gain**2, rtol=1e-3)


def test_tissue_that_comes_from_elsewhere_keeps_its_signal():
    coils, moved = body(SHAPE, 0.0).astype(np.complex64), body(SHAPE, 1.0).astype(np.complex64)
    profile = coil_profile(coils)
    best = np.sqrt(np.sum(np.abs(moved) ** 2, axis=0)).ravel() * profile.gain
    inside = best > 0.3 * best.max()
    share = np.abs(profile.project(moved)[0])[inside] / best[inside]
    assert np.median(share) > 0.99
    assert share.min() > 0.9  # at the very edge, where the first image had only air


def test_a_pixel_that_is_not_finite_is_told_and_harms_no_other():
    coils = anatomy(SHAPE, n_coils=4).copy()
    coils[2, 0, 7, 9] = np.nan
    combined, finite = coil_profile(anatomy(SHAPE, n_coils=4)).project(coils)
    assert np.flatnonzero(~finite).tolist() == [7 * 48 + 9]
    assert np.isfinite(combined).all()
    assert np.isfinite(coil_profile(coils).conjugate).all()


# --- phases of the library


def library_phases(n=20, *, swing=6.0, drift=0.0, noise=0.0, seed=3):
    """True phases (image, pixel) of a breath that passes a turn, with a drift of a slope."""
    rng = np.random.default_rng(seed)
    _, y, x = (one.ravel() for one in coordinates(SHAPE))
    pattern = swing * np.exp(-((y + 0.4) ** 2 + x**2) / 0.2) + 0.5 * y
    at = breath(np.arange(n))
    slow = np.outer(np.arange(n), drift * (1 + 0.3 * x))
    return np.outer(at, pattern) + slow + noise * rng.standard_normal((n, y.size))


def test_phases_are_unwrapped_from_like_to_like():
    truth = library_phases()
    images = np.exp(1j * truth).astype(np.complex64)
    found = unwrapped(images, similarity(images))
    difference = found - found[0] - (truth - truth[0])
    # one common number of turns for each image is no matter
    difference -= 2 * np.pi * np.rint(np.median(difference, axis=1, keepdims=True) / (2 * np.pi))
    assert np.ptp(truth[:, 48 * 14 + 24]) > np.pi  # the trap: from end to end it wraps
    assert np.abs(difference).max() < 1e-3


@pytest.mark.parametrize("drift", [0.0, 0.02, -0.05])
def test_drift_is_told_from_a_breath_that_moves_polynomials_too(drift):
    basis = DriftBasis(SHAPE, 1)
    phases = library_phases(drift=drift, noise=0.02).astype(np.float32)
    weights = np.ones(phases.shape[1], np.float32)
    found = slow_drift(phases, basis.terms, weights, n_components=2)
    assert found[-1, 0] == pytest.approx(19 * drift, abs=0.02)
    assert found[-1, 2] == pytest.approx(19 * 0.3 * drift, abs=0.02)
    assert np.allclose(found[0], 0)
    # the trap: the polynomial alone follows the breath
    naive = polynomials(phases - phases[0], basis.terms, weights)
    assert np.ptp(naive[:, 0]) > 0.3


def test_few_images_say_nothing_of_drift():
    basis = DriftBasis(SHAPE, 1)
    phases = library_phases(4, drift=0.1).astype(np.float32)
    weights = np.ones(phases.shape[1], np.float32)
    assert not slow_drift(phases, basis.terms, weights, n_components=3).any()


def test_few_pixels_say_nothing_of_drift_elsewhere():
    basis = DriftBasis(SHAPE, 1)
    phases = library_phases(drift=0.1, noise=0.02).astype(np.float32)
    few = slice(600, 608)
    weights = np.ones(8, np.float32)
    assert not slow_drift(phases[:, few], basis.terms[:, few], weights, n_components=2).any()


def test_scores_are_orthonormal_centred_and_rebuild_what_has_so_many_components():
    rng = np.random.default_rng(4)
    data = rng.standard_normal((9, 2)) @ rng.standard_normal((2, 500)) + rng.standard_normal(500)
    scores = principal_scores(data @ data.T, 2)
    assert np.allclose(scores.T @ scores, np.eye(2), atol=1e-9)
    assert np.allclose(scores.sum(axis=0), 0, atol=1e-9)
    rebuilt = data.mean(axis=0) + scores @ (scores.T @ data)
    assert np.allclose(rebuilt, data, atol=1e-9)


# --- weights


def test_a_mixture_is_found_within_the_simplex():
    rng = np.random.default_rng(5)
    images = complex_noise(rng, (6, 400), 1.0)
    true = np.array([0.5, 0.0, 0.2, 0.0, 0.3, 0.0])
    image = true @ images
    found = mixture(gram_of(images), (images.conj() @ image).real)
    assert np.allclose(found, true, atol=1e-3)


def test_a_mixture_of_what_lies_outside_stays_inside():
    rng = np.random.default_rng(6)
    images = complex_noise(rng, (5, 400), 1.0)
    beyond = images[0] + 1.5 * (images[0] - images[1])
    found = mixture(gram_of(images), (images.conj() @ beyond).real)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    assert found.argmax() == 0


def test_images_that_are_all_alike_share_the_weight_or_one_takes_it():
    images = np.ones((4, 50), complex)
    found = mixture(gram_of(images), (images.conj() @ images[0]).real)
    assert found.sum() == pytest.approx(1)
    assert mixture(np.zeros((3, 3)), np.zeros(3)) == pytest.approx(np.full(3, 1 / 3))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 1.0])
def test_the_point_between_two_images_is_found(share):
    rng = np.random.default_rng(7)
    images = complex_noise(rng, (5, 400), 1.0)
    image = ((1 - share) * images[1] + share * images[3]) * np.exp(0.9j)  # a common turn
    found = between_two(gram_of(images), (images.conj() * image).sum(axis=1))
    expected = np.zeros(5)
    expected[1], expected[3] = 1 - share, share
    assert np.allclose(found, expected, atol=0.03)


@pytest.mark.parametrize("choice", ["image", "navigator"])
def test_the_most_alike_is_the_image_itself_turned_or_not(choice):
    images = np.stack([body(SHAPE, at).sum(axis=0).ravel() for at in np.linspace(0, 1, 6)])
    images = images.astype(np.complex64)
    outside = np.ones(images.shape[1], np.bool_)
    compared = likeness(images, outside, shape=SHAPE, choice=choice)
    for index, image in enumerate(images):
        moments = compared.moments((image * np.exp(2j)).astype(np.complex64))
        assert compared.nearest(moments) == index


def test_heat_inside_the_mask_does_not_count():
    images = np.stack([body(SHAPE, at).sum(axis=0).ravel() for at in (0.0, 0.5)])
    images = images.astype(np.complex64)
    outside = (hot_spot(SHAPE, 1.0) < 0.3).ravel()
    compared = likeness(images, outside, shape=SHAPE, choice="image")
    disturbed = np.where(outside, images[0], 50 * images[0])
    assert np.allclose(compared.moments(disturbed), compared.products[0], rtol=1e-4)


# --- heat that moves


def spot_at(y, x, peak):
    return hot_spot(SHAPE, peak, centre=(y, x), width=0.15).astype(np.float32)


def wrapped(phase):
    return np.angle(np.exp(1j * phase)).astype(np.float32)


SEEN = np.ones(SHAPE, np.bool_)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-5, 0)])
def test_held_heat_follows_the_tissue(shift):
    held = spot_at(0.1, 0.1, 5.0)
    moved = np.roll(held, shift, axis=(1, 2))
    # far below π is enough: it only says to which turn a phase belongs
    assert np.abs(followed(held, wrapped(moved), SEEN) - moved).max() < 0.5


def test_heat_that_grows_where_it_is_does_not_move():
    held, grown = spot_at(0.1, 0.1, 5.0), spot_at(0.1, 0.1, 7.5)
    assert followed(held, wrapped(grown), SEEN) is held


def test_little_heat_and_pixels_that_are_not_seen_change_nothing():
    held = spot_at(0.1, 0.1, 1.0)
    assert followed(held, wrapped(spot_at(0.3, 0.1, 1.0)), SEEN) is held
    hot = spot_at(0.1, 0.1, 5.0)
    assert followed(hot, wrapped(spot_at(0.3, 0.1, 5.0)), np.zeros(SHAPE, np.bool_)) is hot


# --- motion


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.2), (1.4, 0.6), (-4.3, 2.2)])
def test_a_shift_is_measured_to_a_tenth_of_a_pixel(shift):
    def picture(dy, dx):
        _, y, x = coordinates((1, 64, 64))
        y, x = y - dy / 31.5, x - dx / 31.5
        return (2 + np.sin(8 * y + 1) * np.cos(7 * x) + 0.5 * np.sin(13 * x + 6 * y)).astype("f4")

    heated = np.zeros((1, 64, 64), np.bool_)
    heated[:, 28:36, 28:36] = True
    found = measure_shift(picture(*shift), picture(0, 0), box_around(heated))
    assert found == pytest.approx(shift, abs=0.1)


def test_a_picture_without_anything_in_it_shows_no_shift():
    flat = np.ones((1, 40, 40), np.float32)
    assert measure_shift(flat, flat, box_around(np.zeros((1, 40, 40), np.bool_))) is None


def test_one_compilation_serves_every_frame():
    for shape in (SHAPE, (3, 20, 24)):
        coils = anatomy(shape, n_coils=4)
        profile = coil_profile(coils)
        writeable = coils.copy()
        profile.project(writeable)
        writeable.flags.writeable = False
        profile.project(writeable)
        held = hot_spot(shape, 5.0).astype(np.float32)
        followed(held, wrapped(np.roll(held, 2, axis=1)), np.ones(shape, np.bool_))
    for kernel in (_project, moving_heat._best_shift):
        assert len(kernel.dispatcher.signatures) == 1, kernel.__name__
