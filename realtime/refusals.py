"""Alerts on clients that never came to a session: a stranger must not fill journal and screen."""

MOST_TOLD = 5
WINDOW_NS = 60_000_000_000


class Refusals:
    """Tells the first few of a minute, and the rest of that minute in one line."""

    def __init__(self) -> None:
        self._since_ns: int | None = None
        self._n = 0
        self._last = ""

    def note(self, text: str, *, now_ns: int) -> str | None:
        """Return what to tell now of a refusal, None where it waits for the summary."""
        if self._since_ns is None:
            self._since_ns = now_ns
        self._n, self._last = self._n + 1, text
        return text if self._n <= MOST_TOLD else None

    def summary(self, now_ns: int) -> str | None:
        """Return, once the minute is over, the line on those that were not told."""
        if self._since_ns is None or now_ns - self._since_ns < WINDOW_NS:
            return None
        n_untold, self._n, self._since_ns = self._n - MOST_TOLD, 0, None
        if n_untold <= 0:
            return None
        return f"{n_untold} more clients were refused within a minute, the last: {self._last}"
