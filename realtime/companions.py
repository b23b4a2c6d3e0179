"""Readouts that make no image of their own but travel with one: navigators, calibration lines.

What comes before the first imaging line of its frame waits here, in order of arrival.
"""

from collections import defaultdict

from messages import Acquisition, Encoding, MonitorError
from messages.acquisition import (
    NOISE_MEASUREMENT,
    PARALLEL_CALIBRATION,
    PARALLEL_CALIBRATION_AND_IMAGING,
    PHASE_CORRECTION,
)

MAX_WAITING_BYTES = 1 << 28
_Key = tuple[int, ...]


def is_companion(flags: int) -> bool:
    """Whether a readout is an EPI navigator or a line for calibration only.

    Real EPI navigators carry the flags of navigation and real-time feedback too.
    """
    if flags & NOISE_MEASUREMENT:
        return False
    is_calibration = flags & PARALLEL_CALIBRATION and not flags & PARALLEL_CALIBRATION_AND_IMAGING
    return bool(flags & PHASE_CORRECTION or is_calibration)


class Companions:
    """Those that wait for the frame that they belong to.

    A navigator belongs to its own slice, contrast, phase and set; a calibration line to whatever
    frame of its slice comes next (and of its contrast, where the header names several).

    n_echoes: how many contrasts one frame joins; then all of them wait for the same frame.
    """

    def __init__(self, encoding: Encoding, *, n_echoes: int = 1) -> None:
        self._is_joined = n_echoes > 1
        self._has_contrasts = encoding.n_contrasts > 1
        self._waiting: dict[_Key, list[Acquisition]] = defaultdict(list)
        self._n_bytes = 0

    def wait(self, companion: Acquisition, *, readout: int) -> None:
        """Keep a companion. Raises MonitorError where they are too many."""
        self._n_bytes += companion.samples.nbytes
        if self._n_bytes > MAX_WAITING_BYTES:
            raise MonitorError(
                f"readout {readout}: more than {MAX_WAITING_BYTES >> 20} MiB of navigators and "
                "calibration lines wait for an imaging line, expected one after a few of them"
            )
        self._waiting[self._key(companion)].append(companion)

    def n_waiting(self, imaging: Acquisition) -> int:
        """Return how many go before this imaging line, if it opens a frame."""
        if not self._waiting:
            return 0
        return sum(len(self._waiting.get(key, ())) for key in self._keys(imaging))

    def take(self, imaging: Acquisition) -> list[Acquisition]:
        """Return those that go before this imaging line, calibration lines first, and forget."""
        taken = [one for key in self._keys(imaging) for one in self._waiting.pop(key, ())]
        self._n_bytes -= sum(one.samples.nbytes for one in taken)
        return taken

    @property
    def most(self) -> int:
        """How many wait for one frame, where most of them do."""
        by_slice: dict[int, int] = defaultdict(int)
        for key, waiting in self._waiting.items():
            by_slice[key[0]] += len(waiting)
        return max(by_slice.values(), default=0)

    def _keys(self, imaging: Acquisition) -> tuple[_Key, _Key]:
        idx = imaging.idx
        if self._is_joined:
            return (idx.slice, 0), (idx.slice, 0, idx.phase, idx.set)
        contrast = idx.contrast if self._has_contrasts else 0
        return (idx.slice, contrast), (idx.slice, idx.contrast, idx.phase, idx.set)

    def _key(self, companion: Acquisition) -> _Key:
        calibration, navigation = self._keys(companion)
        return navigation if companion.flags & PHASE_CORRECTION else calibration
