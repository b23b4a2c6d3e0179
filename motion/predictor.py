"""What every predictor does: from where something was to where it will be."""

from typing import Any, Protocol

from messages import Prediction


class Predictor(Protocol):
    """A method: a pure fold over measured positions.

    Its state is frozen and picklable; its type is the method's own business, hence Any.
    """

    def start(self) -> Any:  # noqa: ANN401 - each method has a state of its own
        """Return the state before the first position."""

    def step(
        self,
        state: Any,  # noqa: ANN401
        *,
        time_s: float,
        position_mm: tuple[float, ...] | None,
        horizon_s: float,
    ) -> tuple[Any, Prediction | None]:
        """Return the next state, and the place at time_s + horizon_s.

        position_mm: (axis,), measured at time_s; None where it was not believed: the model goes on
        without. Samples come nearly evenly; gaps are told by time_s. None while nothing is known.
        """
