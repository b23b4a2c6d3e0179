"""Promises that every method of thermometry.METHODS keeps, and those of thermal dose."""

import dataclasses
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.thermometry.phantoms import (
    BODY_C,
    RAD_PER_C,
    anatomy,
    complex_noise,
    coordinates,
    fold,
    heated,
    hot_spot,
    make_image,
    make_map,
    make_plan,
)
from thermometry import METHODS, accumulate_dose, start_dose

SHAPE = (1, 32, 32)
Z, Y, X = coordinates(SHAPE)
# where the plan expects heat: five deviations of the spot, whose rim is no background any more
HEATED = (Y - 0.2) ** 2 + (X + 0.3) ** 2 < 0.6**2
# these take the background from the frame itself and show what lies about the heat only
WITHOUT_BASELINE = {"near-harmonic", "referenceless", "referenceless-l1"}
# one echo does not tell water from fat: these keep the same laws in test_echo_thermometry_laws.py
ONLY_TRAINS = {"water-fat"}
# these laws play phase, which T1 does not look at: its own are in tests/thermometry/test_t1.py
BY_MAGNITUDE = {"t1"}
OF_ONE_ECHO = [name for name in METHODS if name not in ONLY_TRAINS | BY_MAGNITUDE]
EVERY_METHOD = pytest.mark.parametrize(
    "method", [METHODS[name] for name in OF_ONE_ECHO], ids=OF_ONE_ECHO
)
WITH_BASELINE = pytest.mark.parametrize(
    "method", [METHODS[name] for name in OF_ONE_ECHO if name not in WITHOUT_BASELINE]
)
ORDERS = pytest.mark.parametrize("drift_order", [-1, 0, 1, 2])


def plan_of(**changes):
    return make_plan(SHAPE, heated_mask=HEATED, **changes)


@EVERY_METHOD
@ORDERS
def test_identical_images_give_zero_rise(method, drift_order):
    images = [make_image(anatomy(SHAPE), i) for i in range(3)]
    _, maps = fold(method(plan_of(drift_order=drift_order)), images)
    assert maps[-1].valid[HEATED].all()
    assert np.nanmax(np.abs(maps[-1].temperature_c - BODY_C)) < 0.001


@EVERY_METHOD
@pytest.mark.parametrize("phase_sign", [1, -1])
def test_inverts_the_forward_model_beyond_whole_turns(method, phase_sign):
    # 150 °C is 2.26 turns; each of the ten frames adds less than half a turn
    rises = [hot_spot(SHAPE, peak) for peak in np.linspace(0, 150, 10)]
    coils = anatomy(SHAPE)
    images = [make_image(coils)] + [
        make_image(heated(coils, rise, rad_per_c=phase_sign * RAD_PER_C)) for rise in rises
    ]
    _, maps = fold(method(plan_of(phase_sign=phase_sign)), images)
    for map_, rise in zip(maps[1:], rises, strict=True):
        assert map_.valid[HEATED].all()
        assert np.nanmax(np.abs(map_.temperature_c - BODY_C - rise)) < 0.01


@EVERY_METHOD
@ORDERS
@pytest.mark.parametrize("scale", [1e-7, 1e7])
def test_is_blind_to_the_magnitude_scale(method, drift_order, scale):
    rng = np.random.default_rng(1)
    coils = anatomy(SHAPE)
    noisy = [
        heated(coils, rise) + complex_noise(rng, coils.shape, 0.05)
        for rise in (0, 0, hot_spot(SHAPE, 10))
    ]
    plan = plan_of(drift_order=drift_order, baseline_frames=2)
    _, maps = fold(method(plan), [make_image(c) for c in noisy])
    _, scaled = fold(method(plan), [make_image(c * np.float32(scale)) for c in noisy])
    assert np.array_equal(maps[-1].valid, scaled[-1].valid)
    assert np.nanmax(np.abs(maps[-1].temperature_c - scaled[-1].temperature_c)) < 0.001
    assert np.nanmax(np.abs(maps[-1].temperature_std_c / scaled[-1].temperature_std_c - 1)) < 1e-3


@EVERY_METHOD
def test_is_blind_to_a_global_phase_where_drift_is_corrected(method):
    coils, rise = anatomy(SHAPE), hot_spot(SHAPE, 10)
    plan = plan_of(drift_order=0)
    _, plain = fold(method(plan), [make_image(coils), make_image(heated(coils, rise))])
    turned = heated(coils, rise, drift_rad=2.5)
    _, maps = fold(method(plan), [make_image(coils), make_image(turned)])
    assert maps[-1].valid[HEATED].all()
    assert np.nanmax(np.abs(maps[-1].temperature_c - plain[-1].temperature_c)) < 0.001


@EVERY_METHOD
def test_leaves_its_input_alone_and_repeats_itself(method):
    rng = np.random.default_rng(2)
    coils = anatomy(SHAPE)
    images = []
    for _ in range(4):
        noisy = (coils + complex_noise(rng, coils.shape, 0.05)).astype(np.complex64)
        noisy[0, 0, 3, 3] = np.nan
        noisy.flags.writeable = False
        images.append(make_image(noisy))
    thermometer = method(plan_of(drift_order=1, baseline_frames=2))
    _, first = fold(thermometer, images)
    _, second = fold(thermometer, images)
    assert first[-1].temperature_c.tobytes() == second[-1].temperature_c.tobytes()


@EVERY_METHOD
def test_state_survives_a_checkpoint_at_any_frame(method):
    rng = np.random.default_rng(3)
    coils = anatomy(SHAPE)
    images = [make_image(coils + complex_noise(rng, coils.shape, 0.05)) for _ in range(5)]
    thermometer = method(plan_of(drift_order=1, baseline_frames=2))
    _, straight = fold(thermometer, images)
    state = thermometer.start()
    for image in images:
        state, map_ = thermometer.step(pickle.loads(pickle.dumps(state)), image)
    assert map_.temperature_c.tobytes() == straight[-1].temperature_c.tobytes()


@EVERY_METHOD
def test_maps_are_read_only_and_nan_where_not_valid(method):
    coils = anatomy(SHAPE)
    coils[:, :, :4] = 0
    _, maps = fold(method(plan_of()), [make_image(coils)] * 2)
    for map_ in maps:
        for field in ("temperature_c", "temperature_std_c", "common_std_c"):
            array = getattr(map_, field)
            assert not array.flags.writeable
            assert array.dtype == np.float32
            assert np.array_equal(np.isnan(array), ~map_.valid)
        assert not map_.valid.flags.writeable


@EVERY_METHOD
def test_an_incomplete_image_measures_nothing_and_leaves_no_trace(method):
    rng = np.random.default_rng(4)
    coils = anatomy(SHAPE)
    images = [make_image(coils + complex_noise(rng, coils.shape, 0.05)) for _ in range(6)]
    broken = make_image(heated(coils, 80.0), is_complete=False)
    thermometer = method(plan_of(drift_order=1, baseline_frames=3))
    _, clean = fold(thermometer, images)
    mixed = [broken, images[0], broken, *images[1:4], broken, *images[4:], broken]
    _, maps = fold(thermometer, mixed)
    assert not any(maps[i].valid.any() for i in (0, 2, 6, 9))
    assert not any(maps[i].is_baseline for i in (0, 2, 6, 9))
    assert maps[-2].valid.any()
    assert maps[-2].temperature_c.tobytes() == clean[-1].temperature_c.tobytes()


@WITH_BASELINE
def test_baseline_maps_hold_no_temperature(method):
    images = [make_image(anatomy(SHAPE), i) for i in range(4)]
    _, maps = fold(method(plan_of(baseline_frames=3)), images)
    assert [m.is_baseline for m in maps] == [True, True, True, False]
    assert [m.baseline_frames for m in maps] == [1, 2, 3, 3]
    assert not any(m.valid.any() for m in maps[:3])
    assert maps[3].valid[HEATED].all()


temperatures = hnp.arrays(
    np.float32,
    st.tuples(st.integers(2, 12), st.just(1), st.just(2), st.just(3)),
    elements=st.one_of(st.floats(20, 120, width=32), st.just(float("nan"))),
)


def accumulate(series, times, *, state=None, std_c=0.5):
    state = start_dose(series.shape[1:]) if state is None else state
    doses = []
    for frame, time_s in zip(series, times, strict=True):
        map_ = make_map(frame, time_s, std_c=std_c, common_c=0.2, valid=np.isfinite(frame))
        state, dose = accumulate_dose(state, map_)
        doses.append(dose)
    return state, doses


@settings(max_examples=60, deadline=None)
@given(temperatures)
def test_dose_never_falls_and_is_never_nan(series):
    _, doses = accumulate(series, np.arange(len(series)) * 3.0)
    for before, after in itertools.pairwise(doses):
        assert np.all(after.cem43_min >= before.cem43_min)
    for dose in doses:
        assert np.all(np.isfinite(dose.cem43_high_min))
        assert np.all(dose.cem43_low_min >= 0)
        assert np.all(dose.cem43_low_min <= dose.cem43_min)
        assert np.all(dose.cem43_min <= dose.cem43_high_min)


@settings(max_examples=60, deadline=None)
@given(temperatures, st.data())
def test_dose_is_additive_over_any_split_of_the_time_axis(series, data):
    series = np.nan_to_num(series, nan=41.0)
    times = np.cumsum(np.arange(1, len(series) + 1) * 0.7)
    split = data.draw(st.integers(0, len(series) - 1))
    whole, _ = accumulate(series, times)
    first, _ = accumulate(series[: split + 1], times[: split + 1])
    # the second part starts anew from the sample that both parts share
    second, _ = accumulate(series[split:], times[split:])
    parts = first.dose_min + second.dose_min
    assert np.allclose(parts, whole.dose_min, rtol=1e-6, atol=1e-12)
    resumed, _ = accumulate(series[split + 1 :], times[split + 1 :], state=first)
    assert np.array_equal(resumed.dose_min, whole.dose_min)


def test_dose_state_is_frozen_and_survives_a_checkpoint():
    state, _ = accumulate(np.full((4, 1, 2, 3), 50.0, np.float32), np.arange(4.0))
    copy = pickle.loads(pickle.dumps(state))
    assert np.array_equal(copy.dose_min, state.dose_min)
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.time_s = 0.0
    assert not state.dose_min.flags.writeable
