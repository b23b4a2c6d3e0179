"""How long this machine puts off a thread that goes before all others: `python _hiccups.py CORE`.

Whatever it shows comes from below the operating system's own order: interrupts, and the host of a
virtual machine. No program of ours can be quicker.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import _path  # noqa: F401 - first of all that is not Python's own

from realtime.clock import MonotonicClock
from realtime.tuning import go_first

_LEVEL = 99  # the most urgent that there is
_PERIOD_NS = 1_000_000


@dataclass(slots=True)
class Hiccups:
    """Delays beyond a millisecond, of all cores, in ms; filled when the watch is over.

    n_looks: how often a thread looked. is_first: whether those threads went before all others.
    """

    n_looks: int = 0
    is_first: bool = True
    late_ms: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        """Say how many there were."""
        counts = ", ".join(
            f"{sum(late > most for late in self.late_ms)} over {most} ms" for most in (1, 2, 5, 8)
        )
        worst = f"{max(self.late_ms, default=0.0):.1f} ms at worst"
        who = "SCHED_FIFO 99" if self.is_first else "ordinary, since more is not permitted"
        return f"{counts}, {worst}, of {self.n_looks:,} looks ({who})"


@contextlib.contextmanager
def watched() -> Iterator[Hiccups]:
    """Watch each core for the length of a `with`."""
    found = Hiccups()
    watchers = [
        subprocess.Popen(
            [sys.executable, __file__, str(core)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for core in sorted(os.sched_getaffinity(0))
    ]  # fmt: skip
    try:
        yield found
    finally:
        for watcher in watchers:
            said, _ = watcher.communicate()
            n_looks, is_first, late_ms = json.loads(said)
            found.n_looks += n_looks
            found.is_first = found.is_first and is_first
            found.late_ms += late_ms


def _watch(core: int) -> None:
    """Sleep a millisecond again and again until standard input ends; print what was late."""
    os.sched_setaffinity(0, {core})
    is_first, clock, is_over = go_first(_LEVEL), MonotonicClock(), threading.Event()
    n_looks, late_ms = 0, []
    threading.Thread(target=lambda: (sys.stdin.read(), is_over.set())).start()
    while not is_over.is_set():
        due_ns = clock.now_ns() + _PERIOD_NS
        clock.sleep_until_ns(due_ns)
        late_ns = clock.now_ns() - due_ns
        n_looks += 1
        if late_ns > _PERIOD_NS:
            late_ms.append(late_ns / 1e6)
    print(json.dumps([n_looks, is_first, late_ms]))


if __name__ == "__main__":
    _watch(int(sys.argv[1]))
