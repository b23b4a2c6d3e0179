"""Templates of breathing states: used where the reference no longer resembles the tissue."""

import numpy as np
import pytest

from motion import METHODS
from tests.motion.moving import fold, grid, picture, plan


def inhaled(depth_mm, *, seed, exchanged=0.6):
    """Tissue that moves, and of which a share is exchanged in the plane as it does."""
    y, x = grid()
    moved = picture((depth_mm, 0.0))
    share = exchanged * np.clip(depth_mm / 14.0, 0.0, 1.0)
    other = 5.0 + 0.6 * (
        np.cos(0.31 * (y - depth_mm) - 0.2 * x) + np.cos(0.17 * x + 0.3 * (y - depth_mm))
    )
    rng = np.random.default_rng(seed)
    return (1 - share) * moved + share * other + 0.05 * rng.standard_normal(y.shape)


DEPTHS = [7.0 * (1 - np.cos(0.35 * n)) for n in range(60)]


def followed(exchanged):
    pictures = [inhaled(d, seed=n, exchanged=exchanged) for n, d in enumerate(DEPTHS)]
    state, found = fold(METHODS["ncc-affine"](plan(training_frames=20)), pictures)
    return state, list(zip(found, DEPTHS, strict=True))[20:]


def error_mm(one, depth):
    return np.hypot(one.displacement_mm[0] - depth, one.displacement_mm[1])


def test_a_deep_breath_is_followed_by_its_own_template():
    state, later = followed(0.6)
    assert len(state.followed["target"].templates) > 1
    believed = [(one, depth) for one, depth in later if one.is_tracked]
    assert len(believed) >= 0.95 * len(later)
    errors = np.array([one.displacement_mm[0] - depth for one, depth in believed])
    # what each new state inherits from the one before it
    assert np.abs(errors).max() < 1.3
    assert abs(np.mean(errors[:20]) - np.mean(errors[20:])) < 0.3


@pytest.mark.parametrize("exchanged", [0.3, 0.6, 0.9])
def test_what_a_state_inherits_is_told(exchanged):
    _, later = followed(exchanged)
    for one, depth in later:
        # 0.15 mm: a bend within the target is no noise
        assert error_mm(one, depth) < 2.5 * one.displacement_std_mm + 0.15
    # and it is no boundless caution: where something is exchanged it is an error's size
    deep = [(one, depth) for one, depth in later if depth > 7.0]
    scaled = [error_mm(one, depth) / one.displacement_std_mm for one, depth in deep]
    assert np.mean(scaled) > 0.3


def test_where_the_chain_has_lost_its_hold_nothing_is_believed():
    _, later = followed(0.9)
    assert any(not one.is_tracked for one, _ in later)
    assert all(error_mm(one, depth) < 1.5 for one, depth in later if one.is_tracked)
    assert all("low-contrast" in one.doubts for one, _ in later if one.displacement_std_mm > 1.0)


def test_a_template_is_only_of_a_breath_that_was_believed():
    pictures = [inhaled(d, seed=n) for n, d in enumerate(DEPTHS)]
    state, _ = fold(METHODS["ncc-affine"](plan(training_frames=20)), pictures)
    places = np.array(state.followed["target"].places_mm)
    away = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert away[~np.eye(len(places), dtype=bool)].min() >= 4.0
    assert np.abs(places[:, 1]).max() < 1.0
