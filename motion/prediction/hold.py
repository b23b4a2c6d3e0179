"""The target stays where it is."""

from motion.prediction.history import History, Real


class Hold:
    """The last value, which any other model must beat."""

    span_s = 1.0

    def start(self) -> None:
        """Return nothing: there is nothing to remember."""

    def learn(self, _state: None, _history: History, _horizon_s: float) -> None:
        """Learn nothing."""

    def predict(self, _state: None, history: History, _horizon_s: float) -> Real:
        """Return the newest position."""
        return history.newest_mm
