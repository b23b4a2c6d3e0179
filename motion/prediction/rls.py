"""Auto-regression of all axes on all axes, by recursive least squares."""

import math
from dataclasses import dataclass

import numpy as np

from motion.prediction.history import History, Real
from motion.prediction.taps import LOOK_BACK_S, Taps, settled_taps

MEMORY_S = 62.5  # forgetting 0.998 a sample at 8 Hz
PRIOR_MM2 = 1.0  # strength of the belief, before any sample, that the target stays
LEARNING_S = 8.0  # of lessons: two breaths


@dataclass(frozen=True, slots=True, eq=False)
class RlsState:
    """What the regression knows.

    origin_mm: (axis,), from which it counts. weights: (regressor, n_ahead · axis).
    covariance: (regressor, regressor) in 1/mm², inverse of the weighted sum of past regressors.
    """

    taps: Taps | None = None
    origin_mm: Real | None = None
    weights: Real | None = None
    covariance: Real | None = None
    time_s: float = math.nan
    learned_s: float = 0.0


class Rls:
    """Recursive least squares with exponential forgetting.

    Haykin 2014, Adaptive Filter Theory, 5th ed., table 10.1, with as many outputs as axes and
    steps ahead. It starts as "stays where it is" and learns what is otherwise. The covariance is
    not forgotten beyond its prior: in a long breath-hold nothing new excites it.
    """

    span_s = LOOK_BACK_S + 3.0

    def start(self) -> RlsState:
        """Return the state before the first position."""
        return RlsState()

    def learn(self, state: RlsState, history: History, horizon_s: float) -> RlsState:
        """Return the state after the lesson that the newest sample completes."""
        if state.taps is None or horizon_s > state.taps.reach_s:
            state = _begun(history, horizon_s)
        lesson = _lesson(state, history)
        if lesson is None:
            return state
        time_s, regressor, targets = lesson
        elapsed_s = time_s - state.time_s if state.time_s < time_s else 0.0
        weights, covariance = _updated(
            state, regressor, targets, forgetting=math.exp(-min(elapsed_s, 1.0) / MEMORY_S)
        )
        return RlsState(
            state.taps, state.origin_mm, weights, covariance, time_s,
            state.learned_s + min(elapsed_s, 1.0),
        )  # fmt: skip

    def predict(self, state: RlsState, history: History, horizon_s: float) -> Real | None:
        """Return the position at the horizon; None in the first seconds and after a gap."""
        taps, origin_mm, weights = state.taps, state.origin_mm, state.weights
        if taps is None or origin_mm is None or weights is None or horizon_s > taps.reach_s:
            return None
        if state.learned_s < LEARNING_S or history.span_s < taps.look_back_s - 0.1 * taps.pitch_s:
            return None
        regressor = taps.regressor(history, float(history.time_s[-1]), origin_mm)
        steps = (regressor @ weights).reshape(taps.n_ahead, -1)
        return taps.interpolated(steps + origin_mm, history.newest_mm, horizon_s)


def _begun(history: History, horizon_s: float) -> RlsState:
    taps = settled_taps(history, horizon_s)
    if taps is None:
        return RlsState()
    n_axes = history.position_mm.shape[1]
    n_in = taps.n_back * n_axes + 1
    weights = np.zeros((n_in, taps.n_ahead * n_axes))
    weights[:n_axes] = np.tile(np.eye(n_axes), taps.n_ahead)
    return RlsState(taps, history.position_mm.mean(axis=0), weights, np.eye(n_in) / PRIOR_MM2)


def _lesson(state: RlsState, history: History) -> tuple[float, Real, Real] | None:
    if state.taps is None or state.origin_mm is None:
        return None
    time_s = state.taps.lesson_time_s(history)
    if time_s is None or time_s == state.time_s:
        return None
    return (
        time_s,
        state.taps.regressor(history, time_s, state.origin_mm),
        state.taps.targets(history, time_s, state.origin_mm),
    )


def _updated(
    state: RlsState, regressor: Real, targets: Real, *, forgetting: float
) -> tuple[Real, Real]:
    if state.weights is None or state.covariance is None:
        raise FloatingPointError("recursive least squares: not begun")
    seen = state.covariance @ regressor
    scale = forgetting + float(regressor @ seen)
    if not (scale > 0 and math.isfinite(scale)):
        raise FloatingPointError(f"recursive least squares: gain 1/{scale} is no gain")
    weights = state.weights + np.outer(seen / scale, targets - regressor @ state.weights)
    covariance = state.covariance - np.outer(seen, seen / scale)
    grown = covariance / forgetting
    if np.trace(grown) <= len(grown) / PRIOR_MM2:
        covariance = grown
    return weights, covariance
