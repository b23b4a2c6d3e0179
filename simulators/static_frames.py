"""One frame, computed once and replayed with its counters moved on: load without computation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from simulators.mrd import ACQUISITION_HEAD, LAST_IN_MEASUREMENT
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment


class ReadyFrame:
    """The messages of one frame, whose counters and stamps are moved on in place.

    n_before: readouts before the first frame. ticks: of a scanner time in s.
    """

    def __init__(
        self, messages: Sequence[bytes], *, n_before: int, ticks: Callable[[float], int]
    ) -> None:
        self._messages = [bytearray(message) for message in messages]
        self._heads = [np.frombuffer(one, ACQUISITION_HEAD, 1, 2) for one in self._messages]
        self._flags = [int(head["flags"][0]) & ~LAST_IN_MEASUREMENT for head in self._heads]
        self._n_before, self._ticks = n_before, ticks

    @property
    def n_rows(self) -> int:
        """Readouts of a frame."""
        return len(self._messages)

    def message(self, index: int, *, t_s: float, is_end: bool = False) -> bytearray:
        """Return the index-th readout of all frames; it holds until the same row of the next.

        is_end: of the whole measurement.
        """
        repetition, row = divmod(index, self.n_rows)
        head = self._heads[row]
        head["scan_counter"] = self._n_before + 1 + index
        head["acquisition_time_stamp"] = self._ticks(t_s)
        head["idx"]["repetition"] = repetition
        head["flags"] = self._flags[row] | (LAST_IN_MEASUREMENT if is_end else 0)
        return self._messages[row]


def static_frame_bytes(treatment: Treatment, *, n_frames: int) -> Iterator[tuple[float, bytes]]:
    """Yield (scanner time in s, MRD message) of n frames of the unheated head.

    Every frame is the same but for its counters and stamps, so it costs the sender nothing; noise
    readouts come first, as in a treatment.
    """
    sequence, n_rows = treatment.sequence, treatment.sequence.matrix[1]
    simulator = TreatmentSimulator(replace(treatment, n_frames=1))
    noise = [(readout.t_s, readout.message) for readout in simulator.noise_readouts()]
    yield from noise
    messages = [simulator.next_readout(sonicating=False).message for _ in range(n_rows)]
    frame = ReadyFrame(messages, n_before=len(noise), ticks=sequence.ticks)
    for index in range(n_frames * n_rows):
        t_s = sequence.echo_s(index)
        is_end = index == n_frames * n_rows - 1
        yield t_s, bytes(frame.message(index, t_s=t_s, is_end=is_end))
