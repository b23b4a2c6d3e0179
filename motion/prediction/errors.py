"""How wrong the predictions of late were, and the interval that covers as many as it says."""

import math
from dataclasses import dataclass

import numpy as np

from motion.prediction.history import History, Real

COVERAGE = 0.9
START_MM = 5.0  # half-width before any error is known: more than most move in 0.5 s
START_FACTOR = 1.645  # of a normal distribution, for that coverage
MEMORY_S = 10.0  # of the mean square: two breaths
STEP = 0.04  # of the factor's logarithm at each error
WIDER, NARROWER = math.exp(STEP * COVERAGE), math.exp(STEP * (COVERAGE - 1.0))
LEAST_MM = 0.01  # an interval is never a point
NOT_WORSE = 1.2  # than holding, in mean square: beyond it the model is not believed
LEAST_MM2 = 1e-6  # errors below a micrometre are equal
JUDGED_S = 4.0  # a breath, before a model is believed
HELD, MODELLED = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Running errors of holding the last value (row HELD) and of a model (row MODELLED).

    The half-width is `factor` times the running root mean square. The factor grows where an error
    falls outside and shrinks a little where it does not, so that in the long run the wanted share
    falls inside whatever the errors' distribution is and however it drifts: Gibbs and Candès 2021,
    arXiv:2106.00170, eq. 2, here on the logarithm of the width instead of the level. Errors are
    against the measured position: its own noise is covered too.

    pending: (prediction, 1 + 4 · axis), effect time, positions and half-widths (row, axis) of
        what has not come true yet; NaN where the model said nothing.
    square_mm2, factor: (row, axis). learned_s: (row,), of errors. time_s: of the last.
    excess_mm2: running mean of the model's square error beyond NOT_WORSE times that of holding.
    """

    pending: Real
    square_mm2: Real
    factor: Real
    learned_s: Real
    time_s: float = math.nan
    excess_mm2: float = 0.0

    @property
    def is_model_believed(self) -> bool:
        """Whether the model has been judged for a breath and was of late no worse than holding."""
        return bool(self.learned_s[MODELLED] >= JUDGED_S) and self.excess_mm2 <= LEAST_MM2

    @property
    def std_mm(self) -> Real:
        """Root mean square error of late, (row, axis)."""
        return np.asarray(np.sqrt(self.square_mm2))

    @property
    def half_mm(self) -> Real:
        """Half the width of the interval, (row, axis)."""
        return np.maximum(self.factor * self.std_mm, LEAST_MM)

    def predicted(self, effect_time_s: float, position_mm: Real) -> "Errors":
        """Return it with predictions (row, axis), to be judged when their moment comes."""
        row = np.concatenate([(effect_time_s,), position_mm.ravel(), self.half_mm.ravel()])
        return self._with(np.concatenate([self.pending, row[None]]))

    def judged(self, history: History) -> "Errors":
        """Return it after all predictions whose moment has come; those in a gap are forgotten."""
        n_due = int(self.pending[:, 0].searchsorted(history.newest_s, side="right"))
        if not n_due:
            return self
        errors = self._with(self.pending[n_due:])
        for row in self.pending[:n_due]:
            if row[0] >= history.time_s[0]:
                errors = _judged_one(errors, row, history)
        return errors

    def _with(self, pending: Real) -> "Errors":
        # dataclasses.replace takes ten times as long
        return Errors(
            pending, self.square_mm2, self.factor, self.learned_s, self.time_s, self.excess_mm2
        )


def start_errors(n_axes: int) -> Errors:
    """Return what is believed before any error is known."""
    shape = (2, n_axes)
    return Errors(
        np.empty((0, 1 + 4 * n_axes)),
        np.full(shape, (START_MM / START_FACTOR) ** 2),
        np.full(shape, START_FACTOR),
        np.zeros(2),
    )


def _judged_one(errors: Errors, row: Real, history: History) -> Errors:
    position_mm, half_mm = row[1:].reshape(2, *errors.factor.shape)
    error_mm = history.at(row[:1]) - position_mm
    is_said = not math.isnan(error_mm[MODELLED, 0])
    if not is_said:
        error_mm[MODELLED] = 0.0
    elapsed_s = 0.0 if math.isnan(errors.time_s) else min(float(row[0]) - errors.time_s, 1.0)
    lasted_s = np.array([elapsed_s, elapsed_s if is_said else 0.0])
    learned_s = errors.learned_s + lasted_s
    weight = lasted_s / np.minimum(learned_s + 0.5, MEMORY_S)
    square_mm2 = error_mm * error_mm
    held_mm2, modelled_mm2 = square_mm2.sum(axis=1).tolist()
    excess_mm2 = modelled_mm2 - NOT_WORSE * held_mm2 if is_said else 0.0
    change = np.where(square_mm2 > half_mm * half_mm, WIDER, NARROWER)
    if not is_said:
        change[MODELLED] = 1.0
    return Errors(
        errors.pending,
        errors.square_mm2 + weight[:, None] * (square_mm2 - errors.square_mm2),
        errors.factor * change,
        learned_s,
        float(row[0]),
        errors.excess_mm2 + float(weight[MODELLED]) * (excess_mm2 - errors.excess_mm2),
    )
