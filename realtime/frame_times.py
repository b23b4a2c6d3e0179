"""When each readout was acquired, in scanner time, and when a frame crossed the k-space centre.

Ticks are kept as they come and turned into seconds when a frame closes, in the order in which
frames close: by then the unit is known.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from messages import Acquisition, Pose, SessionHeader
from realtime.echo import joined_contrasts
from realtime.protocol import Protocol
from realtime.streams.time_stamps import ScannerClock


@dataclass(slots=True, eq=False)
class _Rows:
    """The rows of one frame, companions among them.

    aside: rows that do not move the clock. nearest: distance of the centre's rows. last: the last
        imaging row.
    """

    ticks: list[int] = field(default_factory=list)
    physiology_ticks: list[tuple[int, int, int]] = field(default_factory=list)
    poses: list[Pose] = field(default_factory=list)
    aside: list[int] = field(default_factory=list)
    nearest: int = 1 << 32
    centre: list[int] = field(default_factory=list)
    last: int = -1


@dataclass(frozen=True, slots=True)
class Centre:
    """The readout at a frame's k-space centre: its ticks as they came, and its pose."""

    ticks: int = 0
    physiology_ticks: tuple[int, int, int] = (0, 0, 0)
    pose: Pose = field(default_factory=Pose)


class FrameTimes:
    """The scanner clock of a session.

    A Cartesian or EPI frame crosses the centre with the line nearest to it, once for each average;
    every radial spoke and spiral arm crosses it, so there the mean of all counts. A frame that
    joins an echo train crosses it with each echo, and the mean over the echoes counts. Its first
    echo alone moves the clock: that comes once a TR, whatever the order of the others.
    """

    def __init__(self, protocol: Protocol, header: SessionHeader) -> None:
        encoding = header.encodings[0]
        limits = (encoding.kspace_encoding_step_1, encoding.kspace_encoding_step_2)
        _, n_y, n_z = encoding.encoded_matrix
        self._is_on_grid = encoding.is_on_grid
        self._centre = tuple(
            size // 2 if limit is None else limit.center
            for limit, size in zip(limits, (n_y, n_z), strict=True)
        )
        # of a train of echoes nobody says how many one TR holds
        is_train = encoding.trajectory == "epi" or encoding.n_segments > 1
        self._clock = ScannerClock(
            protocol.stream.time_stamp_unit,
            header.system_vendor,
            header.repetition_time_s,
            readouts_per_tr=None if is_train else 1,
        )
        self._is_joined = joined_contrasts(protocol.thermometry, header) > 1
        self._frames: dict[int, _Rows] = {}
        self._is_told = protocol.stream.time_stamp_unit == "none"
        self._latest_ticks: int | None = None

    def note(self, frame_id: int, acquisition: Acquisition, *, is_companion: bool = False) -> None:
        """Keep a readout's ticks; rows are counted as they come, and companions are no centre."""
        rows = self._frames.setdefault(frame_id, _Rows())
        if is_companion:
            rows.aside.append(len(rows.ticks))
        else:
            rows.last = len(rows.ticks)
            if self._is_joined and acquisition.idx.contrast > 0:
                rows.aside.append(rows.last)
            if self._clock.readout_s is None:
                readout_s = acquisition.n_samples * acquisition.sample_time_us * 1e-6
                self._clock = replace(self._clock, readout_s=readout_s)
            idx = acquisition.idx
            distance = 0
            if self._is_on_grid:
                distance = abs(idx.kspace_encode_step_1 - self._centre[0]) + abs(
                    idx.kspace_encode_step_2 - self._centre[1]
                )
            if distance < rows.nearest:
                rows.nearest, rows.centre = distance, []
            if distance == rows.nearest:
                # averages cross the centre several times, each counts alike
                rows.centre.append(len(rows.ticks))
            self._latest_ticks = acquisition.acquisition_time_stamp
        rows.ticks.append(acquisition.acquisition_time_stamp)
        rows.physiology_ticks.append(acquisition.physiology_time_stamp)
        rows.poses.append(acquisition.pose)

    def take_remark(self) -> str:
        """Return, once, what a person must know of how the ticks were read; mostly nothing."""
        decision = self._clock.decision
        if self._is_told or decision is None:
            return ""
        self._is_told = True
        return decision.reason if decision.unit == "none" else decision.warning

    def now_s(self, elapsed_ns: int) -> float:
        """Return the scanner time so long after the latest imaging readout came.

        NaN until the first frame has closed, which tells what a tick is.
        """
        if self._latest_ticks is None or self._clock.decision is None:
            return math.nan
        _, times_s = self._clock.advance(np.array([self._latest_ticks], np.uint32))
        return float(times_s[0]) + elapsed_ns / 1e9

    def time_s(self, ticks: int) -> float | None:
        """Return the scanner time of ticks near the last frame's; None where none is known."""
        if self._clock.decision is None:
            return None
        at_s = float(self._clock.advance(np.array([ticks & 0xFFFFFFFF], np.uint32))[1][0])
        return at_s if math.isfinite(at_s) else None

    def centre(self, frame_id: int) -> Centre:
        """Return the readout at a frame's centre, the middle one of several; before `settle`."""
        rows = self._frames.get(frame_id)
        if rows is None or not rows.centre:
            return Centre()
        middle = rows.centre[len(rows.centre) // 2 if not self._is_on_grid else 0]
        return Centre(rows.ticks[middle], rows.physiology_ticks[middle], rows.poses[middle])

    def settle(self, frame_id: int) -> tuple[NDArray[np.float64], float]:
        """Return a closed frame's times (row,) and that of its k-space centre, in seconds.

        With averages the centre's time is their mean: the image shows the mean of their phases.
        NaN where the scanner gives no clock. Seconds count from the session's first frame.
        """
        rows = self._frames.pop(frame_id, _Rows())
        ticks = np.array(rows.ticks, np.uint32)
        if rows.aside:
            times_s = self._with_rows_aside(ticks, rows.aside)
        else:
            self._clock, times_s = self._clock.advance(ticks)
        if not rows.centre:
            return times_s, math.nan
        centre = rows.centre
        centre_s = times_s[centre[0]] if len(centre) == 1 else np.mean(times_s[centre])
        return times_s, float(centre_s)

    def _with_rows_aside(self, ticks: NDArray[np.uint32], aside: list[int]) -> NDArray[np.float64]:
        """Return all times; companions, which may be older than the frame before, among them."""
        moves = np.ones(ticks.size, np.bool_)
        moves[aside] = False
        before, times_s = self._clock, np.full(ticks.size, np.nan)
        self._clock, times_s[moves] = before.advance(ticks[moves])
        clock = self._clock if before.decision is None else before
        times_s[~moves] = clock.advance(ticks[~moves])[1]
        return times_s
