"""How wrong the predictions of late were, and the interval that covers as many as it says."""

import math
from dataclasses import dataclass

import numpy as np

from motion.prediction.history import History, Real

COVERAGE = 0.9
START_MM = 5.0  # half-width before any error is known: wider than most breaths move in 0.5 s
START_FACTOR = 1.645  # of a normal distribution, for that coverage
MEMORY_S = 10.0  # of the mean square: two breaths
STEP = 0.04  # of the factor's logarithm at each error
LEAST_MM = 0.01  # an interval is never a point


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Running errors of one predictor, per axis.

    The half-width is `factor` times the running root mean square. The factor grows where an error
    falls outside and shrinks a little where it does not, so that in the long run the wanted share
    falls inside whatever the errors' distribution is and however it drifts: Gibbs and Candès 2021,
    arXiv:2106.00170, eq. 2, here on the logarithm of the width instead of the level.

    pending: (prediction, 1 + 2 · axis), effect time, positions, half-widths, not yet come true.
    square_mm2, factor: (axis,). time_s: of the last error. learned_s: of errors.
    """

    pending: Real
    square_mm2: Real
    factor: Real
    time_s: float = math.nan
    learned_s: float = 0.0

    @property
    def std_mm(self) -> Real:
        """Root mean square error of late, (axis,)."""
        return np.asarray(np.sqrt(self.square_mm2))

    @property
    def half_mm(self) -> Real:
        """Half the width of the interval, (axis,)."""
        return np.asarray(np.maximum(self.factor * self.std_mm, LEAST_MM))

    def predicted(self, effect_time_s: float, position_mm: Real) -> "Errors":
        """Return it with a prediction that will be judged when its moment has come."""
        row = np.concatenate([[effect_time_s], position_mm, self.half_mm])[None]
        return self._with(pending=np.concatenate([self.pending, row]))

    def judged(self, history: History) -> "Errors":
        """Return it after all predictions whose moment has come; those in a gap are forgotten."""
        now_s = history.time_s[-1]
        due = self.pending[:, 0] <= now_s
        if not due.any():
            return self
        errors = self._with(pending=self.pending[~due])
        for row in self.pending[due]:
            if row[0] >= history.time_s[0]:
                errors = _judged_one(errors, row, history)
        return errors

    def _with(self, *, pending: Real) -> "Errors":
        return Errors(pending, self.square_mm2, self.factor, self.time_s, self.learned_s)


def start_errors(n_axes: int) -> Errors:
    """Return what is believed before any error is known."""
    return Errors(
        np.empty((0, 1 + 2 * n_axes)),
        np.full(n_axes, (START_MM / START_FACTOR) ** 2),
        np.full(n_axes, START_FACTOR),
    )


def _judged_one(errors: Errors, row: Real, history: History) -> Errors:
    position_mm, half_mm = row[1:].reshape(2, -1)
    error_mm = history.at(row[:1])[0] - position_mm
    elapsed_s = 0.0 if math.isnan(errors.time_s) else min(max(row[0] - errors.time_s, 0.0), 1.0)
    learned_s = errors.learned_s + elapsed_s
    weight = elapsed_s / min(learned_s + 0.5, MEMORY_S)
    outside = np.abs(error_mm) > half_mm
    return Errors(
        errors.pending,
        errors.square_mm2 + weight * (error_mm**2 - errors.square_mm2),
        errors.factor * np.exp(STEP * (outside - (1 - COVERAGE))),
        float(row[0]),
        learned_s,
    )
