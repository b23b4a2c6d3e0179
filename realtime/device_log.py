"""What the therapy device says of itself: steps in scanner time, kept beside the recording."""

import csv
import dataclasses
import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from messages import MonitorError
from realtime.streams.recorder import Recorder

MOST_AHEAD_S = 60.0  # of a device that plays faster than its readouts are read
APART_S = 1e-6  # of two steps at one moment: by rising times a log is merged without loss


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """What a device said, and the scanner time that it said it of; subclasses say what."""

    time_s: float


S = TypeVar("S", bound=Step)


def holds_since(time_s: float | None, *, now_s: float, of: str) -> float:
    """Return from when on a report holds: its own word, or now where it has none.

    now_s: scanner time, NaN before the first frame. of: what is reported, for the message.
    Raises MonitorError for a time far in the future: each later step would wait for it.
    """
    if time_s is None:
        return now_s
    latest_s = (now_s if math.isfinite(now_s) else 0.0) + MOST_AHEAD_S
    if time_s > latest_s:
        raise MonitorError(
            f"{of}: time_s is {time_s:g}, expected at most {latest_s:.1f}: scanner time, in "
            "seconds since the session's first frame"
        )
    return time_s


class DeviceLog(ABC, Generic[S]):
    """The latest steps of one kind, for the frames' slots and for the run folder.

    Where more steps come than a frame takes, those that lie closest are joined.
    """

    def __init__(self, name: str, step: type[S], *, file: str, room: int) -> None:
        """Take steps of one kind. name: of the slots' field. room: steps that a frame takes."""
        self._name, self._step, self._file, self._room = name, step, file, room
        self._columns = get_type_hints(step)
        self._steps: deque[tuple[S, int]] = deque()  # and the first frame that had it, or -1
        self._coming: deque[tuple[S, int]] = deque()
        self._early: dict[Hashable, S] = {}
        self._path: Path | None = None
        self._recorder: Recorder | None = None
        self._last_frame = -1

    @abstractmethod
    def join(self, steps: list[S]) -> list[S]:
        """Return the steps with one less."""

    def open(self, folder: Path | None, *, recording: Path | None = None) -> None:
        """Write each step into a folder as it first reaches a frame; take those of a recording.

        Raises MonitorError where the steps that lie beside a recording cannot be read.
        """
        self._path = None if folder is None else folder / self._file
        path = None if recording is None else recording.with_name(self._file)
        if path is not None and path.is_file():
            self._coming = deque(sorted(self._read(path), key=lambda one: one[1]))

    @property
    def latest(self) -> S | None:
        """The step that came last, where its time is known."""
        return self._steps[-1][0] if self._steps else None

    def add(self, step: S, *, of: Hashable = None) -> None:
        """Take a step; of: the part of the device that it is about.

        Until the first frame has told what the scanner's clock means, a step has no time (NaN):
        what was said last of each part by then counts from the session's beginning.
        """
        if not math.isfinite(step.time_s):
            self._early.pop(of, None)
            self._early[of] = step
            return
        self._place_early()
        self._place(step)

    def write(self, row: Any) -> None:  # noqa: ANN401 - a structured row of the mailbox
        """Write the steps into a slot's row, which has its frame's number and time."""
        frame = self._last_frame = int(row["frame_id"])
        if math.isfinite(row["time_s"]):
            self._place_early()
        while self._coming and self._coming[0][1] <= frame:
            self._append(self._coming.popleft()[0])
        row[f"n_{self._name}"] = len(self._steps)
        for index, (step, seen) in enumerate(self._steps):
            row[self._name][index] = dataclasses.astuple(step)
            if seen < 0:
                self._steps[index] = step, frame
                self._keep(step, frame)

    def close(self) -> None:
        """Write what came after the last frame, as the next one's, and no more."""
        late = [(step, self._last_frame + 1) for step, seen in self._steps if seen < 0]
        for step, frame in (*late, *self._coming):
            self._keep(step, frame)
        self._steps.clear()
        self._coming.clear()
        if self._recorder is not None:
            self._recorder.finish()

    def _place_early(self) -> None:
        early, self._early = self._early, {}
        for step in early.values():
            self._place(dataclasses.replace(step, time_s=0.0))

    def _place(self, step: S) -> None:
        if self.latest is not None and step.time_s <= self.latest.time_s:
            step = dataclasses.replace(step, time_s=self.latest.time_s + APART_S)
        self._append(step)

    def _append(self, step: S) -> None:
        steps = self._steps
        steps.append((step, -1))
        if len(steps) <= self._room:
            return
        if steps[0][1] >= 0:
            steps.popleft()  # the oldest has reached a frame: it may go
        else:
            self._steps = deque((one, -1) for one in self.join([one for one, _ in steps]))

    def _keep(self, step: S, frame: int) -> None:
        if self._path is None:
            return
        if self._recorder is None:
            self._recorder = Recorder(self._path)
            self._recorder.record(f"{','.join((*self._columns, 'frame'))}\n".encode())
        # every digit: a replay computes with the same numbers
        values = (int(one) if isinstance(one, bool) else one for one in dataclasses.astuple(step))
        self._recorder.record(f"{','.join(map(repr, values))},{frame}\n".encode())

    def _read(self, path: Path) -> list[tuple[S, int]]:
        try:
            with path.open(newline="", encoding="utf-8") as file:
                steps = [(self._parsed(row), int(row["frame"])) for row in csv.DictReader(file)]
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            expected = f"expected columns {', '.join((*self._columns, 'frame'))}"
            raise MonitorError(f"{path}: cannot be read, {expected}: {error}") from error
        if not all(math.isfinite(one) for step, _ in steps for one in dataclasses.astuple(step)):
            raise MonitorError(f"{path}: holds a value that is not finite")
        return steps

    def _parsed(self, row: dict[str, str]) -> S:
        columns = self._columns.items()
        return self._step(*(_flag(row[n]) if kind is bool else kind(row[n]) for n, kind in columns))


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"{text!r}, expected 0 or 1")
    return text == "1"
