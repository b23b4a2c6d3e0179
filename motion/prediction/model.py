"""What every model does, without fallback and interval: `Guarded` adds these."""

from typing import Protocol, TypeVar

from motion.prediction.history import History, Real

State = TypeVar("State")


class Model(Protocol[State]):
    """A pure fold over the history of a position."""

    @property
    def span_s(self) -> float:
        """How much history it needs."""

    def start(self) -> State:
        """Return the state before the first position."""

    def learn(self, state: State, history: History, horizon_s: float, /) -> State:
        """Return the state after the newest sample of the history.

        FloatingPointError where its numbers have blown up: it is then started anew.
        """

    def predict(self, state: State, history: History, horizon_s: float, /) -> Real | None:
        """Return the position (axis,) at horizon_s after the newest sample.

        None where it cannot tell: it has learned too little, or the past is too short.
        """
