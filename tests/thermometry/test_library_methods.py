"""Methods with a library, in a body that breathes: right where a single baseline is not."""

import pickle

import numpy as np
import pytest

from tests.thermometry.breathing import body, breath, breathing_images, spot
from tests.thermometry.phantoms import (
    BODY_C,
    RAD_PER_C,
    complex_noise,
    coordinates,
    fold,
    make_image,
    make_plan,
)
from thermometry import METHODS

SHAPE = (1, 64, 64)
N_BASELINE, N_HEATED = 16, 8
LIBRARIES = ("multi-baseline", "pca", "hybrid")
EVERY_LIBRARY = pytest.mark.parametrize("name", LIBRARIES)


def plan_for(**changes):
    _, y, x = coordinates(SHAPE)
    near_the_spot = np.hypot(y - 0.22, x + 0.1) < 0.35
    return make_plan(
        SHAPE,
        **{
            "baseline_frames": N_BASELINE,
            "drift_order": 1,
            "heated_mask": near_the_spot,
            "max_std_c": 20.0,
            **changes,
        },
    )


def measured(name, *, seed=1, n_baseline=N_BASELINE, n_heated=N_HEATED, **changes):
    """The state, the maps of the heated frames, the rises they should show, the training's last."""
    of_plan = {key: changes.pop(key) for key in ("drift_order", "sparsity") if key in changes}
    rng = np.random.default_rng(seed)
    pairs = list(
        breathing_images(
            rng, SHAPE, **{"snr": 40, "n_baseline": n_baseline, "n_heated": n_heated, **changes}
        )
    )
    thermometer = METHODS[name](plan_for(baseline_frames=n_baseline, **of_plan))
    state, maps = fold(thermometer, [image for image, _ in pairs])
    rises = np.stack([rise for _, rise in pairs[n_baseline:]])
    return state, maps[n_baseline:], rises, maps[n_baseline - 1]


def errors_c(maps, rises):
    return [one.temperature_c - BODY_C - rise for one, rise in zip(maps, rises, strict=True)]


def rms(maps, rises, where=None):
    errors = np.stack(errors_c(maps, rises))
    valid = np.isfinite(errors) & (True if where is None else where)
    return float(np.sqrt(np.mean(errors[valid] ** 2)))


@EVERY_LIBRARY
def test_breathing_is_corrected_where_a_single_baseline_fails(name):
    still = rms(*measured("single-baseline", depth=0.0)[1:3])
    without = rms(*measured("single-baseline")[1:3])
    _, maps, rises, _ = measured(name, peak_c=20.0)
    assert without > 3 * still
    # two images of a nearest pair average less noise than a mean of sixteen
    assert rms(maps, rises) < (1.35 if name == "multi-baseline" else 1.2) * still
    hot = rises > 2.0
    bias = np.mean(np.concatenate([e[h] for e, h in zip(errors_c(maps, rises), hot, strict=True)]))
    assert abs(bias) < 0.1


@EVERY_LIBRARY
@pytest.mark.parametrize("depth", [0.0, 1.0])
@pytest.mark.parametrize("drift_rad", [0.0, 0.02])
def test_error_over_reported_deviation_is_one(name, depth, drift_rad):
    _, maps, rises, _ = measured(name, depth=depth, drift_rad=drift_rad, peak_c=10.0, n_heated=12)
    errors = errors_c(maps, rises)
    score = np.concatenate(
        [(e / m.temperature_std_c)[m.valid] for e, m in zip(errors, maps, strict=True)]
    )
    assert 0.95 < score.std() < 1.05


@EVERY_LIBRARY
def test_drift_during_training_and_after_is_told_from_breath(name):
    rate = 0.03  # rad a frame at the centre: 0.7 rad over all, 8 °C
    _, maps, rises, _ = measured(name, drift_rad=rate)
    assert rms(maps, rises) < 0.6
    index = N_BASELINE + N_HEATED - 1
    # against the first image; breathing has a polynomial part that is not drift
    assert maps[-1].drift_rad[0] == pytest.approx(rate * index, abs=0.06)


@EVERY_LIBRARY
def test_a_field_that_jumps_while_frames_are_lost_is_found_again(name):
    rng = np.random.default_rng(2)
    _, y, x = coordinates(SHAPE)
    std = float(np.sqrt(2) / 40)
    images = []
    for index in range(18):
        jump = np.exp(4j * (index >= 16) * (1 + 0.4 * y - 0.3 * x))
        coils = body(SHAPE, breath(index)) * jump + complex_noise(rng, (4, *SHAPE), std)
        images.append(make_image(coils, index, noise_std=std))
    _, maps = fold(METHODS[name](plan_for()), images)
    error = (maps[16].temperature_c - BODY_C)[maps[16].valid]
    assert np.sqrt(np.mean(error**2)) < 1.0
    # 4 rad, up to whole turns
    assert np.angle(np.exp(1j * (maps[16].drift_rad[0] - 4))) == pytest.approx(0, abs=0.1)


@EVERY_LIBRARY
def test_a_deeper_breath_than_any_in_training_widens_the_deviation(name):
    rng = np.random.default_rng(3)
    images = [image for image, _ in breathing_images(rng, SHAPE, n_baseline=16, n_heated=1, snr=80)]
    deep = body(SHAPE, 1.8) + complex_noise(rng, (4, *SHAPE), np.sqrt(2) / 80)
    images.append(make_image(deep, 17, noise_std=float(np.sqrt(2) / 80)))
    _, maps = fold(METHODS[name](plan_for()), images)
    known, unknown = maps[-2], maps[-1]
    assert known.misfit_sigma < 1.5
    assert unknown.misfit_sigma > 2 * known.misfit_sigma
    assert np.nanmedian(unknown.temperature_std_c) > 1.5 * np.nanmedian(known.temperature_std_c)
    error = (unknown.temperature_c - BODY_C)[unknown.valid]
    assert np.std(error / unknown.temperature_std_c[unknown.valid]) < 2.5


@EVERY_LIBRARY
def test_heat_beyond_half_a_turn_stays_with_the_tissue_that_moves(name):
    # 48 °C is 4.5 rad; what was hot one frame ago lies beside the spot in the next
    _, maps, rises, _ = measured(name, peak_c=48.0, n_heated=14, snr=80)
    assert max(one.max() for one in rises) > 45
    worst = max(np.nanmax(np.abs(error)) for error in errors_c(maps, rises))
    assert worst < 10  # a turn is 66 °C
    assert rms(maps, rises) < 0.5


def test_hybrid_needs_no_target_and_does_not_shrink_the_peak():
    rng = np.random.default_rng(4)
    pairs = list(breathing_images(rng, SHAPE, n_baseline=16, n_heated=8, snr=80, peak_c=15.0))
    plan = plan_for(heated_mask=np.zeros(SHAPE, np.bool_))
    _, maps = fold(METHODS["hybrid"](plan), [image for image, _ in pairs])
    rise = pairs[-1][1]
    peak = rise > 0.7 * rise.max()
    assert np.mean((maps[-1].temperature_c - BODY_C - rise)[peak]) == pytest.approx(0, abs=0.15)


def test_without_a_price_all_may_be_heat_and_nothing_is_left_to_fit():
    _, maps, _, _ = measured("hybrid", sparsity=0.0, n_heated=1)
    assert maps[-1].is_drift_trusted is False


@EVERY_LIBRARY
def test_wrong_sign_shows_as_cooling_not_as_nothing(name):
    rng = np.random.default_rng(5)
    pairs = list(breathing_images(rng, SHAPE, n_baseline=16, n_heated=4, snr=80, peak_c=15.0))
    _, maps = fold(METHODS[name](plan_for(phase_sign=-1)), [image for image, _ in pairs])
    hot = pairs[-1][1] > 8
    assert np.nanmean(maps[-1].temperature_c[hot]) < BODY_C - 6


@EVERY_LIBRARY
def test_the_training_tells_how_far_it_is_and_how_good(name):
    *_, last = measured(name)
    assert last.is_baseline
    assert (last.baseline_frames, last.baseline_wanted) == (N_BASELINE, N_BASELINE)
    assert 0.9 < last.misfit_sigma < 1.4
    assert last.drift_residual_c < 0.5


@EVERY_LIBRARY
def test_a_library_whose_images_do_not_explain_one_another_says_so(name):
    rng = np.random.default_rng(6)
    images = []
    for index in range(8):
        # air moves through the field as it likes: no image is like another
        coils = body(SHAPE, breath(index), field_rad=60 * rng.standard_normal())
        noisy = coils + complex_noise(rng, coils.shape, np.sqrt(2) / 40)
        images.append(make_image(noisy, index, noise_std=float(np.sqrt(2) / 40)))
    _, maps = fold(METHODS[name](plan_for(baseline_frames=8)), images)
    assert maps[-1].misfit_sigma > 3
    assert maps[-1].drift_residual_c > 1


@EVERY_LIBRARY
def test_state_keeps_its_library_as_one_object(name):
    # the checkpoint writes it once because it is the same from frame to frame
    rng = np.random.default_rng(7)
    images = [i for i, _ in breathing_images(rng, SHAPE, n_baseline=6, n_heated=3, snr=40)]
    thermometer = METHODS[name](plan_for(baseline_frames=6))
    state, _ = fold(thermometer, images[:6])
    later, _ = thermometer.step(state, images[6])
    assert later.reference is state.reference
    moving = pickle.dumps((later.training, later.phase_rad, later.drift_rad))
    assert len(moving) < 6 * np.prod(SHAPE)


@EVERY_LIBRARY
def test_another_number_of_coils_is_refused_by_name(name):
    coils = body(SHAPE, 0.0)
    state, _ = fold(METHODS[name](plan_for(baseline_frames=2)), [make_image(coils)] * 2)
    with pytest.raises(ValueError, match="frame 7: image has 3 coils, baseline has 4"):
        METHODS[name](plan_for(baseline_frames=2)).step(state, make_image(coils[:3], 7))


@EVERY_LIBRARY
def test_motion_against_the_baseline_in_use_is_measured(name):
    rng = np.random.default_rng(8)
    images = [i for i, _ in breathing_images(rng, SHAPE, n_baseline=8, n_heated=1, snr=60, depth=0)]
    moved = np.roll(body(SHAPE, 0.0), 2, axis=2) + complex_noise(rng, (4, *SHAPE), 0.02)
    images.append(make_image(moved, 9, noise_std=0.02))
    _, maps = fold(METHODS[name](plan_for(baseline_frames=8)), images)
    still, away = maps[-2], maps[-1]
    assert still.similarity > away.similarity
    assert np.abs(still.shift_px).max() < 0.3
    assert away.shift_px[0] == pytest.approx(2, abs=0.5)
    assert away.shift_px[1] == pytest.approx(0, abs=0.5)
    assert np.nanmedian(still.magnitude_ratio) == pytest.approx(1, abs=0.02)


def test_a_navigator_finds_the_breath_too():
    rng = np.random.default_rng(9)
    pairs = list(breathing_images(rng, SHAPE, n_baseline=16, n_heated=8, snr=40))
    plan = plan_for(library_choice="navigator")
    _, maps = fold(METHODS["multi-baseline"](plan), [image for image, _ in pairs])
    rises = np.stack([rise for _, rise in pairs[16:]])
    without = rms(*measured("single-baseline")[1:3])
    assert rms(maps[16:], rises) < without / 2


def test_the_rise_of_the_phantom_is_what_its_phase_says():
    rise = spot(SHAPE, 0.4, 12.0)
    assert rise.max() == pytest.approx(12, abs=0.5)
    turned = np.angle(np.exp(1j * RAD_PER_C * rise))
    assert np.allclose(turned / RAD_PER_C, rise, atol=1e-5)


@EVERY_LIBRARY
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_image_of_nothing_is_not_valid_and_leaves_the_next_as_it_was(name, value):
    rng = np.random.default_rng(10)
    images = [i for i, _ in breathing_images(rng, SHAPE, n_baseline=6, n_heated=1, snr=40)]
    nothing = make_image(np.full((4, *SHAPE), value), 8, noise_std=0.03)
    _, maps = fold(METHODS[name](plan_for(baseline_frames=6)), [*images, nothing, images[-1]])
    assert not maps[-2].valid.any()
    assert not maps[-2].is_drift_trusted
    # the second time the drift is known better beforehand
    assert np.nanmax(np.abs(maps[-1].temperature_c - maps[-3].temperature_c)) < 0.3


@EVERY_LIBRARY
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_library_of_nothing_measures_nothing(name, value):
    images = [make_image(np.full((4, *SHAPE), value), i, noise_std=0.03) for i in range(4)]
    images.append(make_image(body(SHAPE, 0.0), 5, noise_std=0.03))
    _, maps = fold(METHODS[name](plan_for(baseline_frames=4)), images)
    assert not any(one.valid.any() for one in maps)


@EVERY_LIBRARY
def test_a_volume_is_one_library(name):
    shape = (3, 24, 24)
    rng = np.random.default_rng(11)
    plan = make_plan(shape, baseline_frames=8, drift_order=1, max_std_c=20.0)
    pairs = list(breathing_images(rng, shape, n_baseline=8, n_heated=2, snr=40))
    _, maps = fold(METHODS[name](plan), [image for image, _ in pairs])
    error = (maps[-1].temperature_c - BODY_C)[maps[-1].valid]
    assert maps[-1].temperature_c.shape == shape
    assert np.sqrt(np.mean(error**2)) < 1.5
