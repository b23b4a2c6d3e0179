"""What happens to a monitor, as lines of a log: one for each change, none for each frame."""

import platform
from datetime import datetime
from importlib import metadata
from typing import Literal

import msgspec

from messages import Alert, RunStart, RunStop, Verdict
from messages.codec import Noun
from realtime.watched import SILENCE_NS, Watched

Level = Literal["info", "warning", "error"]
_LEVELS: dict[str, Level] = {"high": "error", "medium": "warning", "low": "info"}


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line, as JSON. event: what happened; what does not apply is left out."""

    level: Level
    event: str
    text: str = ""
    run: str = ""
    frame: int | None = None
    alert: str = ""
    alert_id: int | None = None
    state: str = ""
    priority: str = ""
    region: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    age_ms: float | None = None
    figures: dict[str, str | int | float] = {}

    def written(self, at: datetime) -> bytes:
        """Return the line, which begins with its `time`, in UTC."""
        time = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return f'{{"time":"{time}",'.encode() + msgspec.json.encode(self)[1:] + b"\n"


class Narrator:
    """Says what has changed; `watched` must have taken an event before this is told of it."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._permit = "HELD"
        self._is_silent = False
        self._n_missed = 0

    def hear(self, noun: Noun) -> list[Line]:
        """Return what an event tells."""
        if isinstance(noun, Alert):
            return [_of_alert(noun)]
        if isinstance(noun, RunStart):
            return [_of_start(noun)]
        if isinstance(noun, RunStop):
            return [_of_stop(noun)]
        if isinstance(noun, Verdict) and noun.outcome != "COMPUTED":
            return [_of_lost_frame(noun)]
        return []

    def look(self, now_ns: int, *, n_missed: int) -> list[Line]:
        """Return what has changed with the time: permit, silence, events that were missed."""
        lines, watched = [], self._watched
        state, reason = watched.permit(now_ns)
        if state != self._permit:
            self._permit = state
            text = reason if state == "HELD" else ""
            level: Level = "warning" if state == "HELD" else "info"
            lines.append(Line(level, "permit", text, watched.run_id, state=state))
        silent_ns = watched.silent_ns(now_ns)
        if silent_ns is not None and (silent_ns > SILENCE_NS) != self._is_silent:
            self._is_silent = not self._is_silent
            if self._is_silent:
                lines.append(Line("error", "monitor-silent", "not heard for 500 ms"))
            else:
                lines.append(Line("info", "monitor-heard", "heard again"))
        if n_missed > self._n_missed:
            text = f"{n_missed - self._n_missed} events were not heard; alerts come all the same"
            lines.append(Line("warning", "events-missed", text))
            self._n_missed = n_missed
        return lines


def opening(refused: list[str]) -> list[Line]:
    """Return the first lines. refused: what this machine did not permit."""
    figures: dict[str, str | int | float] = {
        "version": metadata.version("mr-therapy-monitor"),
        "python": platform.python_version(),
    }
    first = Line("info", "log-begins", "research software, not a safety interlock", figures=figures)
    return [first, *(Line("warning", "tuning-refused", one) for one in refused)]


def _of_alert(alert: Alert) -> Line:
    level: Level = _LEVELS[alert.priority] if alert.state == "raised" else "info"
    return Line(
        level,
        "alert",
        alert.text,
        alert.run_id,
        None if alert.frame_id < 0 else alert.frame_id,
        alert=alert.event,
        alert_id=alert.alert_id,
        state=alert.state,
        priority=alert.priority,
        region=alert.region,
        value=alert.value,
        limit=alert.limit,
        unit=alert.unit,
    )


def _of_start(start: RunStart) -> Line:
    figures: dict[str, str | int | float] = {
        "protocol": start.protocol_name,
        "protocol_hash": start.protocol_hash,
        "therapy": start.therapy,
        "frame_deadline_ms": start.frame_deadline_ms,
        "lease_ms": start.lease_ms,
    }
    return Line("info", "run-start", "", start.run_id, figures=figures)


def _of_stop(stop: RunStop) -> Line:
    figures: dict[str, str | int | float] = {
        "frames": stop.n_frames,
        "late": stop.n_late,
        "fault": stop.n_fault,
        "incomplete": stop.n_incomplete,
        "readouts": stop.n_readouts,
        "duplicate_readouts": stop.n_duplicate_readouts,
        "lost_readouts": stop.n_lost_readouts,
        "unused_readouts": stop.n_unused_readouts,
    }
    level: Level = "info" if stop.status == "completed" else "error"
    return Line(level, "run-stop", stop.reason, stop.run_id, state=stop.status, figures=figures)


def _of_lost_frame(verdict: Verdict) -> Line:
    text = "; ".join(one.text for one in verdict.findings)
    return Line(
        "warning",
        "frame",
        text,
        verdict.run_id,
        verdict.frame_id,
        state=verdict.outcome,
        age_ms=round(verdict.age_ms, 3),
    )
