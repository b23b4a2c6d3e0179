"""The centre of k-space says where the target is at the last spokes, or that it cannot tell."""

import pickle

import numpy as np
import pytest

from motion.navigator import ImageDisplacement, Navigator
from motion.navigator_spokes import SPOKES_A_BLOCK, NavigatorSpokes, blocks_of
from tests.motion.radial_body import TR_S, Body

WINDOW, STRIDE = 67, 34  # spokes of an image, and from image to image: 8 images a second


def breath(times):
    """Return (y, x) mm; the depth wanders."""
    depth = 12 + 3 * np.sin(times / 7)
    rise = depth * np.sin(np.pi * times / 4) ** 4
    return np.stack([rise, 0.3 * depth * np.sin(np.pi * (times - 0.3) / 4) ** 4], axis=-1)


def played(body, seconds, *, images_until_s=np.inf, path=breath):
    """Return the last state, all positions, and the images' displacement and time."""
    navigator, rng = Navigator(), np.random.default_rng(1)
    state, said, images = navigator.start(), [], []
    for i in range(int(seconds / TR_S / STRIDE)):
        image, end = None, (i + 1) * STRIDE
        if end >= WINDOW and end * TR_S < images_until_s:
            during = TR_S * np.arange(end - WINDOW, end)
            place = path(during).mean(axis=0) + 0.3 * rng.standard_normal(2)
            image = ImageDisplacement(float(during.mean()), tuple(place), WINDOW * TR_S)
        state, one = navigator.step(state, body.spokes(i * STRIDE, STRIDE), image)
        said.append(one)
        images.append(image)
    return state, said, images


def error_mm(positions, path=breath):
    """Return the error (position, axis) of the last block of each step."""
    return np.array([one.displacement_mm[-1] - path(one.time_s[-1:])[0] for one in positions])


def rms(values):
    return np.sqrt(np.mean(values**2, axis=0))


@pytest.fixture(scope="module")
def quiet():
    return played(Body(breath, n_coils=6), 50.0)


def test_knows_the_target_at_the_last_spokes_better_than_the_last_image(quiet):
    _, said, images = quiet
    late = [(one, image) for one, image in zip(said, images, strict=True) if one.time_s[-1] > 30]
    found = rms(error_mm([one for one, _ in late]))
    stale = rms(
        np.array([image.displacement_mm - breath(one.time_s[-1:])[0] for one, image in late])
    )
    assert all(one.is_trusted for one, _ in late)
    assert (found < 0.3).all()  # mm: the noise of one image
    assert found[0] < 0.4 * stale[0]


def test_its_deviation_covers_its_error(quiet):
    _, said, _ = quiet
    late = [one for one in said if one.time_s[-1] > 30]
    assert (rms(error_mm(late)) < np.mean([one.std_mm for one in late], axis=0)).all()


def test_learns_before_it_is_trusted(quiet):
    _, said, _ = quiet
    assert not any(one.is_trusted for one in said if one.time_s[-1] < 15)
    assert np.isnan(said[0].displacement_mm).all()


def test_too_much_noise_is_not_trusted():
    _, said, _ = played(Body(breath, n_coils=4, noise=0.1), 35.0)
    late = [one for one in said if one.time_s[-1] > 25]
    assert not any(one.is_trusted for one in late)
    assert (rms(error_mm(late)) < 1.5 * np.mean([one.std_mm for one in late], axis=0)).all()


def test_coils_that_see_nothing_of_the_motion_are_not_trusted():
    body = Body(lambda times: np.zeros((len(times), 2)), n_coils=4)
    _, said, _ = played(body, 35.0)
    assert not any(one.is_trusted for one in said)


def test_without_images_it_is_soon_not_trusted():
    _, said, _ = played(Body(breath, n_coils=6), 34.0, images_until_s=31.0)
    assert any(one.is_trusted for one in said if 30 < one.time_s[-1] < 31)
    assert not any(one.is_trusted for one in said if one.time_s[-1] > 32.5)


def test_goes_on_from_a_pickled_state_exactly(quiet):
    state, _, _ = quiet
    body, n = Body(breath, n_coils=6), int(50.0 / TR_S)
    one = Navigator().step(state, body.spokes(n, STRIDE))[1]
    other = Navigator().step(pickle.loads(pickle.dumps(state)), body.spokes(n, STRIDE))[1]
    assert np.array_equal(one.displacement_mm, other.displacement_mm)
    assert len(pickle.dumps(state)) < 60_000


def test_features_know_nothing_of_the_common_phase():
    body = Body(breath, n_coils=4, noise=0.0, drift_rad_per_s=0.0)
    drifting = Body(breath, n_coils=4, noise=0.0, drift_rad_per_s=40.0)
    signal, _, features = blocks_of(None, body.spokes(0, STRIDE))
    _, _, drifted = blocks_of(signal, drifting.spokes(STRIDE, STRIDE))
    _, _, still = blocks_of(signal, body.spokes(STRIDE, STRIDE))
    assert len(features) == STRIDE // SPOKES_A_BLOCK
    assert np.abs(drifted - still).max() < 1e-6


def test_what_repeats_with_the_angle_is_taken_away():
    still = Body(
        lambda times: np.zeros((len(times), 2)), n_coils=4, noise=0.0, heart=0.0, delay_per_mm=3e-4
    )
    signal, scatter = None, []
    for i in range(200):
        signal, _, features = blocks_of(signal, still.spokes(i * STRIDE, STRIDE))
        scatter.append(np.ptp(features, axis=0).max())
    assert np.median(scatter[-20:]) < 0.2 * np.median(scatter[:3])


def test_one_coil_and_few_spokes_do():
    spokes = NavigatorSpokes(np.zeros(3), np.ones((3, 1), np.complex64), np.arange(3.0))
    _, time_s, features = blocks_of(None, spokes)
    assert time_s.shape == (1,)
    assert np.isfinite(features).all()
