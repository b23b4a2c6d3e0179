"""Promises that every method for echo trains keeps, in water alone: those of one echo, and more."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from tests.thermometry.water_fat_phantom import (
    BODY_C,
    fold,
    grid,
    make_image,
    make_plan,
    spot,
    train,
)
from thermometry import METHODS, NEEDS_ECHO_TIMES

SHAPE = (1, 32, 32)
TRAINS = sorted(NEEDS_ECHO_TIMES & set(METHODS))
EVERY_METHOD = pytest.mark.parametrize("method", [METHODS[name] for name in TRAINS], ids=TRAINS)
ORDERS = pytest.mark.parametrize("drift_order", [-1, 0, 1, 2])
HEATED = spot(SHAPE, 1) > 1e-3


def plan_of(**changes):
    return make_plan(SHAPE, **{"heated_mask": HEATED, "baseline_frames": 1, **changes})


def water(plan, **changes):
    """R2* alone stays: a field of its own would be the other method's drift."""
    return train(plan, fat_fraction=0.0, **changes)


def images_of(plan, *signals, **changes):
    return [make_image(plan, signal, i, **changes) for i, signal in enumerate(signals)]


@EVERY_METHOD
@ORDERS
def test_identical_trains_give_zero_rise(method, drift_order):
    plan = plan_of(drift_order=drift_order)
    _, maps = fold(method(plan), images_of(plan, *[water(plan)] * 3))
    assert maps[-1].valid.all()
    assert np.abs(maps[-1].temperature_c - BODY_C).max() < 0.001


@EVERY_METHOD
@pytest.mark.parametrize("phase_sign", [1, -1])
def test_inverts_the_forward_model_beyond_whole_turns(method, phase_sign):
    # 150 °C is 2.4 turns of the first echo and 5.2 of the last
    plan = plan_of(phase_sign=phase_sign)
    rises = [spot(SHAPE, peak) for peak in np.linspace(0, 150, 10)]
    heated = [water(plan, rise_c=rise) for rise in rises]
    _, maps = fold(method(plan), images_of(plan, water(plan), *heated))
    for map_, rise in zip(maps[1:], rises, strict=True):
        assert map_.valid.all()
        assert np.abs(map_.temperature_c - BODY_C - rise).max() < 0.01


@EVERY_METHOD
@ORDERS
@pytest.mark.parametrize("scale", [1e-7, 1e7])
def test_is_blind_to_the_magnitude_scale(method, drift_order, scale):
    plan = plan_of(drift_order=drift_order, baseline_frames=3)

    def scaled(image, by):
        echoes = tuple(
            replace(one, pixels=one.pixels * by, coil_pixels=(one.coil_pixels * by).astype("c8"))
            for one in image.echoes
        )
        return replace(image, echoes=echoes, coil_pixels=echoes[0].coil_pixels)

    rng = np.random.default_rng(1)
    images = images_of(plan, *[water(plan)] * 5, rng=rng, is_noise_known=False)
    _, plain = fold(method(plan), images)
    _, maps = fold(method(plan), [scaled(one, np.float32(scale)) for one in images])
    assert np.array_equal(maps[-1].valid, plain[-1].valid)
    assert np.nanmax(np.abs(maps[-1].temperature_c - plain[-1].temperature_c)) < 0.001
    assert np.nanmax(np.abs(maps[-1].temperature_std_c / plain[-1].temperature_std_c - 1)) < 1e-3


@EVERY_METHOD
def test_is_blind_to_a_common_phase_and_a_jump_of_the_field(method):
    plan, rise = plan_of(drift_order=1), spot(SHAPE, 10)
    y, _ = grid(SHAPE)
    moved = water(plan, rise_c=rise, drift_hz=12.0 + 3 * y, phase_rad=2.5)
    _, plain = fold(method(plan), images_of(plan, water(plan), water(plan, rise_c=rise)))
    _, maps = fold(method(plan), images_of(plan, water(plan), moved))
    assert np.abs(maps[-1].temperature_c - plain[-1].temperature_c).max() < 0.002


@EVERY_METHOD
def test_leaves_its_input_alone_and_repeats_itself(method):
    plan = plan_of(baseline_frames=2)
    images = images_of(plan, *[water(plan)] * 4, rng=np.random.default_rng(2))
    for image in images:
        for echo in image.echoes:
            echo.coil_pixels[0, 0, 3, 3] = np.nan
            echo.coil_pixels.flags.writeable = False
    _, first = fold(method(plan), images)
    _, second = fold(method(plan), images)
    assert first[-1].temperature_c.tobytes() == second[-1].temperature_c.tobytes()
    assert not first[-1].valid[0, 3, 3]


@EVERY_METHOD
def test_state_survives_a_checkpoint_at_any_frame(method):
    plan = plan_of(baseline_frames=2)
    images = images_of(plan, *[water(plan)] * 5, rng=np.random.default_rng(3))
    thermometer = method(plan)
    _, straight = fold(thermometer, images)
    state = thermometer.start()
    for image in images:
        state, map_ = thermometer.step(pickle.loads(pickle.dumps(state)), image)
    assert map_.temperature_c.tobytes() == straight[-1].temperature_c.tobytes()


@EVERY_METHOD
def test_maps_are_read_only_and_nan_where_not_valid(method):
    plan = plan_of()
    signal = water(plan)
    signal[:, :, :4] = 0
    _, maps = fold(method(plan), images_of(plan, signal, signal))
    for map_ in maps:
        for field in ("temperature_c", "temperature_std_c", "common_std_c"):
            array = getattr(map_, field)
            assert not array.flags.writeable
            assert array.dtype == np.float32
            assert np.array_equal(np.isnan(array), ~map_.valid)
        assert not map_.valid.flags.writeable


@EVERY_METHOD
def test_an_incomplete_train_measures_nothing_and_leaves_no_trace(method):
    plan = plan_of(baseline_frames=3)
    images = images_of(plan, *[water(plan)] * 6, rng=np.random.default_rng(4))
    broken = make_image(plan, water(plan, rise_c=80.0), is_complete=False)
    thermometer = method(plan)
    _, clean = fold(thermometer, images)
    mixed = [broken, images[0], broken, *images[1:4], broken, *images[4:], broken]
    _, maps = fold(thermometer, mixed)
    assert not any(maps[i].valid.any() or maps[i].is_baseline for i in (0, 2, 6, 9))
    assert maps[-2].temperature_c.tobytes() == clean[-1].temperature_c.tobytes()


@EVERY_METHOD
def test_baseline_maps_hold_no_temperature(method):
    plan = plan_of(baseline_frames=3)
    _, maps = fold(method(plan), images_of(plan, *[water(plan)] * 4))
    assert [m.is_baseline for m in maps] == [True, True, True, False]
    assert [m.baseline_frames for m in maps] == [1, 2, 3, 3]
    assert not any(m.valid.any() for m in maps[:3])
    assert maps[3].valid.all()
