"""Frames that must not be believed, and frames that must."""

import numpy as np
import pytest

from motion import METHODS
from tests.motion.moving import breathing, fold, grid, image, picture, plan

N_BEFORE = 30


@pytest.fixture(scope="module")
def followed():
    tracker = METHODS["ncc-affine"](plan())
    pictures, _ = breathing(N_BEFORE)
    state, found = fold(tracker, pictures)
    assert not any(one.doubts for one in found)
    return tracker, state


def after(followed, pictures, *, first=N_BEFORE):
    """Displacements of pictures that follow, and the last state."""
    tracker, state = followed
    found = []
    for number, one in enumerate(pictures, first):
        state, place = tracker.step(state, image(one, number))
        found.append(place)
    return state, found


def other_tissue(seed):
    y, x = grid()
    rng = np.random.default_rng(seed)
    waves = zip(rng.uniform(0.1, 0.5, (12, 2)), rng.uniform(0, 6, 12), strict=True)
    return 5.0 + 0.3 * sum(np.cos(k[0] * y - k[1] * x + p) for k, p in waves)


def test_other_tissue_in_its_place_is_out_of_plane(followed):
    _, found = after(followed, [other_tissue(seed) for seed in range(10)])
    assert all(not one.is_tracked for one in found)
    assert all("low-similarity" in one.doubts for one in found)


def test_a_burst_of_noise_is_doubted(followed):
    _, (place,) = after(followed, [picture(noise=2.0, seed=99)])
    assert "low-similarity" in place.doubts
    assert "out-of-plane" not in place.doubts


def test_a_flat_image_is_doubted(followed):
    _, (place,) = after(followed, [np.full((96, 100), 5.0)])
    assert "low-similarity" in place.doubts
    assert "low-contrast" in place.doubts


def test_lost_contrast_is_low_contrast(followed):
    _, (place,) = after(followed, [5.0 + 0.2 * (picture() - 5.0)])
    assert "low-contrast" in place.doubts


def test_a_texture_in_one_direction_is_low_contrast():
    y, _ = grid()
    stripes = 5.0 + np.cos(0.4 * y)
    rng = np.random.default_rng(0)
    pictures = [stripes + 0.3 * rng.standard_normal(stripes.shape) for _ in range(8)]
    _, found = fold(METHODS["ncc-affine"](plan()), pictures)
    assert all("low-contrast" in one.doubts for one in found[1:])


def test_farther_than_the_search_is_doubted(followed):
    _, (place,) = after(followed, [picture((33.0, 0.0))])
    assert not place.is_tracked


def test_a_doubted_frame_changes_nothing_but_jumps(followed):
    _, state = followed
    poisoned, _ = after(followed, [other_tissue(seed) for seed in range(20)])
    assert poisoned.followed["target"].trust == state.followed["target"].trust
    assert poisoned.followed["target"].templates is state.followed["target"].templates


def test_after_a_long_failure_the_target_is_found_at_once(followed):
    lost = [other_tissue(seed) for seed in range(100)]
    state, _ = after(followed, lost)
    tracker, _ = followed
    _, place = tracker.step(state, image(picture((5.0, 1.0), noise=0.1), 200))
    assert place.is_tracked
    assert np.abs(np.subtract(place.displacement_mm, (5.0, 1.0))).max() < 0.2


def test_a_jump_is_doubted_and_believed_once_it_stays(followed):
    there = [picture((-18.0, 0.0), noise=0.1, seed=n) for n in range(6)]
    tracker, state = followed
    found = []
    for n, one in enumerate(there):
        # 50 ms: 18 mm in this time is no tissue
        stamped = image(one, N_BEFORE + n, time_s=(N_BEFORE - 1) * 0.25 + 0.05 * (n + 1))
        state, place = tracker.step(state, stamped)
        found.append(place)
    assert [one.doubts for one in found] == [("jump",)] * 3 + [()] * 3


def test_a_cough_is_no_jump(followed):
    # 20 mm back and forth within 1.5 s at 4 Hz: 60 mm/s at most
    path = [(0.0, 0.0), (10.0, 2.0), (-4.0, 0.0), (9.0, 1.0), (0.0, 0.0)]
    _, found = after(followed, [picture(shift, noise=0.1, seed=n) for n, shift in enumerate(path)])
    assert all(one.is_tracked for one in found)


def test_noise_in_the_training_is_no_template():
    pictures, _ = breathing(20)
    pictures[4] = picture(noise=3.0, seed=5)
    _, found = fold(METHODS["ncc-affine"](plan(training_frames=12)), pictures)
    assert found[4].doubts
    assert not any(one.doubts for one in found[12:])


def test_no_false_alarm_over_a_long_quiet_stretch(followed):
    pictures = [picture((0.0, 0.0), noise=0.1, seed=n) for n in range(100)]
    deep, _ = breathing(8, amplitude=14.0)
    _, found = after(followed, pictures + deep)
    assert all(one.is_tracked for one in found)
