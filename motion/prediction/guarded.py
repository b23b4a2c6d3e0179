"""Any model, with an interval, and with the last value wherever the model cannot be trusted."""

import math
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from messages import Prediction
from motion.prediction.errors import COVERAGE, Errors, start_errors
from motion.prediction.history import History, Real
from motion.prediction.model import Model

State = TypeVar("State")

LONGEST_GAP_S = 0.8  # longer than this nothing is bridged: a breath turns in that time
NOT_WORSE = 1.2  # than holding, in mean square: beyond it the model is not believed
LEAST_MM2 = 1e-6  # errors below a micrometre are equal


@dataclass(frozen=True, slots=True, eq=False)
class GuardedState(Generic[State]):
    """What is remembered: the samples, the model, and the errors of it and of holding.

    horizon_s: the last one asked for. errors, held: None before the first sample.
    """

    model: State
    history: History = field(default_factory=History)
    errors: Errors | None = None
    held: Errors | None = None


class Guarded(Generic[State]):
    """A predictor: a model, and holding the last value while that is the better.

    It holds, not trusted, while the model learns, after a gap, after its numbers blew up (it is
    started anew), and while it was of late worse than holding. Each has an interval of its own.
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
        if position_mm is not None and np.isfinite(position_mm).all():
            state = self._sampled(state, time_s, position_mm, horizon_s)
        history, errors, held = state.history, state.errors, state.held
        if errors is None or held is None:
            return state, None
        age_s = max(time_s - float(history.time_s[-1]), 0.0)
        newest_mm = history.newest_mm
        modelled_mm = None
        if age_s <= LONGEST_GAP_S:
            modelled_mm = self._model.predict(state.model, history, age_s + horizon_s)
        is_trusted = modelled_mm is not None and _is_not_worse(errors, held)
        effect_time_s = time_s + horizon_s
        position = modelled_mm if is_trusted and modelled_mm is not None else newest_mm
        used = errors if is_trusted else held
        # errors grow about as the horizon does (mrlinac.md, section 4)
        longer = 1.0 if age_s == 0 else (age_s + horizon_s) / max(horizon_s, 0.05)
        prediction = _prediction(
            effect_time_s, position, used, longer=longer, is_trusted=is_trusted
        )
        if age_s == 0:
            if modelled_mm is not None:
                errors = errors.predicted(effect_time_s, modelled_mm)
            held = held.predicted(effect_time_s, newest_mm)
        return GuardedState(state.model, history, errors, held), prediction

    def _sampled(
        self,
        state: GuardedState[State],
        time_s: float,
        position_mm: tuple[float, ...],
        horizon_s: float,
    ) -> GuardedState[State]:
        n_axes = len(position_mm)
        model, errors, held = state.model, state.errors, state.held
        if errors is None or held is None or state.history.position_mm.shape[1] != n_axes:
            model, errors, held = self._model.start(), start_errors(n_axes), start_errors(n_axes)
        history = state.history.with_sample(
            time_s, position_mm, longest_gap_s=LONGEST_GAP_S, span_s=self._model.span_s
        )
        errors, held = errors.judged(history), held.judged(history)
        try:
            model = self._model.learn(model, history, horizon_s)
        except FloatingPointError:
            model, errors = self._model.start(), start_errors(n_axes)
        return GuardedState(model, history, errors, held)


def _is_not_worse(errors: Errors, held: Errors) -> bool:
    """Whether the model has been judged for a breath and was no worse than holding."""
    if errors.learned_s < 4.0:
        return False
    mean, hold = float(errors.square_mm2.sum()), float(held.square_mm2.sum())
    return math.isfinite(mean) and mean <= NOT_WORSE * hold + LEAST_MM2


def _prediction(
    effect_time_s: float, position_mm: Real, errors: Errors, *, longer: float, is_trusted: bool
) -> Prediction:
    half_mm = longer * errors.half_mm
    return Prediction(
        effect_time_s,
        _floats(position_mm),
        _floats(position_mm - half_mm),
        _floats(position_mm + half_mm),
        _floats(longer * errors.std_mm),
        coverage=COVERAGE,
        is_trusted=is_trusted,
    )


def _floats(values: Real) -> tuple[float, ...]:
    return tuple(values.tolist())
