import math

import numpy as np
import pytest

from simulators.ellipsoids import HEAD_3D, Ellipsoid, cut, ellipsoid_samples
from simulators.phantom import HEAD, Ellipse, image, kspace
from simulators.points import ellipse_samples

EGG = Ellipsoid(2.0 - 1j, (4.0, -3.0, 6.0), (11.0, 17.0, 14.0), 25.0)


def test_centre_of_kspace_is_the_volume():
    value = ellipsoid_samples([EGG], np.zeros((1, 3)))[0]
    assert value == pytest.approx((2 - 1j) * 4 / 3 * math.pi * 11 * 17 * 14)


def test_kspace_is_the_sum_over_thin_slices():
    # each slice is an ellipse of known transform; only the sum over z is numerical
    k_per_mm = np.array([[0.01, -0.02, 0.015], [0.05, 0.03, -0.04], [-0.11, 0.0, 0.02]])
    step_mm = 0.02
    z_mm = np.arange(-8, 20, step_mm) + step_mm / 2
    expected = sum(
        ellipse_samples(cut([EGG], z), k_per_mm) * np.exp(-2j * np.pi * k_per_mm[:, 2] * z)
        for z in z_mm
    )
    found = ellipsoid_samples([EGG], k_per_mm)
    assert np.abs(found - expected * step_mm).max() < 1e-3 * abs(found[0])


def test_series_at_the_centre_meets_the_formula():
    k_per_mm = np.array([[s / 11 / (2 * np.pi), 0, 0] for s in (0.99e-2, 1.01e-2)])
    upright = Ellipsoid(1.0, (0.0, 0.0, 0.0), (11.0, 11.0, 11.0))
    near, far = ellipsoid_samples([upright], k_per_mm)
    assert near.real == pytest.approx(far.real, rel=1e-5)


def test_the_volume_head_is_the_axial_head_where_it_is_cut_in_the_middle():
    x, y = np.linspace(-80, 80, 33)[None, :], np.linspace(-100, 100, 41)[:, None]
    assert np.array_equal(image(cut(HEAD_3D, 0.0), x, y), image(HEAD, x, y))
    assert cut(HEAD_3D, 95.0) == ()
    assert len(cut(HEAD_3D, 60.0)) < len(HEAD)


def test_an_ellipse_is_the_same_in_every_slice():
    plain = Ellipse(1.0, (0.0, 0.0), (3.0, 4.0))
    assert cut([plain], -50.0) == cut([plain], 50.0) == (plain,)


def test_positions_on_a_grid_agree_with_the_separable_formula():
    fx, fy = np.arange(-5, 6) / 240, np.arange(-4, 5) / 180
    at = np.stack(np.meshgrid(fx, fy), axis=-1).reshape(-1, 2)
    assert np.allclose(ellipse_samples(HEAD, at).reshape(9, 11), kspace(HEAD, fx, fy))
