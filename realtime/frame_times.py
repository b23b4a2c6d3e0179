"""When each readout was acquired, in scanner time, and when a frame crossed the k-space centre.

Ticks are kept as they come and turned into seconds when a frame closes, in the order in which
frames close: by then the unit is known.
"""

import math

import numpy as np
from numpy.typing import NDArray

from messages import Acquisition, SessionHeader
from realtime.protocol import Protocol
from realtime.streams.time_stamps import ScannerClock


class FrameTimes:
    """The scanner clock of a session."""

    def __init__(self, protocol: Protocol, header: SessionHeader) -> None:
        encoding = header.encodings[0]
        limits = (encoding.kspace_encoding_step_1, encoding.kspace_encoding_step_2)
        _, n_y, n_z = encoding.encoded_matrix
        self._centre = tuple(
            size // 2 if limit is None else limit.center
            for limit, size in zip(limits, (n_y, n_z), strict=True)
        )
        self._clock = ScannerClock(
            protocol.stream.time_stamp_unit, header.system_vendor, header.repetition_time_s
        )
        self._ticks: dict[int, list[int]] = {}
        self._centre_rows: dict[int, tuple[int, list[int]]] = {}
        self.latest_s = math.nan

    def note(self, frame_id: int, acquisition: Acquisition) -> None:
        """Keep a readout's ticks; rows are counted as they come."""
        ticks = self._ticks.setdefault(frame_id, [])
        idx = acquisition.idx
        distance = abs(idx.kspace_encode_step_1 - self._centre[0]) + abs(
            idx.kspace_encode_step_2 - self._centre[1]
        )
        nearest, rows = self._centre_rows.get(frame_id, (distance, []))
        if distance <= nearest:
            # averages cross the centre several times, each counts alike
            rows = [*rows, len(ticks)] if distance == nearest else [len(ticks)]
            self._centre_rows[frame_id] = (distance, rows)
        ticks.append(acquisition.acquisition_time_stamp)

    def centre_ticks(self, frame_id: int) -> int:
        """Return the time stamp of a frame's k-space centre as it came; before `settle`."""
        ticks = self._ticks.get(frame_id)
        return ticks[self._centre_rows[frame_id][1][0]] if ticks else 0

    def settle(self, frame_id: int) -> tuple[NDArray[np.float64], float]:
        """Return a closed frame's times (readout,) and that of its k-space centre, in seconds.

        With averages the centre's time is their mean: the image shows the mean of their phases.
        NaN where the scanner gives no clock. Seconds count from the session's first frame.
        """
        ticks = np.array(self._ticks.pop(frame_id, []), np.uint32)
        _, rows = self._centre_rows.pop(frame_id, (0, []))
        self._clock, times_s = self._clock.advance(ticks)
        if times_s.size == 0:
            return times_s, math.nan
        self.latest_s = float(times_s[-1])
        return times_s, float(np.mean(times_s[rows]))
