"""Auto-regression of all axes on all axes, by recursive least squares."""

import math
from dataclasses import dataclass

from motion.least_squares import Fit, start_fit
from motion.prediction.history import History, Real
from motion.prediction.taps import Taps, settled_taps

MEMORY_S = 240.0  # 60 s costs 2 % of the error
PRIOR_MM2 = 25.0  # strength of the belief, before any sample, that the target stays
LEARNING_S = 8.0  # of lessons: two breaths
LONGEST_STEP_S = 1.0  # that one lesson counts for, however long the gap before it was
USUAL_MM2 = 4.0  # mean square of a lesson's error, before any is known
USUAL_S = 6.0  # memory of it
LEAST_MM2 = 1e-6  # errors below a micrometre are equal
OUTLYING = 4.0  # times the usual mean square, from which on a lesson counts less


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What the regression knows.

    time_s: of the last lesson. learned_s: of lessons. usual_mm2: mean square of their errors.
    """

    taps: Taps
    fit: Fit
    time_s: float = -math.inf
    learned_s: float = 0.0
    usual_mm2: float = USUAL_MM2


class Rls:
    """Recursive least squares with exponential forgetting; Volterra of third order.

    It has as many outputs as axes and steps ahead, starts as "stays where it is", and learns what
    is otherwise. A lesson that surprises counts less, so that a cough or an odd breath teaches
    little: Huber 1964, doi:10.1214/aoms/1177703732, by the mean square over a lesson's outputs. In
    a long breath-hold nothing new is learned and nothing forgotten.
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
        surprise = target - regressor @ state.fit.weights
        square_mm2, usual_mm2 = float(surprise @ surprise) / len(surprise), state.usual_mm2
        # the root: both sides of the equation are multiplied by it
        count = math.sqrt(min(1.0, OUTLYING * usual_mm2 / max(square_mm2, LEAST_MM2)))
        fit = state.fit.learned(
            count * regressor, count * target, forgetting=math.exp(-elapsed_s / MEMORY_S)
        )
        usual_mm2 += min(elapsed_s / USUAL_S, 1.0) * (min(square_mm2, 9.0 * usual_mm2) - usual_mm2)
        usual_mm2 = max(usual_mm2, LEAST_MM2)
        return Learned(state.taps, fit, time_s, state.learned_s + elapsed_s, usual_mm2)

    def predict(self, state: Learned | None, history: History, horizon_s: float) -> Real | None:
        """Return the position at the horizon; None in the first seconds and after a gap."""
        if state is None or state.learned_s < LEARNING_S:
            return None
        if not state.taps.can_predict(history, horizon_s):
            return None
        steps = state.taps.regressor(history) @ state.fit.weights
        return state.taps.predicted(steps, history, horizon_s)
