"""Lines for a person, printed by a thread: a terminal that stands still stops no treatment."""

import contextlib
import queue
import threading

from realtime.cli.console import console
from realtime.clock import utc_now

_MOST_WAITING = 1000  # of a terminal that nobody lets go on; more are not shown
_Line = tuple[str, str]  # text, style


class Teller:
    """Prints what it is told, in order, with the time of day; whoever tells never waits.

    is_error: prints on standard error.
    """

    def __init__(self, *, is_error: bool = False) -> None:
        self._is_error = is_error
        self._lines: queue.Queue[_Line | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._print, name="teller", daemon=True)
        self._thread.start()

    @property
    def is_printing(self) -> bool:
        """Whether there may be lines to come."""
        return self._thread.is_alive()

    def say(self, text: str, *, style: str = "") -> None:
        """Print a line soon."""
        self._put((f"{utc_now():%H:%M:%S}  {text}", style))

    def close(self, *, timeout_s: float = 1.0) -> None:
        """Print what waits; a terminal that stands still is left behind with the daemon thread."""
        self._put(None)
        self._thread.join(timeout_s)

    def _put(self, line: _Line | None) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            return

    def _print(self) -> None:
        with contextlib.suppress(OSError):  # nobody reads any more: the treatment goes on
            while (line := self._lines.get()) is not None:
                text, style = line
                console(is_error=self._is_error).print(text, style=style, soft_wrap=True)
