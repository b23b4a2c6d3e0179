"""What the therapy device says of its power: steps in scanner time, kept beside the recording."""

import csv
import math
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

from messages import MonitorError
from realtime.mailbox import POWER_STEPS
from realtime.streams.recorder import Recorder

POWER_FILE = "power.csv"
MOST_AHEAD_S = 60.0  # of a device that plays faster than its readouts are read
_COLUMNS = ("time_s", "watts", "frame")


class _Step(NamedTuple):
    """frame: the first that was computed with it, -1 while there was none."""

    time_s: float
    watts: float
    frame: int


def holds_since(time_s: float | None, *, now_s: float) -> float:
    """Return from when on a report holds: its own word, or now where it has none.

    now_s: scanner time, NaN before the first frame. Raises MonitorError for a time far in the
    future: each later step would wait for it.
    """
    if time_s is None:
        return now_s
    latest_s = (now_s if math.isfinite(now_s) else 0.0) + MOST_AHEAD_S
    if time_s > latest_s:
        raise MonitorError(
            f"power: time_s is {time_s:g}, expected at most {latest_s:.1f}: scanner time, in "
            "seconds since the session's first frame"
        )
    return time_s


class DevicePower:
    """The latest steps of the power, for the frames' slots and for the run folder.

    Where more steps come than a frame takes, those that lie closest are joined: their energy stays.
    """

    def __init__(self) -> None:
        self._steps: deque[_Step] = deque(maxlen=POWER_STEPS)
        self._coming: deque[_Step] = deque()
        self._unplaced_w: float | None = None
        self._path: Path | None = None
        self._recorder: Recorder | None = None

    def open(self, folder: Path | None, *, recording: Path | None = None) -> None:
        """Write each step into a folder as it first reaches a frame; take those of a recording.

        Raises MonitorError where the steps that lie beside a recording cannot be read.
        """
        self._path = None if folder is None else folder / POWER_FILE
        path = None if recording is None else recording.with_name(POWER_FILE)
        if path is not None and path.is_file():
            self._coming = deque(sorted(_read(path), key=lambda one: one.frame))

    def report(self, watts: float, *, since_s: float) -> None:
        """Take a report; since_s: scanner time from which on it holds.

        Until the first frame has told what the scanner's clock means there is no such time (NaN):
        what was said last by then counts from the session's beginning.
        """
        if not math.isfinite(since_s):
            self._unplaced_w = watts
            return
        self._place_early()
        if not self._steps or self._steps[-1].watts != watts:
            latest_s = self._steps[-1].time_s if self._steps else -math.inf
            self._make_room()
            self._steps.append(_Step(max(since_s, latest_s), watts, -1))

    def write(self, row: Any) -> None:  # noqa: ANN401 - a structured row of the mailbox
        """Write the steps into a slot's row, which has its frame's number and time."""
        frame = int(row["frame_id"])
        if math.isfinite(row["time_s"]):
            self._place_early()
        while self._coming and self._coming[0].frame <= frame:
            self._steps.append(self._coming.popleft()._replace(frame=-1))
        row["n_power_steps"] = len(self._steps)
        for index, step in enumerate(self._steps):
            row["power_s"][index], row["power_w"][index] = step.time_s, step.watts
            if step.frame < 0:
                self._steps[index] = step._replace(frame=frame)
                self._keep(self._steps[index])

    def close(self) -> None:
        """Write no more."""
        if self._recorder is not None:
            self._recorder.finish()

    def _make_room(self) -> None:
        steps = self._steps
        if len(steps) < POWER_STEPS or steps[0].frame >= 0:
            return  # the oldest has reached a frame: it may go
        spans = [steps[n + 2].time_s - steps[n].time_s for n in range(len(steps) - 2)]
        at = min(range(len(spans)), key=spans.__getitem__)
        one, other = steps[at], steps[at + 1]
        share = (other.time_s - one.time_s) / spans[at] if spans[at] > 0 else 0.0
        steps[at] = one._replace(watts=share * one.watts + (1 - share) * other.watts)
        del steps[at + 1]

    def _place_early(self) -> None:
        if self._unplaced_w is not None:
            self._steps.append(_Step(0.0, self._unplaced_w, -1))
            self._unplaced_w = None

    def _keep(self, step: _Step) -> None:
        if self._path is None:
            return
        if self._recorder is None:
            self._recorder = Recorder(self._path)
            self._recorder.record(f"{','.join(_COLUMNS)}\n".encode())
        # every digit: a replay computes with the same numbers
        self._recorder.record(f"{step.time_s!r},{step.watts!r},{step.frame}\n".encode())


def _read(path: Path) -> list[_Step]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            steps = [
                _Step(float(row["time_s"]), float(row["watts"]), int(row["frame"]))
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        expected = f"expected columns {', '.join(_COLUMNS)}"
        raise MonitorError(f"{path}: cannot be read, {expected}: {error}") from error
    if not all(math.isfinite(one.time_s) and math.isfinite(one.watts) for one in steps):
        raise MonitorError(f"{path}: holds a value that is not finite")
    return steps
