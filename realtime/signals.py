"""A session's physiological signals: told to subscribers, and sent along with the frames."""

import math
from collections import deque

from messages import MonitorError, Waveform
from realtime.mailbox import WAVEFORM_BYTES
from realtime.waveform_queue import WaveformQueue

# Some clients send all signals before the first readout; they are told once the run has begun,
# a few at a time, so that nobody's verdict waits for them.
_MAX_UNTOLD = 10_000
_MAX_UNTOLD_BYTES = 1 << 24
_AT_ONCE = 100


class Signals:
    """What came of waveforms. `with_frames`: those that the next frame takes along."""

    def __init__(self) -> None:
        self.with_frames = WaveformQueue(WAVEFORM_BYTES)
        self._untold: deque[Waveform] = deque()
        self._n_bytes = 0
        self._n_untold_dropped = 0

    @property
    def n_dropped(self) -> int:
        """Waveforms that found no room on one way or the other."""
        return self.with_frames.n_dropped + self._n_untold_dropped

    def add(self, waveform: Waveform) -> None:
        """Take a waveform. Raises MonitorError where its sampling time is no number."""
        if not math.isfinite(waveform.sample_time_us):
            raise MonitorError(
                f"waveform {waveform.scan_counter}: sample_time_us is {waveform.sample_time_us}, "
                "expected a number"
            )
        self.with_frames.add(waveform)
        self._untold.append(waveform)
        self._n_bytes += waveform.samples.nbytes
        while len(self._untold) > _MAX_UNTOLD or self._n_bytes > _MAX_UNTOLD_BYTES:
            self._n_bytes -= self._untold.popleft().samples.nbytes
            self._n_untold_dropped += 1

    def take_untold(self, *, all_at_once: bool = False) -> list[Waveform]:
        """Return waveforms that nobody has been told of, oldest first, and forget them."""
        n = len(self._untold) if all_at_once else min(_AT_ONCE, len(self._untold))
        told = [self._untold.popleft() for _ in range(n)]
        self._n_bytes -= sum(one.samples.nbytes for one in told)
        return told
