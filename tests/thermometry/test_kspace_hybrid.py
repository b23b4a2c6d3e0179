"""Temperature from undersampled frames; the forward model is a plain FFT of the phantom's coils."""

import pickle

import numpy as np
import pytest

from tests.thermometry.phantoms import (
    BODY_C,
    RAD_PER_C,
    anatomy,
    complex_noise,
    coordinates,
    heated,
    hot_spot,
    make_image,
    make_plan,
)
from thermometry.kspace.hybrid import KSpaceHybrid

N = 64
SHAPE = (1, N, N)
NOISE_STD = 0.02
N_BASELINE = 3


def lattice(acceleration, *, first=0):
    return (np.arange(N) - N // 2 - first) % acceleration == 0


def dense_centre(acceleration):
    """Every n-th line, and all of the middle."""
    return lattice(acceleration) | (np.abs(np.arange(N) - N // 2) < 5)


def body(n_coils=8):
    """Coils over an ellipse with structure; nothing beyond it."""
    _, y, x = coordinates(SHAPE)
    inside = (x / 0.75) ** 2 + (y / 0.85) ** 2 < 1
    structure = 1 + 0.3 * np.cos(7 * x) * np.cos(5 * y)
    return anatomy(SHAPE, n_coils) * np.where(inside, structure, 0), inside


def undersampled(rng, coils, measured, frame_id=9, *, noise_std=NOISE_STD, knows_noise=True):
    """The frame as the FFT reconstruction gives it: zero-filled, with the noise of its lines."""
    noisy = coils + complex_noise(rng, coils.shape, noise_std)
    axes = (-2,)
    kspace = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(noisy, axes), axis=-2), axes)
    kspace[:, :, ~measured] = 0
    zero_filled = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, axes), axis=-2), axes)
    std = noise_std * np.sqrt(measured.mean()) if knows_noise else None
    return make_image(zero_filled, frame_id, sampled_lines=measured, noise_std=std)


def whole(rng, coils, frame_id=0, *, noise_std=NOISE_STD, knows_noise=True):
    noisy = coils + complex_noise(rng, coils.shape, noise_std)
    return make_image(noisy, frame_id, noise_std=noise_std if knows_noise else None)


def trained(rng, coils, **changes):
    thermometer = KSpaceHybrid(make_plan(SHAPE, baseline_frames=N_BASELINE, **changes))
    state = thermometer.start()
    for frame in range(N_BASELINE):
        state, map_ = thermometer.step(state, whole(rng, coils, frame))
        assert map_.is_baseline
    return thermometer, state


def errors(map_, rise):
    return np.where(map_.valid, map_.temperature_c - BODY_C - rise, np.nan)


SAMPLINGS = {
    "every second": lattice(2),
    "every third, which does not divide the matrix": lattice(3),
    "every fourth": lattice(4),
    "every fourth and the centre": dense_centre(4),
}


@pytest.mark.parametrize("measured", SAMPLINGS.values(), ids=SAMPLINGS)
@pytest.mark.parametrize("phase_sign", [1, -1])
def test_a_hot_spot_keeps_its_height_and_leaves_no_ghost(measured, phase_sign):
    rng = np.random.default_rng(1)
    coils, inside = body()
    thermometer, state = trained(rng, coils, drift_order=1, phase_sign=phase_sign)
    rise = hot_spot(SHAPE, 25, width=0.1)
    _, y, x = coordinates(SHAPE)
    hot = heated(coils, rise, drift_rad=0.1 + 0.05 * x - 0.08 * y, rad_per_c=phase_sign * RAD_PER_C)
    at_peak, scores, valid = [], [], []
    for frame in range(6):
        state, map_ = thermometer.step(state, undersampled(rng, hot, measured, frame + 9))
        error = errors(map_, rise)
        valid.append(map_.valid[inside].mean())
        peak = np.unravel_index(np.argmax(rise), SHAPE)
        at_peak.append(error[peak] / map_.temperature_std_c[peak])
        scores.append((error / map_.temperature_std_c)[inside & map_.valid])
        assert np.sqrt(np.nanmean(error[rise < 0.1] ** 2)) < 0.25  # of ghosts of 25 °C
    # nothing shrinks the peak: its mean error is what noise makes of six frames and the baseline
    assert np.mean(valid) > 0.97  # a column that cannot be explained is not valid
    assert abs(np.nanmean(at_peak)) < 3 * np.sqrt(1 / 6 + 1 / (1 + N_BASELINE))
    assert 0.9 < np.std(np.concatenate(scores)) < 1.1


def test_the_standard_deviation_is_true_with_and_without_heat():
    rng = np.random.default_rng(2)
    coils, inside = body()
    rise = hot_spot(SHAPE, 20)
    hot_scores, cold_scores = [], []
    for _ in range(8):
        thermometer, state = trained(rng, coils, drift_order=0)
        for frame in range(3):
            image = undersampled(rng, heated(coils, rise), lattice(3), frame + 9)
            state, map_ = thermometer.step(state, image)
            score = errors(map_, rise) / map_.temperature_std_c
            hot_scores.append(score[state.heated & map_.valid])
            cold_scores.append(score[~state.heated & map_.valid & inside])
    assert 0.95 < np.std(np.concatenate(hot_scores)) < 1.05
    assert 0.95 < np.std(np.concatenate(cold_scores)) < 1.05


def test_what_frames_share_is_the_baseline_s_part():
    rng = np.random.default_rng(12)
    coils, _ = body()
    thermometer, state = trained(rng, coils, drift_order=0)
    rise, kept = hot_spot(SHAPE, 20), []
    for frame in range(40):
        image = undersampled(rng, heated(coils, rise), lattice(2), frame + 9)
        state, map_ = thermometer.step(state, image)
        kept.append(errors(map_, rise))
    core = rise > 5
    shared = np.std(np.mean(kept, axis=0)[core])
    own = np.sqrt(map_.temperature_std_c**2 - map_.common_std_c**2)[core]
    expected = np.sqrt(np.mean(map_.common_std_c[core] ** 2) + np.mean(own**2) / 40)
    assert shared == pytest.approx(expected, rel=0.3)


def test_a_sudden_change_is_followed_at_once_both_ways():
    rng = np.random.default_rng(3)
    coils, inside = body()
    thermometer, state = trained(rng, coils, drift_order=0)
    for peak_c, centre in ((25, (0.2, -0.3)), (3, (0.2, -0.3)), (22, (-0.3, 0.2)), (0, (0, 0))):
        rise = hot_spot(SHAPE, peak_c, centre=centre)
        image = undersampled(rng, heated(coils, rise), lattice(3))
        state, map_ = thermometer.step(state, image)
        error = errors(map_, rise)
        assert np.sqrt(np.nanmean(error[inside] ** 2)) < 0.3
        score = np.abs(error / map_.temperature_std_c)[rise > max(0.9 * peak_c, 1)]
        assert np.all(score < 5)
    assert not state.heated.any()


def test_the_last_frame_is_a_start_and_no_bias():
    """The same frame after different pasts gives the same map, to a fraction of its noise."""
    rng = np.random.default_rng(4)
    coils, _ = body()
    thermometer, state = trained(rng, coils, drift_order=0)
    rise = hot_spot(SHAPE, 12)
    past, _ = thermometer.step(state, undersampled(rng, heated(coils, 1.6 * rise), lattice(3)))
    image = undersampled(rng, heated(coils, rise), lattice(3))
    _, fresh = thermometer.step(state, image)
    _, later = thermometer.step(past, image)
    core = rise > 4
    difference = (fresh.temperature_c - later.temperature_c)[core]
    assert np.abs(difference).max() < 0.3 * np.nanmean(fresh.temperature_std_c[core])


def test_heat_beyond_half_a_turn_is_followed():
    rng = np.random.default_rng(5)
    coils, _ = body()
    thermometer, state = trained(rng, coils, drift_order=0)
    for peak_c in (15, 30, 45, 55):  # half a turn is 33 °C
        rise = hot_spot(SHAPE, peak_c, width=0.15)
        state, map_ = thermometer.step(
            state, undersampled(rng, heated(coils, rise), lattice(2), noise_std=0.01)
        )
    assert np.abs(errors(map_, rise)[rise > 20]).max() < 2


def test_a_drift_of_a_turn_and_more_is_removed():
    rng = np.random.default_rng(6)
    coils, inside = body()
    thermometer, state = trained(rng, coils, drift_order=2)
    _, y, x = coordinates(SHAPE)
    for step in range(1, 9):
        drift = step * (0.9 + 0.1 * x - 0.05 * y * y)
        image = undersampled(rng, heated(coils, 0.0, drift_rad=drift), lattice(2), step)
        state, map_ = thermometer.step(state, image)
        assert map_.is_drift_trusted
        assert np.sqrt(np.nanmean(errors(map_, 0.0)[inside] ** 2)) < 0.2
    assert map_.drift_rad[0] == pytest.approx(8 * 0.9, abs=0.05)


def two_phases(rng, thermometer, coils, moved):
    state = thermometer.start()
    for frame in range(4):
        image = whole(rng, moved if frame % 2 else coils, frame)
        state, _ = thermometer.step(state, image)
    return state


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("measured", [lattice(3), None], ids=["undersampled", "whole"])
def test_baselines_of_two_object_phases_are_mixed_as_the_frame_asks(share, measured):
    rng = np.random.default_rng(7)
    coils, inside = body()
    _, y, x = coordinates(SHAPE)
    moved = coils * np.exp(1j * 0.6 * np.sin(3 * y + x))  # a field that breathing makes
    moved = moved * (1 + 0.2 * np.cos(4 * y))
    thermometer = KSpaceHybrid(make_plan(SHAPE, baseline_frames=4, drift_order=0))
    state = two_phases(rng, thermometer, coils, moved)
    rise = hot_spot(SHAPE, 15)
    now = heated((1 - share) * coils + share * moved, rise)
    for frame in range(2):
        if measured is None:
            image = whole(rng, now, frame + 9)
        else:
            image = undersampled(rng, now, measured, frame + 9)
        state, map_ = thermometer.step(state, image)
    assert np.sqrt(np.nanmean(errors(map_, rise)[inside] ** 2)) < 0.5


def test_equal_baselines_are_averaged():
    rng = np.random.default_rng(8)
    coils, _ = body()
    _, state = trained(rng, coils)
    assert state.baselines.is_one
    assert state.baselines.noise_variance == pytest.approx(NOISE_STD**2 / N_BASELINE, rel=0.05)


def test_noise_is_measured_where_no_scan_of_it_came():
    rng = np.random.default_rng(9)
    coils, inside = body()
    thermometer = KSpaceHybrid(make_plan(SHAPE, baseline_frames=N_BASELINE, drift_order=0))
    state = thermometer.start()
    for frame in range(N_BASELINE):
        state, _ = thermometer.step(state, whole(rng, coils, frame, knows_noise=False))
    image = undersampled(rng, heated(coils, hot_spot(SHAPE, 20)), lattice(3), knows_noise=False)
    _, map_ = thermometer.step(state, image)
    score = errors(map_, hot_spot(SHAPE, 20)) / map_.temperature_std_c
    assert 0.85 < np.std(score[inside & map_.valid]) < 1.15


def test_lines_may_move_from_frame_to_frame():
    rng = np.random.default_rng(10)
    coils, inside = body()
    thermometer, state = trained(rng, coils, drift_order=0)
    rise = hot_spot(SHAPE, 18)
    for frame in range(4):
        image = undersampled(rng, heated(coils, rise), lattice(4, first=frame), frame + 9)
        state, map_ = thermometer.step(state, image)
        assert np.sqrt(np.nanmean(errors(map_, rise)[inside] ** 2)) < 0.4


def test_a_volume_s_slices_are_solved_beside_each_other():
    rng = np.random.default_rng(11)
    shape = (3, N, N)
    coils, inside = body()
    coils = np.repeat(coils, 3, axis=1)
    rise = hot_spot(shape, 20) * np.array([0.0, 1.0, 0.3])[:, None, None]
    thermometer = KSpaceHybrid(make_plan(shape, baseline_frames=1, drift_order=0))
    state, _ = thermometer.step(thermometer.start(), whole(rng, coils))
    _, map_ = thermometer.step(state, undersampled(rng, heated(coils, rise), lattice(3)))
    assert np.sqrt(np.nanmean(errors(map_, rise)[np.repeat(inside, 3, axis=0)] ** 2)) < 0.5


def test_training_takes_whole_frames_only():
    rng = np.random.default_rng(13)
    coils, _ = body()
    thermometer = KSpaceHybrid(make_plan(SHAPE, baseline_frames=2))
    state, _ = thermometer.step(thermometer.start(), whole(rng, coils))
    after, map_ = thermometer.step(state, undersampled(rng, coils, lattice(2)))
    assert after is state
    assert not map_.valid.any()
    assert not map_.is_baseline
    assert (map_.baseline_frames, map_.baseline_wanted) == (1, 2)


def test_a_frame_of_nan_measures_nothing_and_is_forgotten():
    rng = np.random.default_rng(14)
    coils, _ = body()
    thermometer, state = trained(rng, coils, drift_order=0)
    image = undersampled(rng, coils, lattice(2))
    broken = image.coil_pixels.copy()
    broken[0, 0, 5, 5] = np.nan
    after, map_ = thermometer.step(state, make_image(broken, sampled_lines=lattice(2)))
    assert not map_.valid.any()
    _, clean = thermometer.step(state, image)
    _, again = thermometer.step(after, image)
    assert clean.temperature_c.tobytes() == again.temperature_c.tobytes()


def test_another_number_of_coils_is_refused():
    rng = np.random.default_rng(15)
    thermometer, state = trained(rng, body()[0])
    with pytest.raises(ValueError, match="frame 9: image has 4 coils, baseline has 8"):
        thermometer.step(state, undersampled(rng, body(4)[0], lattice(2)))


def test_an_object_that_moved_is_not_believed():
    """Motion folds over everything: much is not valid, and what is left says so."""
    rng = np.random.default_rng(16)
    coils, inside = body()
    thermometer, state = trained(rng, coils, drift_order=1)
    _, still = thermometer.step(state, undersampled(rng, coils, lattice(3)))
    moved = np.roll(coils, 4, axis=-2)
    _, map_ = thermometer.step(state, undersampled(rng, moved, lattice(3)))
    assert still.misfit_sigma < 1.2
    assert still.valid[inside].all()
    assert map_.misfit_sigma > 1.5
    assert map_.valid[inside].mean() < 0.7


def test_the_state_between_frames_is_small():
    """The library is the same object from frame to frame; what changes is a few maps."""
    rng = np.random.default_rng(17)
    coils, _ = body()
    thermometer, state = trained(rng, coils)
    after, _ = thermometer.step(state, undersampled(rng, coils, lattice(2)))
    assert after.baselines is state.baselines
    assert len(pickle.dumps((after.single.phase_rad, after.heated))) < 6 * N * N
