"""The jobs of a batch in processes of this machine, one thread and one job each."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile

from messages import MonitorError
from realtime.batch.job import Job, Result, Told, pack, unpack_told
from realtime.batch.lane import MOST_BYTES
from realtime.batch.task import sentence
from realtime.clock import MonotonicClock
from realtime.worker_link import ONE_THREAD

# no frame takes so long; the process is stuck, and the others go on without it
PATIENCE_NS = 600_000_000_000
_MOST_WORDS_BYTES = 1 << 14
_GRACE_S = 2.0


class Lanes:
    """So many processes, started at once; one that dies costs its job alone, and is replaced."""

    def __init__(self, n_lanes: int) -> None:
        self._most = n_lanes
        self._selector = selectors.DefaultSelector()
        self._clock = MonotonicClock()
        # they import for seconds, while whoever has jobs for them reads which
        self._free = [self._new() for _ in range(n_lanes)]
        self._busy: list[_Lane] = []

    @property
    def has_room(self) -> bool:
        """Whether a job may be started."""
        return len(self._busy) < self._most

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being computed."""
        return not self._busy

    def start(self, job: Job) -> None:
        """Have a job computed; there must be room."""
        lane = self._free.pop() if self._free else self._new()
        lane.take(job, now_ns=self._clock.now_ns())
        self._busy.append(lane)

    def wait(self, timeout_s: float) -> list[Told]:
        """Return what was said within a time, as soon as something is."""
        told = [one for key, _ in self._selector.select(timeout_s) for one in self._hear(key.data)]
        now_ns = self._clock.now_ns()
        for lane in [one for one in self._busy if now_ns - one.heard_ns > PATIENCE_NS]:
            told.append(self._end(lane, f"no frame within {PATIENCE_NS // 10**9} s; was ended"))
        return told

    def close(self) -> None:
        """End all processes; what they have under way is lost."""
        for lane in (*self._free, *self._busy):
            lane.close()
        self._selector.close()

    def _new(self) -> "_Lane":
        lane = _Lane()
        self._selector.register(lane.line, selectors.EVENT_READ, lane)
        return lane

    def _hear(self, lane: "_Lane") -> list[Told]:
        try:
            packet = lane.line.recv(MOST_BYTES)
        except ConnectionResetError:
            packet = b""
        if not packet:
            if lane in self._free:
                self._free.remove(lane)
                self._forget(lane)
                return []
            return [self._end(lane, "")]
        lane.heard_ns = self._clock.now_ns()
        told = unpack_told(packet)
        if isinstance(told, Result):
            self._busy.remove(lane)
            self._free.append(lane)
        return [told]

    def _end(self, lane: "_Lane", why: str) -> Result:
        """End a lane and return what its job came to."""
        self._busy.remove(lane)
        job = lane.job
        self._forget(lane)
        if job is None:
            raise MonitorError("a process without a job was counted as busy")
        return Result(job.name, "failed", sentence(why or lane.last_words(), job))

    def _forget(self, lane: "_Lane") -> None:
        self._selector.unregister(lane.line)
        lane.close(grace_s=_GRACE_S)


class _Lane:
    """One process and the line to it."""

    def __init__(self) -> None:
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realtime.batch.lane", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._words,
            stderr=self._words,
            env={**os.environ, **ONE_THREAD},
        )
        theirs.close()
        self.job: Job | None = None
        self.heard_ns = 0
        self._last = ""

    def take(self, job: Job, *, now_ns: int) -> None:
        """Compute a job; a process that has died is noticed by who hears it."""
        self.job, self.heard_ns = job, now_ns
        try:
            self.line.send(pack(job))
        except (BrokenPipeError, ConnectionResetError):
            return

    def last_words(self) -> str:
        """Say how the process ended, once it has been closed."""
        return self._last

    def close(self, *, grace_s: float = 0.0) -> None:
        """End the process; one that is ending already gets so long to say why."""
        self.line.close()
        try:
            status = self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        size = self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, size - _MOST_WORDS_BYTES))
        lines = self._words.read().decode(errors="replace").strip().splitlines()
        self._words.close()
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        self._last = f"its process died ({how}){': ' + lines[-1] if lines else ''}"
