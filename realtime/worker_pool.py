"""Worker processes for several sessions: one each, and a warm one for the next to begin with."""

import zmq

from realtime import control
from realtime.tuning import Tuning
from realtime.worker_link import WorkerLink, WorkerLostError

# A spare takes a core for seconds while it starts: not while a session is being admitted.
SPARE_AFTER_NS = 5_000_000_000
_HUNG_NS = 60_000_000_000
# Of clients that come and go; more would be as many processes as somebody has patience for.
_MOST_BUSY = 2


class WorkerPool:
    """The workers that no session has. Starting one takes seconds, but nobody waits for it here."""

    def __init__(self, poller: zmq.Poller, tuning: Tuning, *, keeps_spare: bool) -> None:
        self._poller = poller
        self._tuning = tuning
        self._n_started = 0
        self._keeps_spare = keeps_spare
        self._free: list[WorkerLink] = []
        self._busy: dict[WorkerLink, int] = {}
        self._dying: list[WorkerLink] = []
        self._taken_ns = 0
        for _ in range(2 if keeps_spare else 1):
            self._free.append(self._start())

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that no session has."""
        return [one.pid for one in (*self._free, *self._busy)]

    def take(self, *, now_ns: int) -> WorkerLink:
        """Return a worker for a session: one that is free, or one that has just been started."""
        self._taken_ns = now_ns
        return self._free.pop(0) if self._free else self._start()

    def put(self, worker: WorkerLink, *, is_busy: bool, now_ns: int) -> None:
        """Take a session's worker back; a busy one is free once it has said its answer."""
        if is_busy and len(self._busy) >= _MOST_BUSY:
            self.discard(worker)
        elif is_busy:
            self._busy[worker] = now_ns
        else:
            self._free.append(worker)

    def discard(self, worker: WorkerLink) -> None:
        """End a worker that is of no use any more."""
        self._poller.unregister(worker.fileno())
        worker.kill()
        self._dying.append(worker)

    def tick(self, now_ns: int) -> None:
        """Look after those that wait; keep one of them warm, and no more than two."""
        for worker in [*self._free, *self._busy]:
            self._look_after(worker, now_ns)
        while len(self._free) > 2:
            self.discard(self._free.pop())
        if self._keeps_spare and not self._free and now_ns - self._taken_ns > SPARE_AFTER_NS:
            self._free.append(self._start())
        self._dying = [one for one in self._dying if not one.is_reaped()]

    def close(self, *, grace_s: float) -> None:
        """End all workers that are here; `grace_s` is for all of them together."""
        waiting = [*self._free, *self._busy]
        for worker in waiting:
            self._poller.unregister(worker.fileno())
            worker.hang_up()
        for worker in (*waiting, *self._dying):
            if not worker.stop(grace_s=grace_s):
                grace_s = 0.0  # the others have had the same time

    def _look_after(self, worker: WorkerLink, now_ns: int) -> None:
        try:
            said = worker.receive()
        except WorkerLostError:
            self._busy.pop(worker, None)
            if worker in self._free:
                self._free.remove(worker)
            self.discard(worker)
            return
        since_ns = self._busy.get(worker)
        if since_ns is None:
            return
        if said is not None and not isinstance(said, control.Pictured):
            del self._busy[worker]
            self._free.append(worker)
        elif now_ns - since_ns > _HUNG_NS:
            del self._busy[worker]
            self.discard(worker)

    def _start(self) -> WorkerLink:
        worker = WorkerLink(self._tuning, number=self._n_started)
        self._n_started += 1
        self._poller.register(worker.fileno(), zmq.POLLIN)
        return worker
