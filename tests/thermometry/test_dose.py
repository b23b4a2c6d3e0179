import dataclasses

import numpy as np
import pytest

from tests.thermometry.phantoms import make_map
from thermometry import accumulate_dose, interrupt, start_dose
from thermometry.dose.between_frames import INTEGRATIONS

SHAPE = (1, 2, 3)


def integrate(temperatures_c, times_s, *, shape=SHAPE, state=None, **spread):
    state = start_dose(shape) if state is None else state
    dose = None
    for temperature_c, time_s in zip(temperatures_c, times_s, strict=True):
        map_ = make_map(np.broadcast_to(temperature_c, shape), time_s, **spread)
        state, dose = accumulate_dose(state, map_)
    return state, dose


def test_sixty_seconds_at_43_is_one_minute():
    _, dose = integrate([43.0] * 61, np.arange(61.0))
    assert np.abs(dose.cem43_min - 1).max() < 1e-5


@pytest.mark.parametrize("temperature_c", [43.0, 45.0, 50.0, 56.0, 60.0])
def test_constant_temperature_doubles_per_degree(temperature_c):
    _, dose = integrate([temperature_c] * 11, np.arange(11.0) * 6)
    assert dose.cem43_min == pytest.approx(2 ** (temperature_c - 43), rel=1e-4)


@pytest.mark.parametrize("temperature_c", [38.0, 41.0, 42.9])
def test_below_43_a_degree_is_a_factor_of_four(temperature_c):
    _, dose = integrate([temperature_c] * 11, np.arange(11.0) * 6)
    assert dose.cem43_min == pytest.approx(4 ** (temperature_c - 43), rel=1e-4)


def test_below_37_nothing_counts():
    _, dose = integrate([36.9] * 11, np.arange(11.0))
    assert np.all(dose.cem43_min == 0)
    assert np.all(dose.cem43_high_min == 0)


def test_linear_ramp_matches_its_integral():
    times_s = np.linspace(0, 120, 1201)
    a, b = 1.0, 14.0
    _, dose = integrate(43 + a + (b - a) * times_s / 120, times_s)
    exact_min = 2 * (2**b - 2**a) / ((b - a) * np.log(2))
    # trapezoid: relative error (ln2 · slope · dt)² / 12 = 5e-6
    assert dose.cem43_min == pytest.approx(exact_min, rel=1e-4)


def test_scanner_time_of_day_keeps_its_milliseconds():
    times_s = 80_000.0 + np.arange(6001) * 0.01
    _, dose = integrate([43.0] * 6001, times_s)
    assert dose.cem43_min == pytest.approx(1.0, abs=1e-4)


def test_first_sample_adds_nothing():
    _, dose = integrate([80.0], [5.0])
    assert np.all(dose.cem43_min == 0)


def test_boiling_is_the_end_of_the_scale():
    _, at_100 = integrate([100.0] * 2, [0.0, 1.0])
    _, beyond = integrate([1e4] * 2, [0.0, 1.0])
    assert np.array_equal(at_100.cem43_min, beyond.cem43_min)
    assert np.all(np.isfinite(beyond.cem43_high_min))


def test_nan_never_enters_a_sum():
    series = np.full((5, *SHAPE), 50.0)
    series[2, 0, 0, 0] = np.nan
    state = start_dose(SHAPE)
    for i, frame in enumerate(series):
        # a careless caller: NaN that is called valid
        state, dose = accumulate_dose(state, make_map(frame, i * 2.0))
    assert np.all(np.isfinite(dose.cem43_min))
    # the gap is bridged, so that pixel has the same dose as the others
    assert np.ptp(dose.cem43_min) < 1e-4


def test_gap_is_bridged_by_a_straight_line_of_the_rate():
    state, _ = integrate([43.0, 43.0], [0.0, 60.0])
    state, dose = accumulate_dose(state, make_map(np.full(SHAPE, 90.0), 90.0, valid=False))
    assert np.abs(dose.cem43_min - 1).max() < 1e-5
    state, dose = accumulate_dose(state, make_map(np.full(SHAPE, 44.0), 120.0))
    assert dose.cem43_min == pytest.approx(1 + (1 + 2) / 2, rel=1e-5)


def test_pixel_that_was_never_valid_has_a_finite_dose_of_zero():
    valid = np.ones(SHAPE, np.bool_)
    valid[0, 1, 1] = False
    state = start_dose(SHAPE)
    for i in range(4):
        state, dose = accumulate_dose(state, make_map(np.full(SHAPE, 50.0), i * 1.0, valid=valid))
    assert dose.cem43_min[0, 1, 1] == dose.cem43_high_min[0, 1, 1] == 0
    assert np.all(dose.cem43_min[valid] > 0)


@pytest.mark.parametrize("time_s", [np.nan, np.inf, 60.0, 10.0])
def test_frame_without_a_later_time_changes_nothing(time_s):
    state, before = integrate([50.0, 50.0], [0.0, 60.0])
    after_state, after = accumulate_dose(state, make_map(np.full(SHAPE, 70.0), time_s))
    assert after_state is state
    assert np.array_equal(after.cem43_min, before.cem43_min)
    _, later = accumulate_dose(after_state, make_map(np.full(SHAPE, 50.0), 120.0))
    assert later.cem43_min == pytest.approx(2 * 2**7, rel=1e-4)


def test_interruption_sticks_and_the_gap_adds_nothing():
    state, _ = integrate([43.0, 43.0], [0.0, 60.0])
    state, dose = integrate([43.0], [600.0], state=interrupt(state))
    assert dose.interrupted
    assert np.abs(dose.cem43_min - 1).max() < 1e-5
    _, dose = integrate([43.0], [660.0], state=state)
    assert dose.interrupted
    assert np.abs(dose.cem43_min - 2).max() < 1e-5


def test_maps_are_read_only_and_single_precision():
    _, dose = integrate([50.0] * 3, [0.0, 1.0, 2.0], std_c=0.5, common_c=0.2)
    for name in ("cem43_min", "cem43_low_min", "cem43_high_min"):
        assert getattr(dose, name).dtype == np.float32
        assert not getattr(dose, name).flags.writeable


def monte_carlo(truth_c, *, std_c, common_c=0.0, n_runs=20_000, seed=17):
    """Dose of many runs of one truth with noise of the stated size; returns (run,) arrays."""
    rng = np.random.default_rng(seed)
    shape = (1, 1, n_runs)
    shared = common_c * rng.standard_normal(shape)
    own_c = np.sqrt(std_c**2 - common_c**2)
    state = start_dose(shape)
    for i, temperature_c in enumerate(truth_c):
        noisy = temperature_c + shared + own_c * rng.standard_normal(shape)
        state, dose = accumulate_dose(
            state, make_map(noisy, i * 3.0, std_c=std_c, common_c=common_c)
        )
    _, exact = integrate(truth_c, np.arange(len(truth_c)) * 3.0, shape=(1, 1, 1))
    return dose, float(exact.cem43_min[0, 0, 0])


# What is left near 43 °C, where noise reaches across the kink; 5 % is kept everywhere else.
NEAR_THE_KINK = {(42.5, 1.0): 0.05, (43.0, 0.5): 0.12, (43.0, 1.0): 0.17, (43.5, 1.0): 0.10}


@pytest.mark.parametrize("std_c", [0.5, 1.0])
@pytest.mark.parametrize("temperature_c", [40.0, 42.5, 43.0, 43.5, 45.0, 50.0, 56.0])
def test_noise_leaves_no_bias_in_the_dose(temperature_c, std_c):
    dose, exact = monte_carlo([temperature_c] * 6, std_c=std_c)
    bias = dose.cem43_min.mean(dtype=np.float64) / exact - 1
    assert abs(bias) < NEAR_THE_KINK.get((temperature_c, std_c), 0.05)


def test_correction_is_what_removes_the_bias():
    dose, exact = monte_carlo([50.0] * 6, std_c=1.0)
    uncorrected = dataclasses.replace(dose).cem43_min.mean() * np.exp((np.log(2)) ** 2 / 2)
    assert uncorrected / exact == pytest.approx(1.27, abs=0.02)


HEATING = np.concatenate([np.linspace(37, 57, 8), np.linspace(57, 40, 8)])


@pytest.mark.parametrize(
    ("truth_c", "std_c", "common_c"),
    [
        ([50.0] * 2, 0.5, 0.0),
        ([50.0] * 20, 0.5, 0.0),
        ([50.0] * 20, 1.0, 0.4),
        ([50.0] * 20, 0.5, 0.35),
        ([40.5] * 10, 0.5, 0.2),
        ([38.0, 41.0, 38.0], 0.7, 0.0),
        (HEATING, 0.5, 0.2),
        (HEATING, 1.0, 0.4),
    ],
)
def test_interval_covers_the_truth_95_times_in_100(truth_c, std_c, common_c):
    dose, exact = monte_carlo(truth_c, std_c=std_c, common_c=common_c, n_runs=5000)
    covered = np.mean((dose.cem43_low_min <= exact) & (exact <= dose.cem43_high_min))
    assert 0.90 < covered < 0.98


def ramp(a_c, b_c, *, n=2, span_s=60.0, integration="log-linear", **spread):
    state = start_dose(SHAPE, integration=integration)
    for share in np.linspace(0, 1, n):
        map_ = make_map(np.full(SHAPE, a_c + (b_c - a_c) * share), span_s * share, **spread)
        state, dose = accumulate_dose(state, map_)
    return dose


@pytest.mark.parametrize(("a_c", "b_c"), [(44.0, 57.0), (57.0, 44.0), (38.0, 42.5)])
def test_log_linear_is_exact_for_a_ramp_between_two_images(a_c, b_c):
    ln_r = np.log(2) if a_c > 43 else np.log(4)
    a, b = a_c - 43, b_c - 43
    exact_min = (np.exp(ln_r * b) - np.exp(ln_r * a)) / (ln_r * (b - a))
    assert ramp(a_c, b_c).cem43_min == pytest.approx(exact_min, rel=1e-4)
    straight = ramp(a_c, b_c, integration="trapezoid").cem43_min
    assert np.all(straight > 1.5 * exact_min)


@pytest.mark.parametrize(("a_c", "b_c"), [(40.0, 50.0), (50.0, 40.0)])
def test_log_linear_bends_at_43(a_c, b_c):
    below, above = min(a_c, b_c) - 43, max(a_c, b_c) - 43
    area = (1 - 4.0**below) / np.log(4) + (2.0**above - 1) / np.log(2)
    assert ramp(a_c, b_c).cem43_min == pytest.approx(area / (above - below), rel=1e-4)


def test_log_linear_agrees_with_the_trapezoid_where_images_are_close():
    fine = [ramp(37.0, 57.0, n=400, integration=rule).cem43_min for rule in INTEGRATIONS]
    assert fine[0] == pytest.approx(fine[1], rel=1e-3)


@pytest.mark.parametrize("integration", INTEGRATIONS)
def test_either_rule_is_unbiased_and_covers_on_a_plateau(integration):
    rng = np.random.default_rng(11)
    shape, n, std_c = (1, 1, 4000), 8, 0.7
    state = start_dose(shape, integration=integration)
    for i in range(n):
        noisy = 50.0 + std_c * rng.standard_normal(shape)
        state, dose = accumulate_dose(state, make_map(noisy, i * 3.0, std_c=std_c))
    exact_min = 128.0 * (n - 1) * 3.0 / 60.0
    assert dose.cem43_min.mean(dtype=float) == pytest.approx(exact_min, rel=0.02)
    covered = np.mean((dose.cem43_low_min <= exact_min) & (exact_min <= dose.cem43_high_min))
    assert 0.92 < covered < 0.98


@pytest.mark.parametrize("integration", INTEGRATIONS)
def test_noise_of_some_degrees_leaves_an_interval_that_is_a_number(integration):
    rng = np.random.default_rng(11)
    state = start_dose((1, 40, 50), integration=integration)
    for time_s in np.arange(0.0, 20.0, 3.4):
        noisy = 41.0 + 3.0 * rng.standard_normal((1, 40, 50))
        state, dose = accumulate_dose(state, make_map(noisy, time_s, std_c=3.0))
    assert np.isfinite(dose.cem43_low_min).all()
    assert np.isfinite(dose.cem43_high_min).all()
    assert np.all(dose.cem43_high_min >= dose.cem43_min)
