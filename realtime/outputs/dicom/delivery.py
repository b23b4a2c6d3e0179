"""Hands DICOM objects to one place in a thread of its own; who has them made never waits."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from pydicom.dataset import Dataset

from messages import MonitorError
from realtime.outputs.dicom.peer import UnreachableError

Job = Callable[[], list[Dataset]]
"""Makes some DICOM objects when it is asked to; raises MonitorError where they cannot be."""
Put = Callable[[str, Sequence[Dataset]], list[str]]
"""Takes a run's id and the objects of a frame; returns what was refused, in words."""
MOST_WAITING = 32
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0


class Delivery:
    """A bounded queue in front of a PACS or a folder: the newest wins, what was dropped is counted.

    put: raises UnreachableError where it takes nothing now, and is asked again then.
    tell: says a line to people; each trouble is told once, and when it is over.
    """

    def __init__(self, name: str, put: Put, tell: Callable[[str], None]) -> None:
        self.name, self._put, self._tell = name, put, tell
        self.n_delivered = self.n_dropped = 0
        self._waiting: deque[tuple[str, Job]] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._trouble = ""
        self._refusals: set[str] = set()
        self._n_in_hand = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether its thread works; it ends by itself only with an error that is a defect."""
        return self._thread.is_alive()

    def submit(self, run_id: str, job: Job) -> None:
        """Have a frame delivered, or drop the oldest that waits for it."""
        with self._changed:
            if len(self._waiting) == MOST_WAITING:
                self._waiting.popleft()
                self.n_dropped += 1
            self._waiting.append((run_id, job))
            self._changed.notify()

    def close(self, patience_s: float) -> int:
        """Deliver what waits, for so long; return how many frames were not delivered."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(patience_s)
        with self._changed:
            return len(self._waiting) + self._n_in_hand

    def _run(self) -> None:
        while (parcel := self._next()) is not None:
            run_id, make = parcel
            try:
                instances = make()
            except MonitorError as error:
                self._refuse(str(error))
                is_done = True
            else:
                is_done = self._deliver(run_id, instances)
            if not is_done:
                return
            with self._changed:
                self._n_in_hand = 0

    def _next(self) -> tuple[str, Job] | None:
        with self._changed:
            while not self._waiting:
                if self._closing.is_set():
                    return None
                self._changed.wait()
            self._n_in_hand = 1
            return self._waiting.popleft()

    def _deliver(self, run_id: str, instances: Sequence[Dataset]) -> bool:
        """Return whether it is done with; not, where the end came before the place was back."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                refused = self._put(run_id, instances)
            except UnreachableError as error:
                self._be_troubled(str(error))
            else:
                break
            if self._closing.wait(wait_s):
                return False
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        self._be_well()
        for one in refused:
            self._refuse(one)
        self.n_delivered += len(instances) - len(refused)
        return True

    def _be_troubled(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._tell(f"{trouble}; tried again, the newest {MOST_WAITING} frames wait")

    def _be_well(self) -> None:
        if self._trouble:
            self._trouble = ""
            self._tell(f"{self.name}: takes objects again; {self.n_dropped} frames were dropped")

    def _refuse(self, text: str) -> None:
        """Tell once of a kind of object that is not delivered, and will not be."""
        if text not in self._refusals:
            self._refusals.add(text)
            self._tell(text)
