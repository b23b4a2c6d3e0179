"""The reported standard deviation is the real one."""

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
from thermometry.noise import noise_variance_from_detail, noise_variance_from_scatter

SHAPE = (1, 64, 64)
N_FRAMES = 3


def noisy_images(rng, plan, *, n_coils, snr, rise_c=0.0, is_noise_known=True):
    coils = anatomy(plan.shape, n_coils)
    noise_std = np.sqrt(2) / snr
    _, y, x = coordinates(plan.shape)
    fields = [np.ones(plan.shape), 0.3 * y - 0.2 * x, 0.2 * x * x - 0.1 * x * y]
    drift = 0.1 * np.sum([np.zeros(plan.shape), *fields[: plan.drift_order + 1]], axis=0)
    for i in range(plan.baseline_frames + N_FRAMES):
        rise = rise_c if i >= plan.baseline_frames else 0.0
        signal = heated(coils, rise, drift_rad=i * drift)
        yield make_image(
            signal + complex_noise(rng, coils.shape, noise_std),
            noise_std=float(noise_std) if is_noise_known else None,
        )


def standardised(maps, truth_c=BODY_C):
    used = [m for m in maps if not m.is_baseline]
    error = np.concatenate([(m.temperature_c - truth_c)[m.valid] for m in used])
    return error / np.concatenate([m.temperature_std_c[m.valid] for m in used])


@pytest.mark.parametrize("snr", [10, 40])
@pytest.mark.parametrize("n_coils", [1, 8])
@pytest.mark.parametrize("baseline_frames", [1, 5])
@pytest.mark.parametrize("drift_order", [-1, 0, 1, 2])
def test_error_over_reported_deviation_is_one(snr, n_coils, baseline_frames, drift_order):
    rng = np.random.default_rng([snr, n_coils, baseline_frames, drift_order + 1])
    plan = make_plan(SHAPE, baseline_frames=baseline_frames, drift_order=drift_order, max_std_c=1e3)
    _, maps = fold(SingleBaseline(plan), noisy_images(rng, plan, n_coils=n_coils, snr=snr))
    scores = standardised(maps)
    assert scores.size > 0.98 * N_FRAMES * np.prod(SHAPE)
    assert 0.95 < scores.std() < 1.05


def test_many_coils_of_little_signal_each_count_their_noise_once():
    # 16 coils: noise against noise is a third of the variance here
    rng = np.random.default_rng(20)
    plan = make_plan(SHAPE, max_std_c=1e3)
    _, maps = fold(SingleBaseline(plan), noisy_images(rng, plan, n_coils=16, snr=10))
    assert 0.98 < standardised(maps).std() < 1.04


@pytest.mark.parametrize("baseline_frames", [2, 5])
@pytest.mark.parametrize("n_coils", [1, 8])
def test_noise_is_measured_from_the_baseline_where_nobody_gave_it(baseline_frames, n_coils):
    rng = np.random.default_rng([baseline_frames, n_coils])
    plan = make_plan(SHAPE, baseline_frames=baseline_frames, drift_order=1)
    images = noisy_images(rng, plan, n_coils=n_coils, snr=20, is_noise_known=False)
    state, maps = fold(SingleBaseline(plan), images)
    assert np.sqrt(state.reference.noise_variance) * 20 / np.sqrt(2) == pytest.approx(1, abs=0.05)
    assert 0.95 < standardised(maps).std() < 1.05


def test_a_single_baseline_image_gives_the_noise_within_a_tenth():
    rng = np.random.default_rng(9)
    plan = make_plan(SHAPE, drift_order=0)
    images = noisy_images(rng, plan, n_coils=8, snr=20, is_noise_known=False)
    _, maps = fold(SingleBaseline(plan), images)
    assert 0.9 < standardised(maps).std() < 1.1


def test_drift_error_is_counted_far_from_a_small_reference():
    # a one-sided reference region: extrapolated drift is what makes most of the error opposite it
    shape = (1, 32, 32)
    reference = np.zeros(shape, np.bool_)
    reference[:, 2:8, 2:8] = True
    plan = make_plan(shape, drift_order=1, reference_mask=reference, max_std_c=1e3)
    far, near = [], []
    for seed in range(150):
        rng = np.random.default_rng([10, seed])
        _, maps = fold(SingleBaseline(plan), noisy_images(rng, plan, n_coils=1, snr=30))
        score = (maps[-1].temperature_c - BODY_C) / maps[-1].temperature_std_c
        far.append(score[0, 28, 28])
        near.append(score[0, 2:8, 2:8].ravel())
    # 150 draws: the deviation of their deviation is 0.06
    assert 0.8 < np.std(far) < 1.2
    assert 0.93 < np.std(near) < 1.07
    std_c = maps[-1].temperature_std_c
    assert std_c[0, 28, 28] > 2 * std_c[0, 5, 5]


def test_hot_pixels_are_as_uncertain_as_cold_ones():
    rng = np.random.default_rng(11)
    plan = make_plan(SHAPE, baseline_frames=5, drift_order=1)
    rise = hot_spot(SHAPE, 25)
    _, maps = fold(SingleBaseline(plan), noisy_images(rng, plan, n_coils=8, snr=40, rise_c=rise))
    hot = rise[0] > 5
    error = np.concatenate([(m.temperature_c[0] - BODY_C - rise[0])[hot] for m in maps[5:]])
    std_c = np.concatenate([m.temperature_std_c[0][hot] for m in maps[5:]])
    assert abs(error.mean()) < 0.1
    assert 0.85 < (error / std_c).std() < 1.15


def test_common_part_is_what_frames_share():
    rng = np.random.default_rng(12)
    plan = make_plan(SHAPE, baseline_frames=2, drift_order=-1)
    _, maps = fold(SingleBaseline(plan), noisy_images(rng, plan, n_coils=8, snr=30))
    first, second = (m.temperature_c - BODY_C for m in maps[-2:])
    shared_std_c = np.sqrt(np.mean(first * second))
    assert shared_std_c == pytest.approx(np.sqrt(np.mean(maps[-1].common_std_c ** 2)), rel=0.05)
    # two images in the reference: a third of the variance is common
    share = np.mean(maps[-1].common_std_c ** 2 / maps[-1].temperature_std_c ** 2)
    assert share == pytest.approx(1 / 3, abs=0.01)


def test_known_noise_is_found_in_scatter_and_in_detail():
    rng = np.random.default_rng(13)
    noise = complex_noise(rng, (4, 3, 1, 64, 64), 2.0)
    scatter = np.sum(np.abs(noise - noise.mean(axis=0)) ** 2, axis=(0, 1)).astype(np.float32)
    count = np.full((1, 64, 64), 4, np.int32)
    assert noise_variance_from_scatter(scatter, count, n_coils=3) == pytest.approx(4, rel=0.03)
    detail = noise_variance_from_detail(noise[0].astype(np.complex64))
    assert detail == pytest.approx(4, rel=0.08)


def test_noise_of_too_little_is_unknown_not_zero():
    one = np.ones((1, 4, 4), np.int32)
    assert noise_variance_from_scatter(np.zeros((1, 4, 4), np.float32), one, n_coils=1) is None
    assert noise_variance_from_detail(np.zeros((2, 1, 4, 4), np.complex64)) is None
    assert noise_variance_from_detail(np.ones((2, 1, 1, 1), np.complex64)) is None


def test_a_field_that_no_drift_explains_is_in_the_deviation():
    shape = (1, 48, 48)
    _, y, x = coordinates(shape)
    plan, scores = make_plan(shape, drift_order=1), []
    for seed in range(20):
        rng = np.random.default_rng([12, seed])
        *images, last = noisy_images(rng, plan, n_coils=2, snr=30)
        wavy = 0.1 * np.sin(5 * x + seed) * np.cos(4 * y)  # 3 times the noise
        moved = make_image(heated(last.coil_pixels, 0.0, drift_rad=wavy), noise_std=last.noise_std)
        _, maps = fold(SingleBaseline(plan), [*images, moved])
        scores.append((maps[-1].temperature_c - BODY_C) / maps[-1].temperature_std_c)
    assert 0.8 < np.std(scores) < 1.2
