"""Auto-regression of all axes on all axes, by recursive least squares."""

import math
from dataclasses import dataclass

from motion.least_squares import Fit, start_fit
from motion.prediction.history import History, Real
from motion.prediction.taps import Taps, settled_taps

MEMORY_S = 120.0  # forgetting 0.999 a sample at 8 Hz; 60 s costs 2 % of the error
PRIOR_MM2 = 10.0  # strength of the belief, before any sample, that the target stays
LEARNING_S = 8.0  # of lessons: two breaths
LONGEST_STEP_S = 1.0  # that one lesson counts for, however long the gap before it was


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What the regression knows. time_s: of the last lesson. learned_s: of lessons."""

    taps: Taps
    fit: Fit
    time_s: float = -math.inf
    learned_s: float = 0.0


class Rls:
    """Recursive least squares with exponential forgetting; second-order Volterra.

    It has as many outputs as axes and steps ahead, starts as "stays where it is", and learns what
    is otherwise. In a long breath-hold nothing new is learned and nothing forgotten.
    """

    span_s = 6.0

    def start(self) -> Learned | None:
        """Return the state before the first position."""
        return None

    def learn(self, state: Learned | None, history: History, horizon_s: float) -> Learned | None:
        """Return the state after the lesson that the newest sample completes."""
        if state is None or horizon_s > state.taps.reach_s:
            taps = settled_taps(history, horizon_s, has_products=True)
            if taps is None:
                return None
            return Learned(taps, start_fit(taps.holding(), prior=PRIOR_MM2))
        time_s = state.taps.lesson_time_s(history)
        if time_s is None or time_s <= state.time_s:
            return state
        elapsed_s = min(time_s - state.time_s, LONGEST_STEP_S)
        regressor, target = state.taps.lesson(history, time_s)
        fit = state.fit.learned(regressor, target, forgetting=math.exp(-elapsed_s / MEMORY_S))
        return Learned(state.taps, fit, time_s, state.learned_s + elapsed_s)

    def predict(self, state: Learned | None, history: History, horizon_s: float) -> Real | None:
        """Return the position at the horizon; None in the first seconds and after a gap."""
        if state is None or state.learned_s < LEARNING_S:
            return None
        if not state.taps.can_predict(history, horizon_s):
            return None
        steps = state.taps.regressor(history) @ state.fit.weights
        return state.taps.predicted(steps, history, horizon_s)
