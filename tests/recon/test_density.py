"""Each sample stands for its area of k-space."""

import numpy as np
import pytest

from recon.density import density, is_spoke, iterative_density, radial_density
from tests.recon.nonuniform import spiral, spokes


@pytest.mark.parametrize("n_spokes", [3, 21, 34])
def test_areas_of_spokes_sum_to_the_disc(n_spokes):
    areas = radial_density(list(spokes(5, n_spokes)))
    # samples from -16 to 15.5: the cells reach a quarter of a cycle further or less far
    assert abs(np.sum(areas) / (np.pi * 16**2) - 1) < 0.002


def test_the_centre_is_shared_and_not_lost():
    # Its cell's area, π / 16, would be half as much again: a veil of the mean signal
    areas = np.array(radial_density(list(spokes(0, 34))))
    assert np.isclose(areas[:, 32].sum(), np.pi * 0.5**2 / 6, rtol=1e-5)


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5, 0.9])
def test_a_sum_by_areas_is_the_integral(shift):
    # Of a Gaussian of 5 cycles: what an image's spectrum is like, many times wider than a sample
    angle = np.pi * np.arange(40) / 40
    radius = (np.arange(80) - 40 + shift) * 0.5
    all_spokes = [np.outer(radius, [np.sin(a), np.cos(a)]).astype(np.float32) for a in angle]
    areas = np.array(radial_density(all_spokes))
    summed = np.sum(areas * np.exp(-np.pi * (radius / 5) ** 2))
    # the centre alone is 1/400 of it
    assert abs(summed / 5**2 - 1) < 1e-4


def test_evenly_spread_spokes_weigh_by_the_ramp():
    angle = np.pi * np.arange(10) / 10
    radius = (np.arange(64) - 32) * 0.5
    even = [np.outer(radius, [np.sin(a), np.cos(a)]) for a in angle]
    expected = np.abs(radius) * 0.5 * np.pi / 10
    expected[32] = 0.5**2 / 6 * np.pi / 10
    # the last ring has rays on one side only (-16 has no counterpart at 15.5 beyond it)
    np.testing.assert_allclose(radial_density(even)[3], expected, rtol=1e-5)


def test_spokes_that_reach_half_as_far_leave_the_outside_to_the_others():
    full, half = list(spokes(0, 8)), list(spokes(0, 8)[:, 16:48])
    areas = radial_density(
        [one if i % 2 else short for i, (one, short) in enumerate(zip(full, half, strict=True))]
    )
    assert abs(sum(one.sum() for one in areas) / (np.pi * 16**2) - 1) < 0.05
    everyone = radial_density(full)
    assert areas[1][2] > 1.3 * everyone[1][2]


def test_a_spoke_measured_twice_counts_half():
    once = list(spokes(0, 5))
    twice = radial_density([*once, once[0]])
    np.testing.assert_allclose(twice[0] + twice[5], radial_density(once)[0], rtol=1e-5)


def test_the_areas_of_a_spiral_are_those_of_its_rings():
    arms = spiral()
    areas = np.array(iterative_density([one.astype(np.float32) for one in arms]))
    radius = np.hypot(*arms[0].T)
    middle = (radius > 2) & (radius < 13)
    expected = 2 * np.pi * radius[middle] * (radius[1] - radius[0]) / len(arms)
    assert np.abs(areas.mean(0)[middle] / expected - 1).max() < 0.08
    assert abs(areas.sum() / (np.pi * 16**2) - 1) < 0.03


def test_the_kind_of_trajectory_is_seen():
    assert all(is_spoke(one) for one in spokes(0))
    assert not any(is_spoke(one) for one in spiral())
    arms = [one.astype(np.float32) for one in spiral()]
    np.testing.assert_array_equal(density(arms)[2], iterative_density(arms)[2])
