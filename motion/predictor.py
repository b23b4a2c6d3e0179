"""What every predictor does: from where something was to where it will be."""

from typing import Protocol

from messages import Prediction


class Predictor(Protocol):
    """A method: a pure fold over measured positions. Its state is frozen and picklable."""

    def start(self) -> object:
        """Return the state before the first position."""

    def step(
        self,
        state: object,
        *,
        time_s: float,
        position_mm: tuple[float, ...] | None,
        horizon_s: float,
    ) -> tuple[object, Prediction | None]:
        """Return the next state, and the place at time_s + horizon_s.

        position_mm: (axis,), measured at time_s; None where it was not believed: the model goes on
        without. Samples come nearly evenly; gaps are told by time_s. None while nothing is known.
        """
