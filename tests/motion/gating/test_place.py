"""The end-exhale place is found whichever way the axes point."""

import numpy as np
import pytest

from motion.gating import end_exhale_mm


def places(*, depth_mm=(12.0, 3.0), rest_mm=(2.0, -1.0), power=6, noise_mm=0.2):
    level = np.cos(np.pi * np.arange(320) * 0.125 / 4.0) ** power
    noise = noise_mm * np.random.default_rng(0).standard_normal((320, 2))
    return (np.array(rest_mm) + level[:, None] * np.array(depth_mm) + noise).astype(np.float32)


@pytest.mark.parametrize("depth_mm", [(12.0, 3.0), (-12.0, 3.0), (0.0, 9.0), (0.0, -9.0)])
def test_it_is_where_the_target_stays_longer(depth_mm):
    assert end_exhale_mm(places(depth_mm=depth_mm)) == pytest.approx((2.0, -1.0), abs=0.5)


def test_the_head_decides_where_breath_is_even():
    even = places(power=2)  # as long at either end
    head_up = end_exhale_mm(even, cranial=(-1.0, 0.0))
    assert head_up == pytest.approx((2.0, -1.0), abs=0.6)
    head_down = end_exhale_mm(even, cranial=(1.0, 0.0))
    assert head_down == pytest.approx((14.0, 2.0), abs=0.6)


def test_motion_across_the_head_s_direction_goes_by_where_it_stays():
    assert end_exhale_mm(places(depth_mm=(0.0, 9.0)), cranial=(1.0, 0.0)) == pytest.approx(
        (2.0, -1.0), abs=0.5
    )


def test_a_target_that_rests_is_where_it_rests():
    still = places(depth_mm=(0.0, 0.0))
    assert end_exhale_mm(still) == pytest.approx((2.0, -1.0), abs=0.5)
    assert end_exhale_mm(np.zeros((24, 2), np.float32)) == (0.0, 0.0)


def test_a_few_odd_places_hardly_move_it():
    odd = places()
    odd[::40] = (60.0, -50.0)
    assert end_exhale_mm(odd, cranial=(-1.0, 0.0)) == pytest.approx((2.0, -1.0), abs=4.0)
