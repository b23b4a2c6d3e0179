"""One line of progress, redrawn when whoever works has a moment."""

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from messages import Permit, Verdict
from messages.codec import Noun
from realtime.cli import verdict_words
from realtime.cli.console import console
from realtime.clock import MonotonicClock
from realtime.streams import mrd_layout as layout
from realtime.streams.recording import RecordedMessage, Recording

_REDRAWN_NS = 200_000_000
Thing = TypeVar("Thing")


class _Line:
    """A line that is on the screen for as long as the context lasts."""

    _progress: Progress

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the last line where it is, or take it away if it is transient."""
        self._progress.stop()


class FrameProgress(_Line):
    """Follows a run's verdicts. target: the region whose temperature is shown."""

    def __init__(self, n_frames: int | None, *, target: str | None) -> None:
        self._target = target
        self._permit = "HELD"
        self._progress = Progress(
            TextColumn("frame {task.completed:.0f}"),
            BarColumn(),
            TextColumn("{task.description}"),
            console=console(is_error=True),
            auto_refresh=False,  # a thread that draws would stand in the gateway's way
        )
        self._task = self._progress.add_task("waiting for the first frame", total=n_frames)
        self.n_frames = 0

    def heed(self, noun: Noun) -> None:
        """Take an event."""
        if isinstance(noun, Permit):
            self._permit = noun.state
        elif isinstance(noun, Verdict):
            self.n_frames += 1
            text = self._describe(noun)
            self._progress.update(self._task, completed=self.n_frames, description=text)
            self._progress.refresh()

    def _describe(self, verdict: Verdict) -> str:
        parts = verdict_words.training(verdict) + verdict_words.motion(verdict)
        for region in verdict.regions:
            if region.name == self._target and region.temperature_max_c is not None:
                parts.append(f"{region.name} {region.temperature_max_c:5.1f} °C")
                if region.dose_max_cem43_min is not None:
                    parts.append(f"{region.dose_max_cem43_min:7.1f} CEM43 min")
        if verdict.outcome != "COMPUTED":
            parts.append(verdict.outcome)
        colour = "green" if self._permit == "GRANTED" else "red"
        parts += [f"[{colour}]{self._permit:7s}[/]", f"age {verdict.age_ms:.1f} ms"]
        return "  ".join(parts)


class ReadoutProgress(_Line):
    """Counts what has been done, on a terminal only; the line is gone at the end.

    what: the things that are counted; done: what happens to them.
    """

    def __init__(self, what: str = "readouts", *, done: str = "simulated") -> None:
        err = console(is_error=True)
        self._progress = Progress(
            TextColumn(f"{done} {{task.completed:.0f}} {what}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=err,
            auto_refresh=False,
            transient=True,
            disable=not err.is_terminal,
        )
        self._task = self._progress.add_task("", total=None)
        self._clock = MonotonicClock()
        self._drawn_ns = self._clock.now_ns()

    def counting(self, recording: Recording) -> Recording:
        """Return the recording; as it is played, its readouts are counted."""
        return _Counted(recording, self)

    def passing(
        self, messages: Iterable[RecordedMessage], *, n_readouts: int | None
    ) -> Iterator[RecordedMessage]:
        """Yield messages; each readout among them is counted."""
        self._progress.update(self._task, total=n_readouts)
        for message in messages:
            if message.kind == layout.ACQUISITION:
                self.advance()
            yield message

    def counted(self, things: Sequence[Thing]) -> Iterator[Thing]:
        """Yield things, each counted when the next is asked for."""
        self._progress.update(self._task, total=len(things))
        for thing in things:
            yield thing
            self.advance()

    def advance(self) -> None:
        """Count one more."""
        self._progress.advance(self._task)
        now_ns = self._clock.now_ns()
        if now_ns - self._drawn_ns >= _REDRAWN_NS:
            self._drawn_ns = now_ns
            self._progress.refresh()


class _Counted:
    def __init__(self, recording: Recording, progress: ReadoutProgress) -> None:
        self.header_xml = recording.header_xml
        self.has_config = recording.has_config
        self.n_readouts = recording.n_readouts
        self._recording, self._progress = recording, progress

    def messages(self) -> Iterator[RecordedMessage]:
        return self._progress.passing(self._recording.messages(), n_readouts=self.n_readouts)
