"""Evenly spaced looks back and ahead: what a regression over time predicts from, and what."""

import math
from dataclasses import dataclass

import numpy as np

from motion.prediction.history import History, Real

LOOK_BACK_S = 2.5  # half a breath or more: more does not help (benchmarks/_gating_prediction.py)
PITCH_S = 0.125  # finer than this, neighbours say the same
SETTLING_S = 1.0  # of samples, before the pitch is told from them


@dataclass(frozen=True, slots=True)
class Taps:
    """The times of a regression, in steps of pitch_s.

    A prediction is learned directly for each of n_ahead steps ahead; those between are
    interpolated. So the horizon may change from frame to frame and nothing is learned anew, and no
    error is fed back as in iterated one-step prediction.
    """

    pitch_s: float
    n_back: int
    n_ahead: int

    @property
    def reach_s(self) -> float:
        """The farthest horizon."""
        return self.n_ahead * self.pitch_s

    @property
    def look_back_s(self) -> float:
        """How much past a prediction needs."""
        return (self.n_back - 1) * self.pitch_s

    def regressor(self, history: History, time_s: float, origin_mm: Real) -> Real:
        """Return the past seen from `time_s`, newest first, and 1: (n_back · axis + 1,)."""
        times = np.asarray(time_s - self.pitch_s * np.arange(self.n_back), np.float64)
        return np.append((history.at(times) - origin_mm).ravel(), 1.0)

    def targets(self, history: History, time_s: float, origin_mm: Real) -> Real:
        """Return what came after `time_s`: (n_ahead · axis,)."""
        times = np.asarray(time_s + self.pitch_s * np.arange(1, self.n_ahead + 1), np.float64)
        return np.asarray((history.at(times) - origin_mm).ravel())

    def lesson_time_s(self, history: History) -> float | None:
        """Return the latest sample whose future is known whole; None where the past is not."""
        slack_s = 0.1 * self.pitch_s
        latest_s = history.time_s[-1] - self.reach_s + slack_s
        time_s = history.time_s[np.searchsorted(history.time_s, latest_s, side="right") - 1]
        if time_s > latest_s or time_s - self.look_back_s < history.time_s[0] - slack_s:
            return None
        return float(time_s)

    def interpolated(self, steps_mm: Real, newest_mm: Real, horizon_s: float) -> Real:
        """Return the position (axis,) at the horizon by the parabola through the nearest steps.

        steps_mm: (n_ahead, axis), predicted. newest_mm: (axis,), measured, the step 0.
        """
        known = np.concatenate([newest_mm[None], steps_mm])
        at = horizon_s / self.pitch_s
        # the measured sample has its own noise: it is used only below the first predicted step
        lowest = 0 if at < 1 else 1
        first = min(max(round(at) - 1, lowest), max(len(known) - 3, 0))
        nodes = np.arange(first, min(first + 3, len(known)))
        weights = [
            math.prod((at - other) / (node - other) for other in nodes if other != node)
            for node in nodes
        ]
        return np.asarray(np.array(weights) @ known[nodes])


def settled_taps(history: History, horizon_s: float) -> Taps | None:
    """Return the times for samples as they come; None until that is known."""
    if history.span_s < SETTLING_S:
        return None
    interval_s = float(np.median(np.diff(history.time_s)))
    pitch_s = interval_s * max(1, round(PITCH_S / interval_s))
    return Taps(
        pitch_s,
        n_back=max(2, round(LOOK_BACK_S / pitch_s)),
        n_ahead=math.ceil(1.5 * horizon_s / pitch_s) + 1,
    )
