"""The alerts that a watcher missed, asked for beside it: an answer may never come."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from messages import Alert, MonitorError
from realtime.watched import SILENCE_NS, Watched

AGAIN_NS = 1_000_000_000
THREAD = "missed alerts"
Ask = Callable[[dict[str, object]], tuple[str, list[Alert]]]
"""As `control_line.ask`, to an address that is known."""


class MissedAlerts:
    """Keeps the alerts of a `Watched` whole without ever making its owner wait.

    problem: why the last answer did not come, empty where it did.
    """

    def __init__(self, watched: Watched, ask: Ask) -> None:
        self.problem = ""
        self._watched, self._ask = watched, ask
        self._ask_ns = 0
        self._asked: tuple[str, int] | None = None
        self._answers: SimpleQueue[list[Alert] | MonitorError] = SimpleQueue()

    def look(self, now_ns: int) -> list[Alert]:
        """Return the alerts that have come, taken by `watched`; ask where there are others.

        A monitor that is silent is not asked: it would be in vain.
        """
        found = [] if self._asked is None else self._answered(self._asked)
        watched, silent_ns = self._watched, self._watched.silent_ns(now_ns)
        is_silent = silent_ns is None or silent_ns > SILENCE_NS
        is_due = self._asked is None and now_ns >= self._ask_ns
        if watched.misses_alerts and is_due and not is_silent:
            self._ask_ns = now_ns + AGAIN_NS
            self._asked = watched.epoch, watched.last_alert
            # ends with its owner: nobody waits for an answer that no longer matters
            threading.Thread(
                target=self._listen, args=self._asked, name=THREAD, daemon=True
            ).start()
        return found

    def _listen(self, epoch: str, after: int) -> None:
        try:
            alerts = self._ask({"type": "resume", "epoch": epoch, "after": after})[1]
        except MonitorError as error:
            self._answers.put(error)
        else:
            self._answers.put(alerts)

    def _answered(self, asked: tuple[str, int]) -> list[Alert]:
        try:
            answer = self._answers.get_nowait()
        except Empty:
            return []
        self._asked = None
        if isinstance(answer, MonitorError):
            self.problem = str(answer)
            return []
        self.problem = ""
        # what was heard meanwhile would be counted twice: then it is asked again
        if asked != (self._watched.epoch, self._watched.last_alert):
            return []
        self._watched.caught_up(answer)
        return answer
