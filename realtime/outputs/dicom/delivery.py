"""Hands DICOM objects to one place in a thread of its own; who has them made never waits."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from messages import MonitorError
from realtime.outputs.dicom.peer import UnreachableError

Job = Callable[[], list[Dataset]]
"""Makes some DICOM objects when it is asked to; raises MonitorError where they cannot be."""
Put = Callable[[str, Sequence[Dataset]], list[str]]
"""Takes a run's id and the objects of a frame; returns what was refused, in words."""
MOST_WAITING = 32
MOST_WAITING_BYTES = 1 << 28
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class _Parcel:
    run_id: str
    make: Job
    n_bytes: int


class Delivery:
    """A bounded queue in front of a PACS or a folder: the newest wins, what was dropped is counted.

    put: raises UnreachableError where it takes nothing now, and is asked again then.
    tell: says a line to people; each trouble is told once, and when it is over.
    """

    def __init__(self, name: str, put: Put, tell: Callable[[str], None]) -> None:
        self.name, self._put, self._tell = name, put, tell
        self.n_delivered = self.n_dropped = 0
        self._waiting: deque[_Parcel] = deque()
        self._waiting_bytes = 0
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

    def submit(self, run_id: str, job: Job, *, n_bytes: int) -> None:
        """Have a frame delivered; the oldest that wait go where there are too many.

        n_bytes: what the frame holds while it waits.
        """
        with self._changed:
            self._waiting.append(_Parcel(run_id, job, n_bytes))
            self._waiting_bytes += n_bytes
            while len(self._waiting) > 1 and self._is_too_much():
                self._take_oldest()
                self.n_dropped += 1
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
            try:
                instances = parcel.make()
            except MonitorError as error:
                self._refuse(str(error))
                is_done = True
            else:
                is_done = self._deliver(parcel.run_id, instances)
            if not is_done:
                return
            with self._changed:
                self._n_in_hand = 0

    def _next(self) -> _Parcel | None:
        with self._changed:
            while not self._waiting:
                if self._closing.is_set():
                    return None
                self._changed.wait()
            self._n_in_hand = 1
            return self._take_oldest()

    def _take_oldest(self) -> _Parcel:
        parcel = self._waiting.popleft()
        self._waiting_bytes -= parcel.n_bytes
        return parcel

    def _is_too_much(self) -> bool:
        return len(self._waiting) > MOST_WAITING or self._waiting_bytes > MOST_WAITING_BYTES

    def _deliver(self, run_id: str, instances: Sequence[Dataset]) -> bool:
        """Return whether it is done with; not, where the end came before the place was back."""
        wait_s = _FIRST_WAIT_S
        while True:
            is_last_try = self._closing.is_set()
            try:
                refused = self._put(run_id, instances)
            except UnreachableError as error:
                self._be_troubled(str(error))
            else:
                break
            if is_last_try:
                return False
            self._closing.wait(wait_s)
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
