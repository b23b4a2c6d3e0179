"""Random kills and pauses, drawn from a seed."""

import contextlib
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.soak.monitor import Monitor

# Of a hundred faults. A gateway that is killed takes seconds to come back, the others do not.
WEIGHTS = {
    "subscriber killed": 20,
    "subscriber paused": 18,
    "worker paused": 18,
    "worker killed": 9,
    "gateway paused": 15,
    "gateway killed": 4,
    "connection reset": 10,
    "run folder's process paused": 4,
    "run folder's process killed": 2,
}
_S = 1_000_000_000


@dataclass(slots=True)
class Victim:
    """A process of the soak itself, and how to start it again."""

    name: str
    start: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes]"


class Injector:
    """Strikes the monitor and those that listen to it.

    restarted: called when the gateway was killed and starts again.
    """

    def __init__(
        self,
        rng: random.Random,
        monitor: Monitor,
        subscribers: list[Victim],
        scanner: Victim,
        *,
        restarted: Callable[[], None],
    ) -> None:
        self._rng, self._monitor = rng, monitor
        self._subscribers, self._scanner = subscribers, scanner
        self._restarted = restarted
        self._wakes: list[tuple[int, int]] = []  # when, which process
        self.counts: Counter[str] = Counter()

    @property
    def next_wake_ns(self) -> int | None:
        """When the next paused process goes on."""
        return min((at_ns for at_ns, _ in self._wakes), default=None)

    def wake(self, now_ns: int) -> None:
        """Let those go on whose pause is over."""
        for at_ns, pid in list(self._wakes):
            if at_ns <= now_ns:
                self._wakes.remove((at_ns, pid))
                _send(pid, signal.SIGCONT)

    def wake_all(self) -> None:
        """Let everybody go on."""
        self.wake(1 << 62)

    def strike(self, now_ns: int) -> str:
        """Do what the dice say; return what was done."""
        while True:
            (kind,) = self._rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
            if self._do(kind, now_ns):
                self.counts[kind] += 1
                return kind

    def _do(self, kind: str, now_ns: int) -> bool:
        """Return whether there was somebody to strike."""
        if kind == "gateway killed":
            self._monitor.kill()
            self._monitor.start()
            self._restarted()
        elif kind == "subscriber killed":
            victim = self._rng.choice(self._subscribers)
            victim.process.kill()
            victim.process.wait()
            victim.process = victim.start()
        elif kind == "connection reset":
            self._scanner.process.send_signal(signal.SIGUSR1)
        else:
            pid = self._find(kind.partition(" ")[0])
            if pid is None:
                return False
            if kind.endswith("killed"):
                _send(pid, signal.SIGKILL)
            else:
                self._pause(pid, now_ns)
        return True

    def _find(self, who: str) -> int | None:
        if who == "gateway":
            return self._monitor.pid
        if who == "worker":
            return self._monitor.worker()
        if who == "run":
            return self._monitor.run_folder()
        return self._rng.choice(self._subscribers).process.pid

    def _pause(self, pid: int, now_ns: int) -> None:
        """Pause for 10 ms to 1.5 s: short ones as often as long ones."""
        pause_s = 0.01 * 150.0 ** self._rng.random()
        _send(pid, signal.SIGSTOP)
        self._wakes.append((now_ns + round(pause_s * _S), pid))


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
