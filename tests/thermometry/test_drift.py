import numpy as np
import pytest

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
    make_plan,
)
from thermometry import SingleBaseline
from thermometry.drift import MAX_PIXELS, DriftBasis, fit_drift

SHAPE = (1, 64, 64)
# rad, in the order 1, y, x, y², yx, x²
TRUE_RAD = (0.4, -0.3, 0.25, 0.2, -0.15, 0.1)
N_TERMS = {-1: 0, 0: 1, 1: 3, 2: 6}


def drift_field(order, *, shape=SHAPE, scale=1.0):
    _, y, x = coordinates(shape)
    fields = (np.ones(shape), y, x, y * y, y * x, x * x)
    return scale * sum(
        (c * f for c, f in zip(TRUE_RAD[: N_TERMS[order]], fields, strict=False)), np.zeros(shape)
    )


@pytest.mark.parametrize("order", [0, 1, 2])
def test_drift_is_recovered_beside_a_hot_spot_that_nobody_masked(order):
    coils, rise = anatomy(SHAPE), hot_spot(SHAPE, 30)
    images = [make_image(coils)] + [
        make_image(heated(coils, rise * f, drift_rad=drift_field(order, scale=f)))
        for f in (0.5, 1.0)
    ]
    _, maps = fold(SingleBaseline(make_plan(SHAPE, drift_order=order)), images)
    assert maps[-1].is_drift_trusted
    assert np.abs(maps[-1].temperature_c - BODY_C - rise).max() < 0.1
    assert maps[-1].drift_rad == pytest.approx(TRUE_RAD[: N_TERMS[order]], abs=0.01)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_drift_is_recovered_beside_a_hot_spot_in_noise(order):
    rng = np.random.default_rng([14, order])
    coils, rise = anatomy(SHAPE), hot_spot(SHAPE, 30)
    field = drift_field(order)
    images = [coils] * 5 + [heated(coils, rise, drift_rad=field)]
    noisy = [
        make_image(c + complex_noise(rng, coils.shape, 0.035), noise_std=0.035) for c in images
    ]
    plan = make_plan(SHAPE, drift_order=order, baseline_frames=5)
    _, maps = fold(SingleBaseline(plan), noisy)
    terms = DriftBasis(SHAPE, order)
    left_c = (terms.evaluate(np.array(maps[-1].drift_rad)) - field) / RAD_PER_C
    # the tails of the spot hide in the noise and pull a little
    assert np.abs(left_c).max() < 0.15


@pytest.mark.parametrize("order", [0, 1, 2])
def test_drift_is_followed_through_many_turns(order):
    # 40 minutes of drift, 12 rad in the middle and more in a corner: four turns of phase
    coils, rise = anatomy(SHAPE), hot_spot(SHAPE, 10)
    steps = np.linspace(0, 30, 41)
    images = [
        make_image(heated(coils, rise if s else 0, drift_rad=drift_field(order, scale=s)))
        for s in steps
    ]
    _, maps = fold(SingleBaseline(make_plan(SHAPE, drift_order=order)), images)
    assert maps[-1].drift_rad[0] == pytest.approx(12.0, abs=0.02)
    assert np.abs(maps[-1].temperature_c - BODY_C - rise).max() < 0.1
    largest = np.abs(drift_field(order, scale=30)).max() / abs(RAD_PER_C)
    assert maps[-1].drift_c == pytest.approx(largest, rel=0.01)


def test_a_jump_of_the_whole_image_beyond_half_a_turn_is_taken_out():
    coils = anatomy(SHAPE)
    # nearly half of the image passes π in one frame, and must not wrap away from the rest
    field = 1 + 0.15 * coordinates(SHAPE)[1]
    images = [make_image(heated(coils, 0, drift_rad=p * field)) for p in (0, 3.13, 6.26, 3.13)]
    _, maps = fold(SingleBaseline(make_plan(SHAPE, drift_order=1)), images)
    assert np.abs(maps[-1].temperature_c - BODY_C).max() < 0.01
    assert maps[2].drift_rad[0] == pytest.approx(6.26, abs=0.01)


def test_masked_heat_never_enters_the_fit():
    # heat over three quarters of the image would win any robust fit
    coils = anatomy(SHAPE)
    heated_mask = np.ones(SHAPE, np.bool_)
    heated_mask[:, :16] = False
    rise = np.where(heated_mask, 15.0, 0.0)
    images = [make_image(coils), make_image(heated(coils, rise, drift_rad=0.3))]
    plan = make_plan(SHAPE, drift_order=0, heated_mask=heated_mask)
    _, maps = fold(SingleBaseline(plan), images)
    assert np.abs(maps[-1].temperature_c - BODY_C - rise).max() < 0.01


def test_only_the_reference_region_is_fitted():
    coils = anatomy(SHAPE)
    reference = np.zeros(SHAPE, np.bool_)
    reference[:, :16] = True
    rise = np.where(reference, 0.0, 15.0)
    images = [make_image(coils), make_image(heated(coils, rise, drift_rad=0.3))]
    plan = make_plan(SHAPE, drift_order=0, reference_mask=reference)
    _, maps = fold(SingleBaseline(plan), images)
    assert np.abs(maps[-1].temperature_c - BODY_C - rise).max() < 0.01


def test_too_small_a_reference_keeps_the_last_trusted_drift():
    coils = anatomy(SHAPE)
    reference = np.zeros(SHAPE, np.bool_)
    reference[:, 10:20, 10:20] = True
    dark = heated(coils, 0, drift_rad=0.9)
    dark[:, reference] = 0
    images = [coils, heated(coils, 0, drift_rad=0.5), dark]
    plan = make_plan(SHAPE, drift_order=1, reference_mask=reference)
    _, maps = fold(SingleBaseline(plan), [make_image(c) for c in images])
    assert [m.is_drift_trusted for m in maps] == [True, True, False]
    assert maps[2].drift_rad == maps[1].drift_rad
    expected_c = 0.4 / RAD_PER_C
    assert np.nanmax(np.abs(maps[2].temperature_c - BODY_C - expected_c)) < 0.01


def test_a_handful_of_pixels_is_not_trusted():
    reference = np.zeros(SHAPE, np.bool_)
    reference[0, ::16, ::16] = True
    plan = make_plan(SHAPE, drift_order=1, reference_mask=reference)
    _, maps = fold(SingleBaseline(plan), [make_image(anatomy(SHAPE))] * 2)
    assert not maps[-1].is_drift_trusted


def test_a_reference_line_cannot_tell_a_slope_across_it():
    reference = np.zeros(SHAPE, np.bool_)
    reference[:, 20, :] = True
    plan = make_plan(SHAPE, drift_order=1, reference_mask=reference)
    _, maps = fold(SingleBaseline(plan), [make_image(anatomy(SHAPE))] * 2)
    assert not maps[-1].is_drift_trusted


def test_without_correction_drift_reads_as_temperature():
    coils = anatomy(SHAPE)
    images = [make_image(coils), make_image(heated(coils, 0, drift_rad=0.5))]
    _, maps = fold(SingleBaseline(make_plan(SHAPE, drift_order=-1)), images)
    assert maps[-1].is_drift_trusted
    assert maps[-1].drift_rad == ()
    assert np.abs(maps[-1].temperature_c - BODY_C - 0.5 / RAD_PER_C).max() < 0.001


def test_residual_tells_what_the_polynomial_could_not_fit():
    rng = np.random.default_rng(15)
    coils = anatomy(SHAPE)
    ripple = 0.3 * np.sin(6 * np.pi * coordinates(SHAPE)[1])

    def residual_c(field):
        images = [heated(coils, 0, drift_rad=f) for f in (0, field)]
        noisy = [
            make_image(c + complex_noise(rng, coils.shape, 0.05), noise_std=0.05) for c in images
        ]
        return fold(SingleBaseline(make_plan(SHAPE, drift_order=1)), noisy)[1][-1].drift_residual_c

    # noise alone leaves at most what the scatter of the estimate allows: a third of σ_T
    assert residual_c(np.zeros(SHAPE)) < 0.25
    expected_c = 0.3 / np.sqrt(2) / abs(RAD_PER_C)
    assert residual_c(ripple) == pytest.approx(expected_c, rel=0.5)


def test_fit_agrees_with_plain_least_squares_on_gaussian_noise():
    rng = np.random.default_rng(16)
    basis = DriftBasis((1, 40, 40), 2)
    truth = np.array(TRUE_RAD)
    std = rng.uniform(0.02, 0.1, 1600).astype(np.float32)
    scores = []
    for _ in range(200):
        phase = truth @ basis.terms + std * rng.standard_normal(1600)
        fit = fit_drift(
            basis.terms,
            phase.astype(np.float32),
            variance_rad2=std**2,
            start=np.zeros(6),
        )
        plain = np.linalg.lstsq((basis.terms / std).T, phase / std, rcond=None)[0]
        scores.append((fit.coefficients - truth) / np.sqrt(np.diagonal(fit.covariance)))
        assert np.abs(fit.coefficients - plain).max() < 0.02
    # the stated covariance is the real one: 1200 scores, their deviation known to 2 %
    assert 0.9 < np.std(scores) < 1.08


def test_terms_stand_in_the_documented_order():
    z, y, x = (c.ravel() for c in coordinates((3, 4, 5)))
    expected = [np.ones_like(z), y, x, z, y * y, y * x, y * z, x * x, x * z, z * z]
    assert np.allclose(DriftBasis((3, 4, 5), 2).terms, expected, atol=1e-6)
    assert DriftBasis((1, 4, 5), 2).n_terms == 6
    assert DriftBasis((1, 4, 5), -1).n_terms == 0


@pytest.mark.parametrize("shape", [(1, 144, 144), (1, 128, 233), (5, 64, 64), (1, 512, 256)])
def test_kept_pixels_cover_the_field_of_view_evenly(shape):
    # widths that are Fibonacci numbers or powers of two trap simpler rules
    basis = DriftBasis(shape, 2)
    chosen = basis.choose_pixels(np.ones(shape, np.bool_))
    assert 0.9 * MAX_PIXELS < chosen.size < 1.1 * MAX_PIXELS
    full = basis.terms @ basis.terms.T / basis.terms.shape[1]
    kept = basis.terms[:, chosen] @ basis.terms[:, chosen].T / chosen.size
    assert np.abs(full - kept).max() < 0.02
