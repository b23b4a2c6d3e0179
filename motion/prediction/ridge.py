"""Auto-regression of all axes on all axes over a sliding window."""

from dataclasses import dataclass

import numpy as np

from motion.prediction.history import History, Real
from motion.prediction.taps import LOOK_BACK_S, Taps, settled_taps

WINDOW_S = 40.0
PRIOR_MM2 = 10.0  # strength of the belief that the target stays
LEARNING_S = 8.0  # of lessons: two breaths


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Sums over the lessons of the window.

    gram: (regressor, regressor). cross: (regressor, n_ahead · axis). lessons_s: (lesson,), their
    times, of which each is taken out again as it was put in.
    """

    taps: Taps
    gram: Real
    cross: Real
    lessons_s: Real


class Ridge:
    """Least squares of the last WINDOW_S, drawn towards "stays where it is".

    Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634. After a gap the window is empty.
    Without products: 40 s are too few to learn them.
    """

    span_s = WINDOW_S + LOOK_BACK_S + 4.0

    def start(self) -> Window | None:
        """Return the state before the first position."""
        return None

    def learn(self, state: Window | None, history: History, horizon_s: float) -> Window | None:
        """Return the state after the lesson that the newest sample completes."""
        is_cut = state is not None and len(history.time_s) == 1
        if state is None or is_cut or horizon_s > state.taps.reach_s:
            return _begun(history, horizon_s)
        taps = state.taps
        time_s = taps.lesson_time_s(history)
        lessons_s, gram, cross = state.lessons_s, state.gram, state.cross
        if time_s is None or (len(lessons_s) and time_s <= lessons_s[-1]):
            return state
        regressor, target = taps.lesson(history, time_s)
        gram = gram + regressor[:, None] * regressor
        cross = cross + regressor[:, None] * target
        n_old = int(lessons_s.searchsorted(time_s - WINDOW_S))
        for old_s in lessons_s[:n_old]:
            regressor, target = taps.lesson(history, float(old_s))
            gram -= regressor[:, None] * regressor
            cross -= regressor[:, None] * target
        return Window(taps, gram, cross, np.append(lessons_s[n_old:], time_s))

    def predict(self, state: Window | None, history: History, horizon_s: float) -> Real | None:
        """Return the position at the horizon; None in the first seconds and after a gap."""
        if state is None or not len(state.lessons_s):
            return None
        taps, lessons_s = state.taps, state.lessons_s
        if lessons_s[-1] - lessons_s[0] < LEARNING_S or not taps.can_predict(history, horizon_s):
            return None
        steps = taps.regressor(history) @ np.linalg.solve(state.gram, state.cross)
        return taps.predicted(steps, history, horizon_s)


def _begun(history: History, horizon_s: float) -> Window | None:
    taps = settled_taps(history, horizon_s, has_products=False)
    if taps is None:
        return None
    return Window(
        taps, PRIOR_MM2 * np.eye(taps.n_regressors), PRIOR_MM2 * taps.holding(), np.empty(0)
    )
