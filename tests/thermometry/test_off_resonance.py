"""A map moves back by as much as off-resonance has moved it, and no noise is lost count of."""

import dataclasses
import math

import numpy as np
import pytest

from tests.thermometry.phantoms import BODY_C, complex_noise, hot_spot, make_map, make_plan
from thermometry import correct
from thermometry.off_resonance import displacement_px, moved_along_readout

SHAPE = (1, 48, 64)
BANDWIDTH_HZ = 30.0


def plan_of(**changes):
    fields = {"off_resonance_shift": True, "readout_bandwidth_hz_per_px": BANDWIDTH_HZ}
    return make_plan(SHAPE, **{**fields, **changes})


def spot(peak_c=30.0, *, shift_px=0.0):
    step = 2.0 / (SHAPE[2] - 1)
    return BODY_C + hot_spot(SHAPE, peak_c, centre=(0.0, 0.1 + shift_px * step), width=0.12)


def centroid_x(map_):
    rise = np.nan_to_num(map_.temperature_c - BODY_C)
    return float((rise * np.arange(SHAPE[2])).sum() / rise.sum())


def test_a_degree_is_as_many_pixels_as_its_frequency_over_the_bandwidth():
    # 123.2 MHz · -0.0094 ppm/°C · 30 °C = -34.7 Hz
    moved = displacement_px(plan_of(), make_map(spot(), 0.0))
    assert moved.min() == pytest.approx(-34.74 / BANDWIDTH_HZ, rel=0.03)
    opposite = displacement_px(plan_of(phase_sign=-1), make_map(spot(), 0.0))
    assert np.allclose(opposite, -moved)


def test_drift_moves_the_whole_map():
    # 1.3 rad at an echo time of 13 ms are 15.9 Hz, and the slope adds up to 0.5 rad at the edge
    cold = make_map(np.full(SHAPE, BODY_C), 0.0)
    moved = displacement_px(plan_of(), dataclasses.replace(cold, drift_rad=(1.3, 0.0, 0.5)))
    assert moved[0, 10, 32] == pytest.approx(15.9 / BANDWIDTH_HZ, abs=0.01)
    assert moved[0, 10, 63] == pytest.approx(1.8 / (2 * np.pi * 0.013) / BANDWIDTH_HZ, rel=1e-3)


@pytest.mark.parametrize("shift_px", [1.0, -3.0, 0.5, -1.37])
def test_a_map_is_moved_by_so_many_pixels(shift_px):
    map_ = make_map(spot(shift_px=-shift_px), 0.0, std_c=0.3)
    moved = moved_along_readout(map_, np.full(SHAPE, shift_px, np.float32))
    inner = moved.valid.copy()
    inner[:, :, :5], inner[:, :, -5:] = False, False
    assert inner.sum() == SHAPE[1] * (SHAPE[2] - 10)
    assert np.abs(moved.temperature_c - spot())[inner].max() < 0.3


def test_no_move_changes_nothing():
    map_ = make_map(spot(), 0.0, std_c=0.3, common_c=0.1)
    moved = moved_along_readout(map_, np.zeros(SHAPE, np.float32))
    for name in ("temperature_c", "temperature_std_c", "common_std_c", "valid"):
        assert np.array_equal(getattr(moved, name), getattr(map_, name))


def test_there_and_back_is_the_same_map():
    map_ = make_map(spot(), 0.0)
    away = 0.8 * hot_spot(SHAPE, 1.0, centre=(0.0, 0.1), width=0.3).astype(np.float32)
    there = moved_along_readout(map_, away)
    # where each pixel's content lies now, its own way is known again
    index = np.arange(SHAPE[2], dtype=np.float64)
    back = -np.stack([[np.interp(index, index + row, row) for row in away[0]]])
    again = moved_along_readout(there, back.astype(np.float32))
    both = again.valid & map_.valid
    both[:, :, :3], both[:, :, -3:] = False, False
    assert np.abs(again.temperature_c - map_.temperature_c)[both].max() < 0.5
    assert abs(centroid_x(again) - centroid_x(map_)) < 0.01


def test_a_hot_spot_is_moved_more_than_what_is_cold():
    # forward: each column is seen f / BW too low
    x = np.arange(SHAPE[2], dtype=np.float64)
    truth = spot(40.0)[0]
    hz = -1.158 * (truth - BODY_C)
    seen = np.stack([np.interp(x, x - f / BANDWIDTH_HZ, t) for f, t in zip(hz, truth, strict=True)])
    seen_map = make_map(seen[None], 0.0)
    corrected = correct(plan_of(), seen_map)
    assert centroid_x(seen_map) - centroid_x(make_map(truth[None], 0.0)) > 0.3
    assert abs(centroid_x(corrected) - centroid_x(make_map(truth[None], 0.0))) < 0.02
    inner = np.abs(corrected.temperature_c[0] - truth)[:, 4:-4]
    assert np.nanmax(inner) < 1.0


def test_the_deviation_after_moving_is_true():
    rng = np.random.default_rng(1)
    noise = complex_noise(rng, SHAPE, 1.0).real * np.sqrt(2) * 0.5
    map_ = make_map(BODY_C + noise, 0.0, std_c=0.5)
    moved = moved_along_readout(map_, np.full(SHAPE, 0.4, np.float32))
    inner = (slice(None), slice(None), slice(4, -4))
    score = ((moved.temperature_c - BODY_C) / moved.temperature_std_c)[inner]
    assert 0.97 < score.std() < 1.03
    assert moved.temperature_std_c[inner].max() < 0.45


def test_what_was_not_valid_does_not_spread():
    valid = np.ones(SHAPE, np.bool_)
    valid[0, 20, 30] = False
    map_ = dataclasses.replace(
        make_map(spot(), 0.0, std_c=0.3, valid=valid),
        ambiguous=np.zeros(SHAPE, np.bool_),
        fat_fraction=np.full(SHAPE, 0.2, np.float32),
    )
    moved = moved_along_readout(map_, np.full(SHAPE, 2.3, np.float32))
    assert not moved.valid[0, 20, 32]
    assert moved.valid[0, 20].sum() == 64 - 1 - 2
    for array in (moved.temperature_c, moved.temperature_std_c):
        assert np.array_equal(np.isnan(array), ~moved.valid)
    assert moved.fat_fraction[0, 10, 30] == pytest.approx(0.2)
    assert moved.magnitude_ratio is None
    assert not moved.temperature_c.flags.writeable


def test_alpha_widens_in_proportion_to_the_rise_and_leaves_validity_alone():
    plan = make_plan(SHAPE, alpha_std_ppm_per_c=0.00094, max_std_c=2.0)
    map_ = make_map(spot(30.0), 0.0, std_c=0.4, common_c=0.2)
    corrected = correct(plan, map_)
    hottest = np.unravel_index(np.argmax(map_.temperature_c), SHAPE)
    rise = map_.temperature_c[hottest] - BODY_C
    assert corrected.temperature_std_c[hottest] == pytest.approx(math.hypot(0.4, 0.1 * rise))
    assert corrected.common_std_c[hottest] == pytest.approx(math.hypot(0.2, 0.1 * rise))
    assert corrected.scale_std_c[hottest] == pytest.approx(0.1 * rise, rel=1e-5)
    assert corrected.temperature_std_c[0, 0, 0] == pytest.approx(0.4, abs=1e-3)
    assert np.array_equal(corrected.valid, map_.valid)
    assert corrected.temperature_std_c[hottest] > plan.max_std_c


def test_without_either_the_map_is_the_same_object():
    map_ = make_map(spot(), 0.0)
    assert correct(make_plan(SHAPE), map_) is map_
    unknown = plan_of(readout_bandwidth_hz_per_px=math.nan)
    assert correct(unknown, map_) is map_
