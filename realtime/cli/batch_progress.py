"""The line of a batch on the screen: how many recordings are read, and how many jobs are over."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from realtime.batch.job import Job, Told
from realtime.batch.job import Progress as JobProgress
from realtime.cli.console import console
from realtime.clock import MonotonicClock

_REDRAWN_NS = 200_000_000


class BatchProgress:
    """Follows a batch."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console(is_error=True),
            auto_refresh=False,
        )
        self._task = self._progress.add_task("reading the archive", total=None)
        self._frames: dict[str, int] = {}
        self._n_frames = self._n_failed = self._drawn_ns = 0
        self._clock = MonotonicClock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._draw(is_last=True)
        self._progress.stop()

    def read(self, n_read: int, n_recordings: int) -> None:
        """Note that a recording has been read."""
        self._progress.update(self._task, completed=n_read, total=n_recordings)
        self._draw()

    def expect(self, jobs: Sequence[Job], *, n_waiting: int) -> None:
        """Count jobs from here on; those that need not be done again are over."""
        self._progress.reset(self._task, total=len(jobs), completed=len(jobs) - n_waiting)
        self._tell()

    def heed(self, told: Told) -> None:
        """Take what was said of a job."""
        if isinstance(told, JobProgress):
            self._frames[told.name] = told.n_frames
        else:
            self._n_frames += 0 if told.figures is None else told.figures.frames
            self._frames.pop(told.name, None)
            self._n_failed += told.state == "failed"
            self._progress.advance(self._task)
        self._tell()

    def _tell(self) -> None:
        failed = f", {self._n_failed} failed" if self._n_failed else ""
        n_frames = self._n_frames + sum(self._frames.values())
        self._progress.update(self._task, description=f"jobs{failed}, {n_frames} frames")
        self._draw()

    def _draw(self, *, is_last: bool = False) -> None:
        now_ns = self._clock.now_ns()
        if is_last or now_ns - self._drawn_ns >= _REDRAWN_NS:
            self._drawn_ns = now_ns
            self._progress.refresh()
