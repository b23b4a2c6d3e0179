import dataclasses

import numpy as np
import pytest

from tests.thermometry.phantoms import (
    BODY_C,
    anatomy,
    complex_noise,
    coordinates,
    fold,
    heated,
    hot_spot,
    make_image,
    make_plan,
)
from thermometry import SingleBaseline

SHAPE = (1, 48, 48)


@pytest.mark.parametrize("n_coils", [1, 8])
def test_known_rise_is_read_back(n_coils):
    coils, rise = anatomy(SHAPE, n_coils), hot_spot(SHAPE, 20)
    _, maps = fold(
        SingleBaseline(make_plan()), [make_image(coils), make_image(heated(coils, rise))]
    )
    assert np.abs(maps[-1].temperature_c - BODY_C - rise).max() < 0.001


def test_combined_pixels_do_where_there_are_no_coils():
    coils, rise = anatomy(SHAPE, 1), hot_spot(SHAPE, 20)
    images = [
        make_image(c, coil_pixels=None, pixels=np.asarray(c[0], np.complex64))
        for c in (coils, heated(coils, rise))
    ]
    _, maps = fold(SingleBaseline(make_plan()), images)
    assert np.abs(maps[-1].temperature_c - BODY_C - rise).max() < 0.001


def test_volume_of_slices_is_read_back():
    shape = (3, 24, 20)
    coils, rise = anatomy(shape), hot_spot(shape, 20)
    rise[1:] = 0
    plan = make_plan(shape, drift_order=1)
    images = [make_image(coils), make_image(heated(coils, rise, drift_rad=coordinates(shape)[0]))]
    _, maps = fold(SingleBaseline(plan), images)
    assert len(maps[-1].drift_rad) == 4
    assert np.abs(maps[-1].temperature_c - BODY_C - rise).max() < 0.05


def test_nan_pixel_is_not_valid_and_reaches_no_other():
    coils, rise = anatomy(SHAPE), hot_spot(SHAPE, 20)
    plan = make_plan(drift_order=1, baseline_frames=2)
    clean = [coils, coils, heated(coils, rise), heated(coils, rise)]
    poisoned = [c.copy() for c in clean]
    poisoned[0][2, 0, 5, 5] = np.nan
    poisoned[2][3, 0, 9, 9] = np.inf
    poisoned[2][3, 0, 9, 10] = complex(0, np.nan)
    _, expected = fold(SingleBaseline(plan), [make_image(c) for c in clean])
    _, maps = fold(SingleBaseline(plan), [make_image(c) for c in poisoned])
    assert not maps[2].valid[0, 9, 9:11].any()
    assert np.count_nonzero(~maps[2].valid) == 2
    # one good image of the two is reference enough, and a pixel is back when its signal is
    assert maps[3].valid.all()
    common_c = maps[3].common_std_c[0]
    assert common_c[5, 5] == pytest.approx(np.sqrt(2) * np.median(common_c), rel=0.05)
    for poisoned_map, clean_map in zip(maps[2:], expected[2:], strict=True):
        difference = poisoned_map.temperature_c - clean_map.temperature_c
        assert np.nanmax(np.abs(difference)) < 0.01


def test_pixel_that_was_never_finite_in_the_baseline_stays_invalid():
    coils = anatomy(SHAPE)
    dead = coils.copy()
    dead[:, 0, 7, 7] = np.nan
    _, maps = fold(SingleBaseline(make_plan()), [make_image(dead), make_image(coils)])
    assert np.flatnonzero(~maps[-1].valid).tolist() == [7 * 48 + 7]


def test_zero_signal_is_not_valid():
    coils = anatomy(SHAPE)
    dark = coils.copy()
    dark[:, :, :10] = 0
    _, maps = fold(SingleBaseline(make_plan(drift_order=1)), [make_image(dark), make_image(dark)])
    assert not maps[-1].valid[0, :10].any()
    assert maps[-1].valid[0, 10:].all()


def test_image_of_nothing_at_all_is_survived():
    nothing = make_image(np.zeros((8, *SHAPE)))
    _, maps = fold(SingleBaseline(make_plan(drift_order=1)), [nothing] * 3)
    assert not maps[-1].valid.any()
    assert not maps[-1].is_drift_trusted


@pytest.mark.parametrize("n_coils", [1, 32])
def test_noise_alone_is_not_valid(n_coils):
    # a root sum of squares over 32 coils of noise has an SNR of 8: it must not count as signal
    rng = np.random.default_rng(5)
    shape = (n_coils, *SHAPE)
    images = [make_image(complex_noise(rng, shape, 1.0), noise_std=1.0) for _ in range(3)]
    _, maps = fold(SingleBaseline(make_plan()), images)
    assert np.count_nonzero(maps[-1].valid) <= 2


def test_signal_that_the_baseline_lacks_is_not_valid():
    # there is nothing to compare its phase with, however bright it is now
    rng = np.random.default_rng(19)
    coils = anatomy(SHAPE, 32)
    dark = complex_noise(rng, coils.shape, 0.05)
    images = [make_image(c, noise_std=0.05) for c in (dark, coils + dark)]
    _, maps = fold(SingleBaseline(make_plan(max_std_c=1e3)), images)
    # 12.5 is 2.2 standard deviations of what 32 coils of noise make by themselves
    assert maps[-1].valid.mean() < 0.04


def test_each_image_brings_its_own_noise():
    coils = anatomy(SHAPE)
    images = [make_image(coils, noise_std=s) for s in (0.01, 0.01, 0.1)]
    _, maps = fold(SingleBaseline(make_plan(max_std_c=1e3)), images)
    ratio = np.median(maps[2].temperature_std_c / maps[1].temperature_std_c)
    assert ratio == pytest.approx(np.sqrt((1 + 100) / 2), rel=0.02)


def test_low_snr_pixels_are_masked_at_the_limit():
    rng = np.random.default_rng(6)
    coils = anatomy(SHAPE) * np.linspace(0.02, 1, SHAPE[2], dtype=np.float32)
    noise_std = 0.05 * np.sqrt(2)
    noisy = [coils + complex_noise(rng, coils.shape, noise_std) for _ in range(2)]
    plan = make_plan(min_snr=8.0, max_std_c=1e3)
    _, maps = fold(SingleBaseline(plan), [make_image(c, noise_std=noise_std) for c in noisy])
    snr = np.linspace(0.02, 1, SHAPE[2]) / 0.05
    assert not maps[-1].valid[..., snr < 4].any()
    assert maps[-1].valid[..., snr > 12].all()


def test_pixels_too_uncertain_are_masked():
    rng = np.random.default_rng(7)
    coils = anatomy(SHAPE)
    images = [
        make_image(coils + complex_noise(rng, coils.shape, 0.1), noise_std=0.1) for _ in range(2)
    ]
    _, loose = fold(SingleBaseline(make_plan(max_std_c=5.0)), images)
    assert loose[-1].valid.mean() > 0.99
    _, strict = fold(SingleBaseline(make_plan(max_std_c=0.5)), images)
    assert not strict[-1].valid.any()


def test_held_phase_carries_the_unwrapping_across_frames_without_signal():
    coils = anatomy(SHAPE)
    frames = [heated(coils, c) for c in (0, 20, 40, 45)]
    frames[2][:, 0, 5, 5] = 0
    _, maps = fold(
        SingleBaseline(make_plan()), [make_image(coils)] + [make_image(f) for f in frames]
    )
    assert not maps[3].valid[0, 5, 5]
    # 25 °C in one increment is below the wrap at 33 °C, 45 °C from zero would not be
    assert abs(maps[4].temperature_c[0, 5, 5] - BODY_C - 45) < 0.01


def test_noisy_dropout_does_not_move_the_held_phase():
    rng = np.random.default_rng(8)
    coils = anatomy(SHAPE)
    noise_std = 0.02
    lost = complex_noise(rng, coils.shape, noise_std)
    frames = [coils, heated(coils, 25), lost, lost, heated(coils, 50)]
    images = [make_image(f, noise_std=noise_std) for f in frames]
    _, maps = fold(SingleBaseline(make_plan()), images)
    assert np.abs(maps[-1].temperature_c - BODY_C - 50).max() < 0.01


def test_image_of_another_size_or_coil_count_is_refused():
    thermometer = SingleBaseline(make_plan())
    state, _ = thermometer.step(thermometer.start(), make_image(anatomy(SHAPE)))
    with pytest.raises(ValueError, match="frame 7"):
        thermometer.step(state, make_image(anatomy((1, 16, 16)), 7))
    with pytest.raises(ValueError, match="4 coils, baseline has 8"):
        thermometer.step(state, make_image(anatomy(SHAPE, 4), 7))


def test_drift_inside_the_baseline_costs_no_signal():
    coils = anatomy(SHAPE)
    y = coordinates(SHAPE)[1]
    drifting = [heated(coils, 0, drift_rad=i * (1.5 + 0.2 * y)) for i in range(5)]
    images = [make_image(c) for c in drifting]
    state, _ = fold(SingleBaseline(make_plan(drift_order=1, baseline_frames=6)), images)
    magnitude = np.sqrt(np.sum(np.abs(state.gathering.mean) ** 2, axis=0))
    assert np.abs(magnitude - 1).max() < 1e-3
    plan = make_plan(drift_order=1, baseline_frames=4)
    state, maps = fold(SingleBaseline(plan), images)
    assert np.abs(maps[-1].temperature_c - BODY_C).max() < 0.01
    # nor may it pass for noise
    assert np.sqrt(state.reference.noise_variance) < 1e-3


def test_identical_baseline_images_do_not_claim_a_noise_of_zero():
    # a repeated image has no scatter; the noise then comes from its fine detail
    rng = np.random.default_rng(18)
    coils = anatomy(SHAPE) + complex_noise(rng, (8, *SHAPE), 0.05)
    state, maps = fold(SingleBaseline(make_plan(baseline_frames=3)), [make_image(coils)] * 4)
    assert np.sqrt(state.reference.noise_variance) == pytest.approx(0.05, rel=0.1)
    assert maps[-1].valid.all()


def test_noise_free_phantom_has_a_tiny_but_real_deviation():
    _, maps = fold(SingleBaseline(make_plan()), [make_image(anatomy(SHAPE))] * 2)
    assert maps[-1].valid.all()
    assert 0 < maps[-1].temperature_std_c.max() < 0.02


def test_state_is_frozen():
    state = SingleBaseline(make_plan()).start()
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.phase_rad = None
    assert not state.phase_rad.flags.writeable


def test_noise_that_differs_from_pixel_to_pixel_is_reported_pixel_by_pixel():
    """A reconstruction that amplifies noise in half of the image, as parallel imaging does."""
    rng = np.random.default_rng(21)
    shape = (1, 32, 32)
    plan = make_plan(shape, baseline_frames=4, drift_order=-1, max_std_c=50.0)
    noise_std = np.full(shape, 0.02, np.float32)
    noise_std[..., 16:] = 0.08
    images = [
        make_image(
            None,
            index,
            pixels=(1.0 + noise_std * complex_noise(rng, shape, 1.0)).astype(np.complex64),
            coil_pixels=None,
            noise_std=noise_std,
        )
        for index in range(64)
    ]
    _, maps = fold(SingleBaseline(plan), images)
    errors = np.array([one.temperature_c - 37.0 for one in maps[4:]])
    said = maps[-1].temperature_std_c
    for half in (slice(0, 16), slice(16, 32)):
        assert np.std(errors[..., half]) == pytest.approx(np.mean(said[..., half]), rel=0.05)
    assert np.mean(said[..., 16:]) == pytest.approx(4 * np.mean(said[..., :16]), rel=0.02)
