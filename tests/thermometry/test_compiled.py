"""The compiled kernels against the same formulas in plain NumPy, and how they are compiled."""

import math
import pickle

import numba
import numpy as np
import pytest

from tests.thermometry.phantoms import (
    anatomy,
    complex_noise,
    fold,
    heated,
    hot_spot,
    make_image,
    make_map,
    make_plan,
)
from thermometry import SingleBaseline, accumulate_dose, conversion, drift, phase, start_dose
from thermometry.baseline import Reference
from thermometry.compiled import compiled
from thermometry.dose import cem43
from thermometry.dose import cem43_rate as rate_module

SHAPE = (2, 12, 10)
KERNELS = (
    phase._compare,
    conversion.to_temperature,
    drift._whiten,
    drift._weigh,
    rate_module._exponents,
    cem43._add,
    cem43._relative,
)


def test_observation_agrees_with_numpy_pixel_by_pixel():
    rng = np.random.default_rng(30)
    baseline = anatomy(SHAPE) * np.float32(0.7)
    coils = (heated(baseline, 15) + complex_noise(rng, baseline.shape, 0.2)).astype(np.complex64)
    coils[3, 0, 2, 2], coils[1, 1, 4, 4] = np.nan, complex(np.inf, 0)
    energy_b = np.sum(np.abs(baseline) ** 2, axis=0)
    usable = rng.random(SHAPE) < 0.8
    profile = np.where(usable, np.conj(baseline) / np.sqrt(energy_b), 0).astype(np.complex64)
    share = np.where(usable, 0.02 / energy_b, 0).astype(np.float32)
    seen = phase.observe(
        coils, Reference(profile, share, usable, 0.04), noise_variance=0.04, min_snr=4.0
    )

    finite = np.isfinite(coils).all(axis=0)
    clean = np.where(finite, coils, 0).astype(np.complex128)
    product = np.sum(clean * profile, axis=0)
    expected_usable = usable & finite & (np.abs(product) ** 2 >= 0.5 * 16 * 0.04)
    half = 0.5 / np.where(expected_usable, np.abs(product) ** 2, 1)
    common = share * np.sum(np.abs(clean) ** 2, axis=0) * half
    assert 0 < expected_usable.sum() < usable.sum()
    assert np.array_equal(seen.usable, expected_usable)
    assert np.allclose(seen.phase_rad[usable], np.angle(product)[usable], atol=1e-5)
    assert np.allclose(seen.common_rad2, common, rtol=1e-5)
    assert np.allclose(seen.total_rad2, 0.04 * half * (1 - 8 * share) + common, rtol=1e-5)


def test_temperature_agrees_with_numpy_pixel_by_pixel():
    rng = np.random.default_rng(31)
    n_pixels = 500
    wrapped, moved, held = (
        (s * rng.standard_normal(n_pixels)).astype(np.float32) for s in (2, 0.3, 5)
    )
    total, common, own = (
        rng.uniform(*r, n_pixels).astype(np.float32) for r in ((0.01, 0.2), (0, 0.01), (0, 0.1))
    )
    fitted, weights = np.arange(0, n_pixels, 3), rng.random(len(range(0, n_pixels, 3)))
    usable = rng.random(n_pixels) < 0.7
    found = conversion.to_temperature(
        wrapped, moved, held, total, common, own, fitted, weights, usable,
        np.float32(-10), np.float32(37), np.float32(3),
    )  # fmt: skip

    step = wrapped - moved - held
    absolute = held + step - 2 * np.pi * np.rint(step / (2 * np.pi))
    share = np.ones(n_pixels)
    share[fitted] -= 2 * weights
    inflation = np.maximum(1 + own / total * share, 0)
    std_c = 10 * np.sqrt(total * inflation)
    valid = usable & (std_c <= 3)
    assert 0 < valid.sum() < usable.sum()
    expected = (
        np.where(valid, 37 - 10 * absolute, np.nan),
        np.where(valid, std_c, np.nan),
        np.where(valid, 10 * np.sqrt(common * inflation), np.nan),
        valid,
        np.where(valid, absolute, held),
    )
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(one, other, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("n_pixels", [1, 2, 7, 1000])
@pytest.mark.parametrize("is_huber", [True, False])
def test_robust_weights_agree_with_a_sorted_median(n_pixels, is_huber):
    rng = np.random.default_rng([32, n_pixels])
    design = rng.standard_normal((2, n_pixels))
    target = 3 * rng.standard_normal(n_pixels)
    coefficients = np.array([0.2, -0.1])
    weights, scale = drift._weigh(design, target, coefficients, is_huber)
    residual = np.abs(target - coefficients @ design)
    assert scale == pytest.approx(1.4826 * np.sort(residual)[n_pixels // 2], rel=1e-6)
    ratio = residual / max(scale, 1)
    huber = 1.345 / np.maximum(ratio, 1.345)
    tukey = np.maximum(1 - (ratio / 4.685) ** 2, 0) ** 2
    assert np.allclose(weights, huber if is_huber else tukey, atol=1e-9)


def test_products_make_the_normal_equations():
    rng = np.random.default_rng(33)
    terms, seen = rng.standard_normal((3, 40)).astype(np.float32), np.ones(40, np.float32)
    variance = rng.uniform(0.5, 2, 40).astype(np.float32)
    weights = rng.random(40)
    sums = (drift._whiten(terms, seen, variance)[2] @ weights).reshape(3, 4)
    assert np.allclose(sums[:, :3], (terms * weights / variance) @ terms.T, rtol=1e-6)
    assert np.allclose(sums[:, 3], (terms * weights / variance) @ seen, rtol=1e-6)


def test_dose_agrees_with_numpy_run_by_run():
    rng = np.random.default_rng(34)
    shape, times_s = (1, 1, 200), [0.0, 2.0, 2.5, 7.0, 9.0]
    samples_c = rng.uniform(30, 60, (len(times_s), *shape)).astype(np.float32)
    valid = rng.random(samples_c.shape) < 0.7
    state = start_dose(shape)
    for sample_c, ok, time_s in zip(samples_c, valid, times_s, strict=True):
        map_ = make_map(sample_c, time_s, std_c=0.6, common_c=0.3, valid=ok)
        state, found = accumulate_dose(state, map_)

    for pixel in range(200):
        ok = valid[:, 0, 0, pixel]
        t, c = np.array(times_s)[ok], samples_c[ok, 0, 0, pixel].astype(float)
        ln_r = np.where(c >= 43, math.log(2), math.log(4))
        rate = np.exp(ln_r * (c - 43) - (0.6 * ln_r) ** 2 / 2) / 60 * (c >= 37)
        own = rate * np.sqrt(1 - np.exp(-(0.6**2 - 0.3**2) * ln_r**2))
        half = np.diff(t) / 2
        whole = np.append(half, 0) + np.append(0, half) if t.size else np.zeros(0)
        total = np.sum(whole * rate)
        assert found.cem43_min[0, 0, pixel] == pytest.approx(total, rel=1e-4)
        if total > 0:
            v = np.sum((whole * own) ** 2) / total**2
            common = np.sum(whole * rate * 0.3 * ln_r) / total
            log_variance = common**2 - np.log1p(-v)
            high = total * np.exp(log_variance / 2 + 1.959964 * np.sqrt(log_variance))
            assert found.cem43_high_min[0, 0, pixel] == pytest.approx(high, rel=1e-3)


def test_one_compilation_serves_every_frame():
    # a second one takes seconds in the middle of a treatment
    rng = np.random.default_rng(35)
    for shape, n_coils in (((1, 32, 32), 8), ((3, 16, 20), 1)):
        coils = anatomy(shape, n_coils)
        images = [
            make_image(c + complex_noise(rng, coils.shape, 0.05), i, noise_std=s)
            for i, (c, s) in enumerate([(coils, None), (heated(coils, hot_spot(shape, 9)), 0.05)])
        ]
        images[1].coil_pixels.flags.writeable = False
        thermometer = SingleBaseline(make_plan(shape, drift_order=1))
        state, _ = fold(thermometer, images)
        dose_state = start_dose(shape)
        for image in images:
            # writeable arrays, as they come back from a checkpoint
            state, map_ = thermometer.step(pickle.loads(pickle.dumps(state)), image)
            dose_state, _ = accumulate_dose(pickle.loads(pickle.dumps(dose_state)), map_)
    for kernel in KERNELS:
        assert len(kernel.dispatcher.signatures) == 1, kernel.__name__


def test_a_kernel_cannot_change_what_it_is_given():
    @compiled
    def careless(array):
        array[0] = 1.0

    with pytest.raises(numba.errors.TypingError, match="Cannot modify readonly array"):
        careless(np.zeros(3))


def test_a_kernel_needs_no_folder_for_its_cache():
    made = {}
    exec("def twice(array):\n    return 2 * array", made)
    assert compiled(made["twice"])(np.ones(3)).tolist() == [2, 2, 2]
