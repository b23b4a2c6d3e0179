"""Displacement from pairs of opposite gradients, and where the focus is before it heats."""

import numpy as np
import pytest

from messages import FrameKey
from tests.thermometry.phantoms import (
    anatomy,
    complex_noise,
    coordinates,
    heated,
    hot_spot,
    make_image,
    make_plan,
)
from thermometry.arfi import Arfi, encoding_rad_per_um
from thermometry.arfi_focus import find_focus

SHAPE = (1, 64, 64)
_, Y, X = coordinates(SHAPE)
TARGET = (Y - 0.2) ** 2 + (X + 0.3) ** 2 < 0.5**2
RAD_PER_UM = 0.0535  # 2π · 42.58 MHz/T · 40 mT/m · 5 ms, by hand
EDDY = 0.4 * X - 0.3 * Y + 0.2
SNR = 40.0


def pushed(um, sign, *, rise_c=0.0, field_rad=0.0, bulk_um=0.0):
    turn = sign * (RAD_PER_UM * (um + bulk_um) + EDDY) + field_rad
    return heated(anatomy(SHAPE), rise_c, drift_rad=turn)


def images(um, *, n_baseline=3, n_pairs=3, snr=SNR, seed=0, **of):
    rng = np.random.default_rng(seed)
    std = np.sqrt(2) / snr
    for pair in range(n_baseline + n_pairs):
        for set_, sign in ((0, 1), (1, -1)):
            is_on = pair >= n_baseline
            clean = pushed(um if is_on else 0.0, sign, **(of if is_on else {}))
            noisy = clean + complex_noise(rng, clean.shape, std)
            key = FrameKey(repetition=pair, set=set_)
            yield make_image(noisy, 2 * pair + set_, key=key, noise_std=std)


def maps_of(um, **of):
    plan = make_plan(SHAPE, baseline_frames=3, drift_order=1, heated_mask=TARGET)
    arfi, maps = Arfi(plan, RAD_PER_UM), []
    state = arfi.start()
    for image in images(um, **of):
        state, map_ = arfi.step(state, image)
        maps.append(map_)
    return maps


def spot_um(peak_um, *, centre=(0.2, -0.3)):
    return hot_spot(SHAPE, peak_um, centre=centre, width=0.1)


def centre_px(centre):
    return tuple((np.array(centre) + 1) / 2 * 63)


def test_encoding_of_a_micrometre():
    assert encoding_rad_per_um(40.0, 0.005) == pytest.approx(RAD_PER_UM, rel=1e-3)


def test_difference_is_displacement_and_sum_is_temperature():
    um, rise = spot_um(5.0), spot_um(4.0)
    maps = [one for one in maps_of(um, rise_c=rise, bulk_um=2.0 + 3.0 * X) if one is not None]
    assert len(maps) == 3
    for map_ in maps:
        assert map_.valid.all()
        score = (map_.displacement_um - um) / map_.displacement_std_um
        assert 0.95 < score.std() < 1.05
        # bulk motion is taken off from what lies around the target
        assert abs(score.mean()) < 0.1
        score = (map_.rise_c - rise) / map_.rise_std_c
        assert 0.95 < score.std() < 1.05
        assert abs(score.mean()) < 0.1


def test_one_map_a_pair_and_none_while_the_baseline_is_gathered():
    maps = maps_of(spot_um(5.0))
    assert [one is None for one in maps] == [True] * 7 + [False, True, False, True, False]
    assert [one.frame_id for one in maps if one is not None] == [7, 9, 11]


def test_displacement_wraps_at_half_a_turn_of_the_difference():
    # ± 29 µm: π / (2 · 0.0535)
    within = [one for one in maps_of(spot_um(27.0)) if one is not None]
    peak = np.unravel_index(np.argmax(spot_um(27.0)), SHAPE)
    assert within[0].displacement_um[peak] == pytest.approx(spot_um(27.0)[peak], abs=2.0)


@pytest.mark.parametrize("centre", [(0.2, -0.3), (0.05, -0.1)])
@pytest.mark.parametrize("peak_um", [5.0, -5.0])
def test_the_focus_is_found_where_tissue_is_pushed(centre, peak_um):
    maps = [one for one in maps_of(spot_um(peak_um, centre=centre)) if one is not None]
    y, x = centre_px(centre)
    for map_ in maps:
        assert map_.focus.at_px[1] == pytest.approx(y, abs=0.3)
        assert map_.focus.at_px[2] == pytest.approx(x, abs=0.3)
        assert map_.focus.peak_um == pytest.approx(0.95 * peak_um, rel=0.15)


def test_the_centroid_is_as_uncertain_as_it_says():
    rng = np.random.default_rng(3)
    um, std = spot_um(5.0), np.full(SHAPE, 0.5, np.float32)
    found = [
        find_focus((um + 0.5 * rng.standard_normal(SHAPE)).astype(np.float32), std, where=TARGET)
        for _ in range(300)
    ]
    at = np.array([one.at_px[1:] for one in found])
    stated = np.array([one.std_px[1:] for one in found]).mean(axis=0)
    assert np.abs(at.mean(axis=0) - centre_px((0.2, -0.3))).max() < 0.05
    assert np.all(np.abs(at.std(axis=0) / stated - 1) < 0.2)


def test_noise_alone_is_no_focus():
    for seed in range(20):
        maps = maps_of(np.zeros(SHAPE), seed=seed, n_baseline=3, n_pairs=1)
        assert maps[-1].focus is None


def test_incomplete_images_and_other_sets():
    plan = make_plan(SHAPE, baseline_frames=1, heated_mask=TARGET)
    arfi = Arfi(plan, RAD_PER_UM)
    state = arfi.start()
    same, map_ = arfi.step(state, make_image(anatomy(SHAPE), is_complete=False))
    assert same is state
    assert map_ is None
    with pytest.raises(ValueError, match="frame 4: set is 2, expected 0 or 1"):
        arfi.step(state, make_image(anatomy(SHAPE), 4, key=FrameKey(set=2)))


def test_nothing_is_found_where_nothing_is_known():
    nothing = np.full(SHAPE, np.nan, np.float32)
    assert find_focus(nothing, nothing, where=TARGET) is None
