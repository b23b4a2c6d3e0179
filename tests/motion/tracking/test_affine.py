"""What the affine tracker recovers."""

import numpy as np
import pytest

from motion import METHODS
from tests.motion.moving import breathing, disc, fold, picture, plan


@pytest.mark.parametrize(
    ("shift", "matrix"),
    [
        ((0.0, 0.0), ((1.0, 0.0), (0.0, 1.0))),
        ((4.3, -3.6), ((1.06, 0.0), (0.0, 0.95))),
        ((-7.2, 2.1), ((1.0, 0.07), (-0.04, 1.0))),
    ],
)
def test_a_known_affine_motion_is_recovered(shift, matrix):
    _, (_, place) = fold(METHODS["ncc-affine"](plan()), [picture(), picture(shift, matrix)])
    assert np.abs(np.subtract(place.displacement_mm, shift)).max() < 0.1
    # 0.01 of shape is 0.1 px at the rim
    assert np.abs(np.subtract(place.matrix, matrix)).max() < 0.01
    assert place.area_mm2 == pytest.approx(np.linalg.det(matrix) * disc().sum(), rel=0.015)
    assert place.target_mask.sum() == pytest.approx(place.area_mm2, rel=0.03)


def test_the_matrix_is_told_in_millimetres():
    matrix = ((1.0, 0.06), (0.0, 1.0))
    tracker = METHODS["ncc-affine"](plan(pixel_mm=(1.0, 2.0)))
    _, (_, place) = fold(tracker, [picture(), picture((0.0, 0.0), matrix)])
    # 0.06 rows for each column are 0.03 mm for each millimetre
    assert place.matrix[0][1] == pytest.approx(0.03, abs=0.006)


def test_no_drift_over_many_breaths():
    pictures, shifts = breathing(150, noise=0.1)
    _, found = fold(METHODS["ncc-affine"](plan()), pictures)
    errors = np.array(
        [np.subtract(p.displacement_mm, s) for p, s in zip(found, shifts, strict=True)]
    )
    assert np.abs(errors[-30:].mean(axis=0) - errors[:30].mean(axis=0)).max() < 0.03
    assert not any(one.doubts for one in found)


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_the_reported_deviation_is_true(noise):
    pictures, shifts = breathing(120, noise=noise)
    _, found = fold(METHODS["ncc-affine"](plan()), pictures)
    scaled = [
        np.subtract(place.displacement_mm, shift) / place.displacement_std_mm
        for place, shift in list(zip(found, shifts, strict=True))[6:]
    ]
    # within a factor of 1.5 either way
    assert 1 / 1.5 < np.sqrt(np.mean(np.square(scaled))) < 1.5
