"""Any model, with an interval, and with the last value wherever the model cannot be trusted."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from messages import Prediction
from motion.prediction.errors import COVERAGE, HELD, MODELLED, Errors, start_errors
from motion.prediction.history import History, Real
from motion.prediction.model import Model

State = TypeVar("State")

LONGEST_GAP_S = 0.8  # longer than this nothing is bridged: a breath turns in that time


@dataclass(frozen=True, slots=True, eq=False)
class GuardedState(Generic[State]):
    """What is remembered: the samples, the model, the errors of holding and of the model.

    errors: None before the first sample.
    """

    model: State
    history: History = field(default_factory=History)
    errors: Errors | None = None


class Guarded(Generic[State]):
    """A predictor: a model, and holding the last value while that is the better.

    It holds, not trusted, while the model learns, after a gap, after its numbers blew up (it is
    started anew), and while it was of late worse than holding. Each has an interval of its own.
    A prediction stays within the range seen of late and half of it more.
    """

    def __init__(self, model: Model[State]) -> None:
        self._model = model

    def start(self) -> GuardedState[State]:
        """Return the state before the first position."""
        return GuardedState(self._model.start())

    def step(
        self,
        state: GuardedState[State],
        *,
        time_s: float,
        position_mm: tuple[float, ...] | None,
        horizon_s: float,
    ) -> tuple[GuardedState[State], Prediction | None]:
        """Return the next state, and the place at time_s + horizon_s.

        position_mm None, or not finite: the model goes on from the last sample.
        """
        now_mm = None if position_mm is None else np.array(position_mm, np.float64)
        if now_mm is not None and np.isfinite(now_mm).all():
            state = self._sampled(state, time_s, now_mm, horizon_s)
        history, errors = state.history, state.errors
        if errors is None:
            return state, None
        age_s = max(time_s - history.newest_s, 0.0)
        both_mm = np.full(errors.factor.shape, np.nan)
        both_mm[HELD] = history.newest_mm
        if age_s <= LONGEST_GAP_S:
            modelled_mm = self._model.predict(state.model, history, age_s + horizon_s)
            if modelled_mm is not None:
                both_mm[MODELLED] = _within(modelled_mm, history)
        is_trusted = bool(np.isfinite(both_mm[MODELLED]).all()) and errors.is_model_believed
        prediction = _prediction(
            time_s + horizon_s,
            both_mm,
            errors,
            # errors grow about as the horizon does (mrlinac.md, section 4)
            longer=1.0 + age_s / max(horizon_s, 0.05),
            is_trusted=is_trusted,
        )
        if age_s == 0.0:
            errors = errors.predicted(time_s + horizon_s, both_mm)
        return GuardedState(state.model, history, errors), prediction

    def _sampled(
        self, state: GuardedState[State], time_s: float, now_mm: Real, horizon_s: float
    ) -> GuardedState[State]:
        n_axes = len(now_mm)
        errors = state.errors
        if errors is None or errors.factor.shape[1] != n_axes:
            state, errors = self.start(), start_errors(n_axes)
        history = state.history.with_sample(
            time_s, now_mm, longest_gap_s=LONGEST_GAP_S, span_s=self._model.span_s
        )
        errors = errors.judged(history)
        try:
            model = self._model.learn(state.model, history, horizon_s)
        except FloatingPointError:
            model, errors = self._model.start(), start_errors(n_axes)
        return GuardedState(model, history, errors)


def _within(position_mm: Real, history: History) -> Real:
    low_mm, high_mm = history.position_mm.min(axis=0), history.position_mm.max(axis=0)
    more_mm = 0.5 * (high_mm - low_mm)
    return np.asarray(np.minimum(np.maximum(position_mm, low_mm - more_mm), high_mm + more_mm))


def _prediction(
    effect_time_s: float, both_mm: Real, errors: Errors, *, longer: float, is_trusted: bool
) -> Prediction:
    row = MODELLED if is_trusted else HELD
    position_mm, half_mm = both_mm[row], longer * errors.half_mm[row]
    return Prediction(
        effect_time_s,
        tuple(position_mm.tolist()),
        tuple((position_mm - half_mm).tolist()),
        tuple((position_mm + half_mm).tolist()),
        tuple((longer * errors.std_mm[row]).tolist()),
        coverage=COVERAGE,
        is_trusted=is_trusted,
    )
