"""When each message of a recording is due, by the scanner's own clock."""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from messages import MonitorError
from messages.acquisition import NOISE_MEASUREMENT
from realtime.streams import mrd_layout as layout
from realtime.streams.mrd_layout import ReadoutHead
from realtime.streams.recording import RecordedMessage
from realtime.streams.time_stamps import ScannerClock, TimeStampUnit, UnitDecision, decide_unit

_LOOK_AHEAD = 256


class Pacer:
    """Seconds from the first readout at which each message is due; 0 or more, never falling.

    A recording without a usable clock is paced by the header's TR, one TR a readout; without a TR
    either it is not paced. `reason` says which.
    """

    def __init__(
        self,
        messages: Iterable[RecordedMessage],
        *,
        setting: TimeStampUnit = "auto",
        vendor: str = "",
        tr_s: float | None = None,
        readouts_per_tr: int | None = 1,
    ) -> None:
        """Look ahead at the first readouts to learn what a tick is."""
        iterator = iter(messages)
        ahead, self._error = _take(iterator, _LOOK_AHEAD)
        self._messages = chain(ahead, iterator)
        decision = decide_unit(
            ticks_of(ahead),
            setting=setting,
            vendor=vendor,
            tr_s=tr_s,
            readout_s=_readout_s(ahead),
            readouts_per_tr=readouts_per_tr,
        )
        self._clock = ScannerClock(decision=decision)
        self._tr_s = tr_s if decision.unit == "none" else None
        self.reason = _reason(decision, tr_s)

    def due(self) -> Iterator[tuple[float, RecordedMessage]]:
        """Yield each message with the time it is due."""
        due_s, n_readouts = 0.0, 0
        for message in self._messages:
            if message.acquisition_time_stamp is not None:
                due_s = max(due_s, self._time_s(message.acquisition_time_stamp, n_readouts))
                n_readouts += 1
            yield due_s, message
        if self._error is not None:
            raise self._error

    def _time_s(self, ticks: int, n_readouts: int) -> float:
        if self._tr_s is not None:
            return n_readouts * self._tr_s
        self._clock, seconds = self._clock.advance(np.array([ticks], np.uint32))
        return 0.0 if np.isnan(seconds[0]) else float(seconds[0])


def ticks_of(messages: Iterable[RecordedMessage]) -> NDArray[np.uint32]:
    """Return the time stamps of the readouts that tell a clock's rate: noise scans do not."""
    stamps = [m.acquisition_time_stamp for m in messages if _tells_rate(m)]
    return np.array(stamps, dtype=np.uint32)


def _tells_rate(message: RecordedMessage) -> bool:
    return message.kind == layout.ACQUISITION and not message.flags & NOISE_MEASUREMENT


def _readout_s(messages: Iterable[RecordedMessage]) -> float | None:
    """Return the shortest time that a readout is sampled, None where none says."""
    heads = (
        ReadoutHead._make(layout.READOUT_HEAD.unpack_from(m.data, layout.MESSAGE_ID.size))
        for m in messages
        if _tells_rate(m)
    )
    times_s = (head.number_of_samples * head.sample_time_us * 1e-6 for head in heads)
    return min((time_s for time_s in times_s if time_s > 0), default=None)


def _reason(decision: UnitDecision, tr_s: float | None) -> str:
    if decision.unit != "none":
        return f"time stamps of {decision.unit}: {decision.reason}"
    if tr_s is not None:
        return f"a TR of {tr_s * 1e3:g} ms a readout: {decision.reason}"
    return f"not paced, neither clock nor TR: {decision.reason}"


def _take(
    messages: Iterator[RecordedMessage], count: int
) -> tuple[list[RecordedMessage], MonitorError | None]:
    """Return the first messages, and the error that came instead of the next: they go first."""
    taken: list[RecordedMessage] = []
    try:
        for message in messages:
            taken.append(message)
            if len(taken) == count:
                break
    except MonitorError as error:
        return taken, error
    return taken, None
