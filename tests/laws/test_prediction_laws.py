"""Promises that every predictor of motion.PREDICTORS keeps."""

import pickle

import numpy as np
import pytest

from motion import PREDICTORS

EVERY_PREDICTOR = pytest.mark.parametrize("name", sorted(PREDICTORS))


def breath(time_s, *, period_s=4.0, mm=(8.0, 3.0)):
    """A breath-like motion, (time, axis)."""
    return np.stack(
        [a * np.cos(np.pi * time_s / period_s - 0.3 * k) ** 4 for k, a in enumerate(mm)], -1
    )


def folded(name, positions, times, *, horizon_s=0.25, state=None):
    """Return the last state and the predictions of positions (time, axis); NaN rows are None."""
    predictor = PREDICTORS[name]()
    state = predictor.start() if state is None else state
    predictions = []
    for time_s, position in zip(times, positions, strict=True):
        seen = None if np.isnan(position).any() else tuple(position)
        state, one = predictor.step(
            state, time_s=float(time_s), position_mm=seen, horizon_s=horizon_s
        )
        predictions.append(one)
    return state, predictions


def noisy_breath(*, seconds=40.0, rate_hz=8.0, seed=0, mm=(8.0, 3.0)):
    rng = np.random.default_rng(seed)
    times = np.arange(0, seconds, 1 / rate_hz)
    return times, breath(times, mm=mm) + 0.3 * rng.standard_normal((len(times), len(mm)))


def figures(predictions, field):
    return np.array([getattr(one, field) for one in predictions])


@EVERY_PREDICTOR
def test_moves_with_the_origin(name):
    times, positions = noisy_breath()
    shift = np.array([30.0, -120.0])
    _, here = folded(name, positions, times)
    _, there = folded(name, positions + shift, times)
    for field in ("position_mm", "low_mm", "high_mm"):
        moved = figures(there, field) - figures(here, field)
        assert np.abs(moved - shift).max() < 1e-6
    assert [one.is_trusted for one in here] == [one.is_trusted for one in there]


@EVERY_PREDICTOR
def test_axes_have_no_rank(name):
    times, positions = noisy_breath(mm=(8.0, 3.0, 1.0))
    order = [2, 0, 1]
    _, straight = folded(name, positions, times)
    _, permuted = folded(name, positions[:, order], times)
    for field in ("position_mm", "std_mm"):
        off = figures(permuted, field) - figures(straight, field)[:, order]
        assert np.abs(off).max() < 1e-6


@EVERY_PREDICTOR
def test_goes_on_from_a_pickled_state_exactly(name):
    times, positions = noisy_breath()
    state, _ = folded(name, positions[:200], times[:200])
    _, here = folded(name, positions[200:], times[200:], state=state)
    thawed = pickle.loads(pickle.dumps(state))
    _, there = folded(name, positions[200:], times[200:], state=thawed)
    assert here == there


@EVERY_PREDICTOR
def test_changes_no_state_that_it_was_given(name):
    times, positions = noisy_breath()
    state, _ = folded(name, positions[:200], times[:200])
    before = pickle.dumps(state)
    folded(name, positions[200:], times[200:], state=state)
    assert pickle.dumps(state) == before


@EVERY_PREDICTOR
def test_what_it_remembers_does_not_grow(name):
    times, positions = noisy_breath(seconds=240.0)
    state, _ = folded(name, positions[:960], times[:960])
    later, _ = folded(name, positions[960:], times[960:], state=state)
    assert len(pickle.dumps(later)) < 1.05 * len(pickle.dumps(state))


@EVERY_PREDICTOR
def test_knows_nothing_before_the_first_sample(name):
    _, predictions = folded(name, np.full((5, 2), np.nan), np.arange(5) / 8)
    assert predictions == [None] * 5


@EVERY_PREDICTOR
@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 25.0])
@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_missing_samples_widen_the_interval_and_break_nothing(name, rate_hz, n_axes):
    times, positions = noisy_breath(rate_hz=rate_hz, mm=(8.0, 3.0, 1.0)[:n_axes])
    lost = np.random.default_rng(2).random(len(times)) < 0.1
    lost[0], lost[-3:-1] = False, True
    positions[lost] = np.nan
    _, predictions = folded(name, positions, times)
    for field in ("position_mm", "low_mm", "high_mm", "std_mm"):
        assert np.isfinite(figures(predictions, field)).all()
        assert figures(predictions, field).shape == (len(times), n_axes)
    widths = figures(predictions, "high_mm") - figures(predictions, "low_mm")
    assert (widths[-2] > widths[-4]).all()
    assert figures(predictions, "effect_time_s") == pytest.approx(times + 0.25)
