"""Multi-echo combination: as good as theory allows, and right where one echo would be lost."""

from dataclasses import replace

import numpy as np
import pytest

from tests.thermometry.phantoms import (
    ALPHA_PPM_PER_C,
    BODY_C,
    H1_FREQUENCY_HZ,
    anatomy,
    coordinates,
    fold,
    hot_spot,
    make_image,
)
from tests.thermometry.trains import ECHO_TIMES_S, rad_per_c, train_image, train_plan
from thermometry import METHODS

SHAPE = (1, 48, 48)
COILS = anatomy(SHAPE)
MULTI_ECHO = METHODS["multi-echo"]


def rises(maps):
    return [one.temperature_c - BODY_C for one in maps]


def test_inverts_the_forward_model_beyond_whole_turns():
    """The longest echo turns by 2.8 rad a frame and 2.8 times in all."""
    spots = [hot_spot(SHAPE, peak) for peak in np.linspace(0, 150, 7)]
    images = [train_image(COILS), *(train_image(COILS, spot) for spot in spots)]
    _, maps = fold(MULTI_ECHO(train_plan(SHAPE)), images)
    for found, spot in zip(rises(maps)[1:], spots, strict=True):
        assert np.abs(found - spot).max() < 0.01


def test_later_echoes_are_unwrapped_by_the_first():
    """+60 °C in one frame is 1.7 rad at the first echo and 7.0 rad at the last, which wraps."""
    spot = hot_spot(SHAPE, 60.0)
    assert abs(rad_per_c(ECHO_TIMES_S[-1]) * 60) > 2 * np.pi
    _, maps = fold(MULTI_ECHO(train_plan(SHAPE)), [train_image(COILS), train_image(COILS, spot)])
    assert np.abs(rises(maps)[-1] - spot).max() < 0.01
    assert not maps[-1].ambiguous.any()


def test_where_even_the_first_echo_may_have_wrapped_it_says_so():
    spot = hot_spot(SHAPE, 0.95 * np.pi / abs(rad_per_c(ECHO_TIMES_S[0])))
    _, maps = fold(MULTI_ECHO(train_plan(SHAPE)), [train_image(COILS), train_image(COILS, spot)])
    assert maps[-1].ambiguous[spot > 0.9 * spot.max()].all()
    assert not maps[-1].ambiguous[spot < 0.5 * spot.max()].any()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)])
def test_echoes_may_come_in_any_order(order):
    times = tuple(ECHO_TIMES_S[index] for index in order)
    spot = hot_spot(SHAPE, 60.0)
    images = [
        train_image(COILS, echo_times_s=times),
        train_image(COILS, spot, echo_times_s=times),
    ]
    _, maps = fold(MULTI_ECHO(train_plan(SHAPE, echo_times_s=times)), images)
    assert np.abs(rises(maps)[-1] - spot).max() < 0.01


def test_an_ultrashort_first_echo_unwraps_nothing_and_hurts_nothing():
    """0.1 ms at SNR 40: its estimate is noisy by 25 °C, so time decides how later echoes wrap."""
    times = (0.0001, 0.012, 0.016)
    rng = np.random.default_rng(5)
    plan = train_plan(SHAPE, echo_times_s=times, baseline_frames=8)
    chosen = {"echo_times_s": times, "noise_std": np.sqrt(2) / 40, "rng": rng}
    images = [train_image(COILS, **chosen) for _ in range(8)]
    spots = [hot_spot(SHAPE, peak) for peak in (10.0, 20.0, 30.0)]
    images += [train_image(COILS, spot, **chosen) for spot in spots]
    _, maps = fold(MULTI_ECHO(plan), images)
    assert np.nanstd(rises(maps)[-1] - spots[-1]) < 0.5


def test_joins_echoes_as_well_as_the_cramer_rao_bound_allows():
    """Known T2*, 8 coils: the spread is the bound's within 5 %, the stated deviation is true."""
    snr, t2_star_s, n_baseline = 40.0, 0.03, 16
    rng = np.random.default_rng(2)
    # combined magnitude 1 and noise of each coil: the real part's deviation is 1 / SNR
    chosen = {"noise_std": np.sqrt(2) / snr, "rng": rng, "t2_star_s": t2_star_s}
    images = [train_image(COILS, **chosen) for _ in range(n_baseline + 6)]
    _, maps = fold(MULTI_ECHO(train_plan(SHAPE, baseline_frames=n_baseline)), images)
    times = np.array(ECHO_TIMES_S)
    k = 2 * np.pi * H1_FREQUENCY_HZ * abs(ALPHA_PPM_PER_C) * 1e-6
    information = np.sum((k * times * snr * np.exp(-times / t2_star_s)) ** 2)
    bound_c = np.sqrt((1 + 1 / n_baseline) / information)
    errors = np.concatenate([one.ravel() for one in rises(maps)[n_baseline:]])
    stated = np.concatenate([one.temperature_std_c.ravel() for one in maps[n_baseline:]])
    assert np.std(errors) == pytest.approx(bound_c, rel=0.05)
    assert np.std(errors / stated) == pytest.approx(1, abs=0.05)
    best_echo_c = 1 / np.max(k * times * snr * np.exp(-times / t2_star_s))
    assert np.std(errors) < 0.75 * best_echo_c


def test_a_short_t2_star_is_weighed_pixel_by_pixel():
    """Where T2* is 4 ms the late echoes are noise: the standard deviation still is true."""
    _, _, x = coordinates(SHAPE)
    t2_star_s = np.where(x < 0, 0.004, 0.04)
    rng = np.random.default_rng(3)
    chosen = {"noise_std": np.sqrt(2) / 60, "rng": rng, "t2_star_s": t2_star_s}
    images = [train_image(COILS, **chosen) for _ in range(24)]
    _, maps = fold(MULTI_ECHO(train_plan(SHAPE, baseline_frames=16)), images)
    scaled = np.stack(
        [found / one.temperature_std_c for found, one in zip(rises(maps), maps, strict=True)][16:]
    )
    for side in (x < 0, x >= 0):
        assert np.nanstd(scaled[:, side]) == pytest.approx(1, abs=0.05)
    assert np.nanmean(maps[-1].temperature_std_c[x < 0]) > 3 * np.nanmean(
        maps[-1].temperature_std_c[x >= 0]
    )


@pytest.mark.parametrize("drift_order", [0, 1])
def test_a_phase_that_does_not_grow_with_echo_time_reads_as_nothing(drift_order):
    """1.5 rad of the receiver beside 7 Hz of the field, where T2* differs from side to side."""
    _, y, x = coordinates(SHAPE)
    t2_star_s = np.where(x < 0, 0.006, 0.04)
    spot = hot_spot(SHAPE, 20.0)
    field_hz = 7.0 + (5.0 * y if drift_order else 0.0)
    images = [
        train_image(COILS, t2_star_s=t2_star_s),
        train_image(COILS, spot, t2_star_s=t2_star_s, field_hz=field_hz, offset_rad=1.5),
    ]
    _, maps = fold(MULTI_ECHO(train_plan(SHAPE, drift_order=drift_order)), images)
    assert np.nanmax(np.abs(rises(maps)[-1] - spot)) < 0.05


def test_drift_is_followed_for_many_turns():
    """40 minutes: the field moves by 60 Hz, six turns at the last echo, the receiver by a turn."""
    _, y, _ = coordinates(SHAPE)
    images = [
        train_image(COILS, field_hz=60.0 * t * (1 + 0.1 * y), offset_rad=6.5 * t)
        for t in np.linspace(0, 1, 60)
    ]
    _, maps = fold(MULTI_ECHO(train_plan(SHAPE, drift_order=1, baseline_frames=4)), images)
    assert np.nanmax(np.abs(rises(maps)[-1])) < 0.05
    assert all(one.is_drift_trusted for one in maps[4:])


def test_drift_while_the_baseline_lasts_is_no_heat():
    images = [train_image(COILS, field_hz=3.0 * t, offset_rad=0.4 * t) for t in range(8)]
    _, maps = fold(MULTI_ECHO(train_plan(SHAPE, drift_order=0, baseline_frames=6)), images)
    assert np.nanmax(np.abs(rises(maps)[-1])) < 0.05


def test_nan_and_dead_echoes_leave_the_others_alone():
    spot = hot_spot(SHAPE, 20.0)
    images = [train_image(COILS), train_image(COILS, spot)]
    pixels = images[1].echoes[2].coil_pixels.copy()
    pixels[0, 0, 3, 3] = np.nan  # one echo of one pixel
    object.__setattr__(images[1].echoes[2], "coil_pixels", pixels)
    _, maps = fold(MULTI_ECHO(train_plan(SHAPE)), images)
    assert maps[-1].valid.all()
    assert np.abs(rises(maps)[-1] - spot).max() < 0.01


def test_a_train_of_another_length_is_refused():
    thermometer = MULTI_ECHO(train_plan(SHAPE))
    with pytest.raises(ValueError, match="frame 7: image has 3 echoes, plan has 4"):
        thermometer.step(
            thermometer.start(), train_image(COILS, echo_times_s=ECHO_TIMES_S[:3], frame_id=7)
        )


def test_an_incomplete_train_leaves_no_trace():
    thermometer = MULTI_ECHO(train_plan(SHAPE))
    state, map_ = thermometer.step(thermometer.start(), train_image(COILS, is_complete=False))
    assert not map_.valid.any()
    assert state.gathering[0].gathering is None


def test_echo_times_must_differ():
    with pytest.raises(ValueError, match="echo_times_s"):
        MULTI_ECHO(train_plan(SHAPE, echo_times_s=(0.004, 0.004)))


def test_echoes_that_disagree_make_a_pixel_less_sure():
    # the fat of a mixed pixel stays as it is: its phase does not grow with the echo time
    plan, rng = train_plan(drift_order=-1), np.random.default_rng(9)
    coils = anatomy(plan.shape, 2)

    def of(rise_c, fat):
        water = train_image(coils, rise_c, noise_std=0.02, rng=rng)
        turns = np.exp(-2j * np.pi * 440.0 * np.array(ECHO_TIMES_S))
        parts = [
            make_image(one.coil_pixels + fat * turn * coils, noise_std=0.02)
            for one, turn in zip(water.echoes, turns, strict=True)
        ]
        return replace(water, echoes=tuple(parts))

    def last(fat):
        _, maps = fold(METHODS["multi-echo"](plan), [of(0, fat)] * 2 + [of(20.0, fat)])
        return maps[-1]

    pure, mixed = last(0.0), last(0.7)
    grown = mixed.temperature_std_c / pure.temperature_std_c
    assert np.nanmedian(grown) > 2
    assert np.std((pure.temperature_c - BODY_C - 20) / pure.temperature_std_c) < 1.1


def test_what_boils_or_moves_shows_in_the_signal():
    _, y, x = coordinates(SHAPE)
    coils = (COILS * (0.5 + 0.5 * (np.hypot(y, x) < 0.5))).astype(np.complex64)
    boiled = coils.copy()
    boiled[..., 20:24, 20:24] *= 0.3
    still, bubble, moved = (
        fold(MULTI_ECHO(train_plan(SHAPE, drift_order=-1)), [train_image(c) for c in (coils, now)])
        for now in (coils, boiled, np.roll(coils, 3, axis=-1))
    )
    assert still[1][-1].similarity == pytest.approx(1.0, abs=1e-4)
    assert np.allclose(bubble[1][-1].magnitude_ratio[..., 20:24, 20:24], 0.3, atol=1e-3)
    assert moved[1][-1].similarity < 0.95
