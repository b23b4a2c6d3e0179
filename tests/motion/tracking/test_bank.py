"""Templates of breathing states: used where the reference no longer resembles the tissue."""

import numpy as np

from motion import METHODS
from tests.motion.moving import fold, grid, picture, plan


def inhaled(depth_mm, *, seed):
    """Tissue that moves, and whose other half comes into the plane as it does."""
    y, x = grid()
    moved = picture((depth_mm, 0.0))
    share = 0.9 * np.clip(depth_mm / 14.0, 0.0, 1.0)
    other = 5.0 + 0.6 * (
        np.cos(0.31 * (y - depth_mm) - 0.2 * x) + np.cos(0.17 * x + 0.3 * (y - depth_mm))
    )
    rng = np.random.default_rng(seed)
    return (1 - share) * moved + share * other + 0.05 * rng.standard_normal(y.shape)


DEPTHS = [7.0 * (1 - np.cos(0.35 * n)) for n in range(60)]


def test_a_deep_breath_is_followed_by_its_own_template():
    pictures = [inhaled(d, seed=n) for n, d in enumerate(DEPTHS)]
    state, found = fold(METHODS["ncc-affine"](plan(training_frames=20)), pictures)
    assert len(state.followed["target"].templates) > 1
    later = list(zip(found, DEPTHS, strict=True))[20:]
    believed = [(one, depth) for one, depth in later if one.is_tracked]
    assert len(believed) >= 0.95 * len(later)
    errors = [one.displacement_mm[0] - depth for one, depth in believed]
    # what each new state inherits from the one before it
    assert np.abs(errors).max() < 2.0
    assert abs(np.mean(errors[:20]) - np.mean(errors[20:])) < 0.3


def test_a_template_is_only_of_a_breath_that_was_believed():
    pictures = [inhaled(d, seed=n) for n, d in enumerate(DEPTHS)]
    state, _ = fold(METHODS["ncc-affine"](plan(training_frames=20)), pictures)
    places = np.array(state.followed["target"].places_mm)
    away = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert away[~np.eye(len(places), dtype=bool)].min() >= 4.0
    assert np.abs(places[:, 1]).max() < 1.0
