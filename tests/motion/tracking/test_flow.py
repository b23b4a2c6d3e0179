"""What the dense refinement adds to an affine alignment."""

import numpy as np

from motion import METHODS
from tests.motion.moving import CENTRE, disc, fold, grid, picture, plan, texture

SHIFT = np.array([4.0, -2.0])


def bent(strength=3.0):
    """A picture whose tissue bends: x ↦ x + shift + a bump, and the field in the reference."""
    y, x = grid()

    def field(at_y, at_x):
        bump = strength * np.exp(-((at_y - CENTRE[0] + 6) ** 2 + (at_x - CENTRE[1]) ** 2) / 128.0)
        return np.stack([SHIFT[0] + bump, SHIFT[1] + 0.0 * bump])

    from_y, from_x = y - SHIFT[0], x - SHIFT[1]
    for _ in range(30):
        move = field(from_y, from_x)
        from_y, from_x = y - move[0], x - move[1]
    inside = np.hypot(from_y - CENTRE[0], from_x - CENTRE[1]) <= 11.0
    return texture(from_y, from_x), field(y, x), inside


def dice(first, second):
    return 2 * np.sum(first & second) / (first.sum() + second.sum())


def rms(field):
    return float(np.sqrt(np.mean(np.sum(field[:, disc()] ** 2, axis=0))))


def test_a_bent_tissue_is_followed_better_than_by_an_affine_change():
    now, field, inside = bent()
    _, (_, affine) = fold(METHODS["ncc-affine"](plan()), [picture(), now])
    _, (_, flow) = fold(METHODS["ncc-flow"](plan()), [picture(), now])
    offset = np.stack(grid()) - np.argwhere(disc()).mean(axis=0)[:, None, None]
    stretched = np.tensordot(np.array(affine.matrix) - np.eye(2), offset, axes=1)
    stretched += np.array(affine.displacement_mm)[:, None, None]
    assert rms(flow.field_mm - field) < 0.3
    assert rms(flow.field_mm - field) < 0.7 * rms(stretched - field)
    # of two outlines that pixels cut: one in 40 of a disc of 11 px
    assert dice(flow.target_mask, inside) > 0.97


def test_the_area_is_that_of_the_deformed_target():
    now, _, inside = bent()
    _, (_, place) = fold(METHODS["ncc-flow"](plan()), [picture(), now])
    assert abs(place.area_mm2 / inside.sum() - 1) < 0.02


def test_beyond_the_target_the_field_tells_its_shift_and_has_no_seam():
    now, _, _ = bent()
    _, (_, place) = fold(METHODS["ncc-flow"](plan()), [picture(), now])
    field = place.field_mm
    assert field.dtype == np.float32
    assert field.shape == (2, 96, 100)
    assert np.abs(np.diff(field, axis=1)).max() < 1.0
    assert np.abs(np.diff(field, axis=2)).max() < 1.0
    assert np.abs(field[:, 0, 0] - field[:, -1, -1]).max() == 0.0


def test_trackers_without_flow_have_no_field():
    _, found = fold(METHODS["ncc-affine"](plan()), [picture(), picture()])
    assert found[1].field_mm is None
