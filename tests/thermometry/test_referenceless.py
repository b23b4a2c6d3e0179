"""Temperature from the frame itself: the background's error, its noise, and what spoils it."""

import numpy as np
import pytest

from tests.thermometry.phantoms import (
    BODY_C,
    anatomy,
    complex_noise,
    coordinates,
    heated,
    hot_spot,
    make_image,
    make_plan,
)
from thermometry import METHODS
from thermometry.noise import noise_variance_from_detail
from thermometry.referenceless.polynomial import phase_polynomial
from thermometry.referenceless.reweighted_l1 import INEFFICIENCY, fit_reweighted_l1

SHAPE = (1, 96, 96)
_, Y, X = coordinates(SHAPE)
HEATED = (Y - 0.1) ** 2 + (X + 0.15) ** 2 < 0.4**2
SMOOTH = 3 * X * X - 4 * X * Y + 2 * Y**3 + 1.5 * X**4 - 9 * Y  # turns three times
HARMONIC = 3 * (X * X - Y * Y) - 4 * X * Y + 2 * (Y**3 - 3 * Y * X * X) - 9 * Y
NAMES = ("referenceless", "referenceless-l1", "near-harmonic")


def plan_of(**changes):
    return make_plan(SHAPE, heated_mask=HEATED, max_std_c=100.0, **changes)


def maps_of(name, *, peak_c, snr=40.0, n_frames=20, background=None, n_coils=8, known=True):
    background = (HARMONIC if name == "near-harmonic" else SMOOTH) if background is None else 0
    coils, rng = anatomy(SHAPE, n_coils), np.random.default_rng([n_frames, n_coils])
    thermometer, std = METHODS[name](plan_of()), np.sqrt(2) / snr
    rise = hot_spot(SHAPE, peak_c, centre=(0.1, -0.15), width=0.09)
    state, maps = thermometer.start(), []
    for frame in range(n_frames):
        moved = heated(coils, rise, drift_rad=background + 0.9 * frame)
        noisy = moved + complex_noise(rng, coils.shape, std)
        image = make_image(noisy, frame, noise_std=std if known else None)
        state, map_ = thermometer.step(state, image)
        maps.append(map_)
    return maps, BODY_C + rise


def scores(maps, truth, where):
    of_frames = [((m.temperature_c - truth) / m.temperature_std_c)[m.valid & where] for m in maps]
    return np.concatenate(of_frames)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_coils", [1, 8])
@pytest.mark.parametrize("known", [True, False])
def test_error_over_reported_deviation_is_one(name, n_coils, known):
    maps, truth = maps_of(name, peak_c=0.0, n_coils=n_coils, known=known)
    score = scores(maps, truth, HEATED)
    assert score.size > 0.98 * len(maps) * np.count_nonzero(HEATED)
    assert 0.95 < score.std() < 1.05
    # one frame's background error is shared by its pixels: 20 frames leave a quarter of it
    assert abs(score.mean()) < 0.15


@pytest.mark.parametrize("name", ["referenceless", "near-harmonic"])
def test_hot_from_the_first_frame_on_and_still_right(name):
    maps, truth = maps_of(name, peak_c=25.0)
    assert not any(m.is_baseline for m in maps)
    hottest = np.unravel_index(np.argmax(truth), SHAPE)
    assert abs(maps[0].temperature_c[hottest] - truth[hottest]) < 1.5
    score = scores(maps, truth, HEATED)
    assert 0.95 < score.std() < 1.05
    assert abs(np.mean([m.temperature_c[hottest] for m in maps]) - truth[hottest]) < 0.3


def test_without_a_region_smooth_flanks_of_heat_pull_a_little():
    maps, truth = maps_of("referenceless-l1", peak_c=25.0)
    hottest = np.unravel_index(np.argmax(truth), SHAPE)
    bias_c = np.mean([m.temperature_c[hottest] for m in maps]) - truth[hottest]
    assert -0.4 < bias_c < 0.1


def test_the_extrapolated_polynomial_is_less_certain_than_its_border():
    maps, _ = maps_of("referenceless", peak_c=0.0, n_frames=1)
    thermometer = METHODS["referenceless"](plan_of())
    variance = thermometer.polynomial.variance(np.eye(len(thermometer.polynomial.terms)))
    assert np.isfinite(variance).all()
    assert maps[0].temperature_std_c[0, 52, 40] > 0
    # nothing beyond the border, where a polynomial means nothing
    assert not maps[0].valid[0, 0, 95]
    assert np.isnan(maps[0].temperature_c[0, 0, 95])


@pytest.mark.parametrize("name", NAMES)
def test_what_the_model_cannot_follow_is_told_and_counted(name):
    coils, rng = anatomy(SHAPE), np.random.default_rng(4)
    # a susceptibility dipole beside the mask, as lung makes one
    radius2 = (X - 0.62) ** 2 + (Y - 0.1) ** 2 + 0.02
    lung = 0.12 * ((X - 0.62) ** 2 - (Y - 0.1) ** 2) / radius2**2
    # near-harmonic follows any source outside, so it gets one that is no field: a coil's own curve
    background = 6 * (X * X + Y * Y) ** 2 if name == "near-harmonic" else lung
    noisy = heated(coils, 0.0, drift_rad=background) + complex_noise(rng, coils.shape, 0.01)
    thermometer = METHODS[name](plan_of())
    _, map_ = thermometer.step(thermometer.start(), make_image(noisy, noise_std=0.01))
    assert map_.misfit_sigma > 2.0
    assert map_.drift_residual_c > 0.1
    error = (map_.temperature_c - BODY_C)[map_.valid & HEATED]
    assert np.median(map_.common_std_c[map_.valid & HEATED]) > 0.1
    if name != "referenceless-l1":  # to it, what is smooth in most pixels and wild in few is heat
        std_c = np.median(map_.temperature_std_c[map_.valid & HEATED])
        assert np.sqrt(np.mean(error**2)) < 3 * std_c


@pytest.mark.parametrize("name", NAMES)
def test_too_little_signal_about_the_heat_gives_nothing(name):
    coils = anatomy(SHAPE) * HEATED
    thermometer = METHODS[name](plan_of())
    rng = np.random.default_rng(5)
    noisy = coils + complex_noise(rng, coils.shape, 0.02)
    few = ((Y - 0.1) ** 2 + (X + 0.15) ** 2 < 0.05**2) * noisy
    _, map_ = thermometer.step(thermometer.start(), make_image(few, noise_std=0.02))
    assert not map_.valid.any()
    assert not map_.is_drift_trusted


def test_near_harmonic_shows_nothing_where_its_border_is_lost():
    thermometer = METHODS["near-harmonic"](plan_of())
    coils = anatomy(SHAPE)
    rng = np.random.default_rng(6)
    noise = complex_noise(rng, coils.shape, 0.02)
    state, whole = thermometer.step(thermometer.start(), make_image(coils + noise, noise_std=0.02))
    torn = coils * ~((X < -0.4) & (Y > 0.0)) + noise
    _, part = thermometer.step(state, make_image(torn, noise_std=0.02))
    assert whole.valid[HEATED].all()
    beside = HEATED & (X < -0.4) & (Y > 0.1)
    assert not part.valid[beside].any()
    assert part.valid[HEATED & (X > 0.1)].all()


def test_a_slice_without_target_shows_nothing_but_is_no_fault():
    plan = make_plan(SHAPE)
    thermometer = METHODS["near-harmonic"](plan)
    _, map_ = thermometer.step(thermometer.start(), make_image(anatomy(SHAPE)))
    assert not map_.valid.any()
    assert map_.is_drift_trusted


def test_a_change_of_coils_is_refused():
    thermometer = METHODS["referenceless"](plan_of())
    state, _ = thermometer.step(thermometer.start(), make_image(anatomy(SHAPE, 8)))
    with pytest.raises(ValueError, match="frame 1: image has 4 coils, the first had 8"):
        thermometer.step(state, make_image(anatomy(SHAPE, 4), 1))


def test_reweighted_l1_ignores_a_third_of_wild_pixels():
    rng = np.random.default_rng(7)
    shape = (1, 40, 40)
    terms = phase_polynomial(2, np.ones(shape, np.bool_)).terms
    truth = np.array([0.3, -1.0, 0.5, 0.2, 0.1, -0.4])
    phase = (truth @ terms).astype(np.float32)
    wild = rng.random(phase.size) < 0.33
    variance = np.full(phase.size, 0.01**2, np.float32)
    noisy = phase + np.where(wild, 1.0, 0.01 * rng.standard_normal(phase.size)).astype(np.float32)
    found = fit_reweighted_l1(terms, noisy, variance_rad2=variance, start=np.zeros(6))
    assert np.abs(found.coefficients - truth).max() < 0.005
    assert found.weights[wild].max() == 0
    assert found.weights[~wild].mean() == pytest.approx(1 / INEFFICIENCY, rel=0.01)


def test_reweighted_l1_needs_pixels():
    terms = phase_polynomial(2, np.ones((1, 7, 7), np.bool_)).terms
    few = np.zeros(49, np.float32)
    one = np.ones(49, np.float32)
    assert fit_reweighted_l1(terms, few, variance_rad2=one, start=np.zeros(6)) is None
    flat = np.ones((2, 49), np.float32)
    assert fit_reweighted_l1(flat, few, variance_rad2=one, start=np.zeros(2)) is None


def test_noise_of_the_combined_image_is_found():
    rng = np.random.default_rng(8)
    coils = anatomy(SHAPE) + complex_noise(rng, (8, *SHAPE), 0.03)
    assert noise_variance_from_detail(coils.sum(axis=0)[None]) == pytest.approx(
        8 * 0.03**2, rel=0.1
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_volume_of_three_slices_has_temperatures_too(name):
    # three slices determine no polynomial of order 4 across them
    shape, rng = (3, 64, 64), np.random.default_rng(5)
    z, y, x = coordinates(shape)
    is_heated = np.broadcast_to(y**2 + x**2 < 0.45**2, shape)
    rise = 20 * np.exp(-(y**2 + x**2) / (2 * 0.12**2)) * (1 - 0.3 * z**2)
    coils = anatomy(shape, 2)
    moved = heated(coils, rise, drift_rad=2 * (x * x - y * y) + 1.5 * z * x - 4 * y + 0.5 * z)
    image = make_image(moved + complex_noise(rng, coils.shape, np.sqrt(2) / 40), noise_std=0.0354)
    method = METHODS[name](make_plan(shape, heated_mask=is_heated))
    _, map_ = method.step(method.start(), image)
    assert map_.valid[is_heated].all()
    error_c = (map_.temperature_c - BODY_C - rise)[is_heated]
    assert np.sqrt(np.mean(error_c**2)) < 1.0


def test_without_a_region_a_field_beyond_the_polynomial_is_hardly_ever_sure():
    # the edge of a lung: a steep field of both signs in a tenth of the pixels
    coils, rng = anatomy(SHAPE, 4), np.random.default_rng(8)
    distance2 = np.maximum((Y + 0.95) ** 2 + X**2, 0.25**2)
    lung = 2.0 * 0.25**2 * ((Y + 0.95) ** 2 - X**2) / distance2**2
    noisy = heated(coils, 0.0, drift_rad=lung) + complex_noise(rng, coils.shape, np.sqrt(2) / 40)
    method = METHODS["referenceless-l1"](make_plan(SHAPE))
    _, map_ = method.step(method.start(), make_image(noisy, noise_std=np.sqrt(2) / 40))
    error_c = np.abs(map_.temperature_c - BODY_C)
    is_sure = map_.valid & (error_c > np.maximum(5 * map_.temperature_std_c, 2.0))
    # a tenth of the pixels were, as long as the middle of the residuals alone was asked
    assert np.mean(is_sure) < 0.02
