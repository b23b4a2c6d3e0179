"""Harmonic functions are continued as they are; noise is carried as it is."""

import numpy as np
import pytest

from thermometry.referenceless.laplace import extension

SHAPE = (1, 60, 70)
_, ROW, COLUMN = np.indices(SHAPE).astype(float)
VOXEL_MM = (3.0, 1.0, 1.0)
DISC = (ROW - 30) ** 2 + (COLUMN - 34) ** 2 < 12**2
ALL = np.ones(SHAPE, np.bool_)


def extended(field, inside=DISC, known=ALL, voxel_mm=VOXEL_MM):
    reach = extension(inside, known, voxel_mm=voxel_mm)
    return reach, reach.weights @ field.ravel()[reach.support]


@pytest.mark.parametrize(
    ("field", "most"),
    [
        (np.ones(SHAPE), 1e-5),
        (ROW - 2 * COLUMN, 1e-3),
        ((ROW - 30) ** 2 - (COLUMN - 34) ** 2, 1e-3),
        # a wire nine pixels beside the mask: the second differences' own error
        (100 * np.log(np.hypot(ROW - 30, COLUMN - 55.5)), 0.04),
    ],
)
def test_continues_harmonic_fields(field, most):
    reach = extension(DISC, ALL, voxel_mm=VOXEL_MM)
    assert reach.inside.size == np.count_nonzero(DISC)
    values = reach.harmonic @ field.ravel()[reach.border]
    assert np.abs(values - field.ravel()[reach.inside]).max() < most


def test_smoothing_cuts_curves_short_but_keeps_slopes():
    slope = ROW - 2 * COLUMN
    reach, values = extended(slope)
    assert np.abs(values - slope.ravel()[reach.inside]).max() < 1e-3
    curve = (ROW - 30) ** 2 - (COLUMN - 34) ** 2
    _, values = extended(curve)
    assert 0.5 < np.abs(values - curve.ravel()[reach.inside]).max() < 6


def test_thin_voxels_have_their_own_second_differences():
    field = (2 * (ROW - 30)) ** 2 - (COLUMN - 34) ** 2  # harmonic where rows are 2 mm apart
    reach = extension(DISC, ALL, voxel_mm=(3.0, 2.0, 1.0))
    truth = field.ravel()[reach.inside]
    assert np.abs(reach.harmonic @ field.ravel()[reach.border] - truth).max() < 1e-2
    square = extension(DISC, ALL, voxel_mm=VOXEL_MM)
    assert np.abs(square.harmonic @ field.ravel()[square.border] - truth).max() > 10


def test_variance_is_that_of_noise():
    rng = np.random.default_rng(1)
    reach = extension(DISC, ALL, voxel_mm=VOXEL_MM)
    noise = rng.standard_normal((4000, reach.support.size)).astype(np.float32)
    found = np.var(noise @ reach.weights.T, axis=0)
    expected = reach.squares.sum(axis=1)
    assert np.allclose(found, expected, rtol=0.15)
    # smoothing and distance: far less than a pixel's own noise
    assert expected.max() < 0.6
    assert expected.min() < 0.02


def test_nothing_flows_through_a_border_without_signal():
    known = ALL & (COLUMN < 34)
    reach, values = extended(COLUMN - 34, known=known)
    assert np.all(reach.support % SHAPE[2] < 34)
    assert np.isfinite(values).all()
    # closed on one side: what is there is what the open side has, not zero
    assert values.mean() < -2


def test_an_island_without_border_has_no_answer():
    known = np.zeros(SHAPE, np.bool_)
    reach = extension(DISC, known, voxel_mm=VOXEL_MM)
    assert reach.inside.size == 0
    island = DISC | ((ROW - 10) ** 2 + (COLUMN - 60) ** 2 < 9)
    only_left = ALL & (COLUMN < 50)
    reach = extension(island, only_left, voxel_mm=VOXEL_MM)
    assert reach.inside.size == np.count_nonzero(DISC)


def test_slices_do_not_mix():
    inside = np.concatenate([DISC, np.zeros_like(DISC), DISC])
    field = np.concatenate([np.full(SHAPE, v) for v in (1.0, 9.0, 3.0)])
    reach = extension(inside, np.ones(inside.shape, np.bool_), voxel_mm=VOXEL_MM)
    values = np.zeros(inside.size)
    values[reach.inside] = reach.weights @ field.ravel()[reach.support]
    values = values.reshape(inside.shape)
    assert np.allclose(values[0][DISC[0]], 1.0, atol=1e-4)
    assert np.allclose(values[2][DISC[0]], 3.0, atol=1e-4)
