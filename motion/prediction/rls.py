"""Auto-regression of all axes on all axes, by recursive least squares."""

import math
from dataclasses import dataclass

import numpy as np

from motion.prediction.history import History, Real
from motion.prediction.taps import Taps, settled_taps

MEMORY_S = 120.0  # forgetting 0.999 a sample at 8 Hz; 60 s costs 2 % of the error
PRIOR_MM2 = 10.0  # strength of the belief, before any sample, that the target stays
LEARNING_S = 8.0  # of lessons: two breaths
LONGEST_STEP_S = 1.0  # that one lesson counts for, however long the gap before it was


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What the regression knows.

    weights: (regressor, n_ahead · axis). covariance: (regressor, regressor) in 1/mm², inverse of
    the weighted sum of past regressors. time_s: of the last lesson. learned_s: of lessons.
    """

    taps: Taps
    weights: Real
    covariance: Real
    time_s: float = -math.inf
    learned_s: float = 0.0


class Rls:
    """Recursive least squares with exponential forgetting; second-order Volterra.

    Haykin 2014, Adaptive Filter Theory, 5th ed., table 10.1, with as many outputs as axes and
    steps ahead. It starts as "stays where it is" and learns what is otherwise. The covariance
    never grows beyond its prior: in a long breath-hold nothing new is learned, nothing forgotten.
    """

    span_s = 6.0

    def start(self) -> Fit | None:
        """Return the state before the first position."""
        return None

    def learn(self, state: Fit | None, history: History, horizon_s: float) -> Fit | None:
        """Return the state after the lesson that the newest sample completes."""
        if state is None or horizon_s > state.taps.reach_s:
            taps = settled_taps(history, horizon_s, has_products=True)
            return None if taps is None else _begun(taps)
        time_s = state.taps.lesson_time_s(history)
        if time_s is None or time_s <= state.time_s:
            return state
        elapsed_s = min(time_s - state.time_s, LONGEST_STEP_S)
        regressor, target = state.taps.lesson(history, time_s)
        weights, covariance = _updated(
            state, regressor, target, forgetting=math.exp(-elapsed_s / MEMORY_S)
        )
        return Fit(state.taps, weights, covariance, time_s, state.learned_s + elapsed_s)

    def predict(self, state: Fit | None, history: History, horizon_s: float) -> Real | None:
        """Return the position at the horizon; None in the first seconds and after a gap."""
        if state is None or state.learned_s < LEARNING_S:
            return None
        if not state.taps.can_predict(history, horizon_s):
            return None
        steps = state.taps.regressor(history) @ state.weights
        return state.taps.predicted(steps, history, horizon_s)


def _begun(taps: Taps) -> Fit:
    return Fit(taps, taps.holding(), np.eye(taps.n_regressors) / PRIOR_MM2)


def _updated(state: Fit, regressor: Real, target: Real, *, forgetting: float) -> tuple[Real, Real]:
    """Return weights and covariance after one lesson."""
    seen = state.covariance @ regressor
    scale = forgetting + float(regressor @ seen)
    if not forgetting <= scale < math.inf:
        raise FloatingPointError(f"recursive least squares: {scale} is no scale of a gain")
    gain = seen / scale
    weights = state.weights + gain[:, None] * (target - regressor @ state.weights)
    covariance = state.covariance - seen[:, None] * gain
    if covariance.trace() <= forgetting * len(covariance) / PRIOR_MM2:
        covariance /= forgetting
    return weights, covariance
