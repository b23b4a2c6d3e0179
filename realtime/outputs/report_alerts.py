"""The report's alerts: what was raised on which evidence, and what became of it."""

from collections.abc import Iterator, Sequence

from messages import Alert
from realtime.alerts.events import EVENTS
from realtime.outputs.report_blocks import Cell, Note, Section, Table
from realtime.outputs.report_facts import clock_time
from realtime.outputs.report_numbers import is_told
from realtime.outputs.report_record import RunRecord

_HEAD = ("raised", "priority", "what", "value", "limit", "what became of it")
_WIDTHS = (0.12, 0.09, 0.41, 0.09, 0.09, 0.2)
_OPEN = ("raised", "cleared")
_Change = tuple[Alert, str]  # and when it was said


def section(run: RunRecord) -> Section:
    """Return one row for each alert that a reader must know, and one for each time it worsened."""
    times = run.alert_utc or [""] * len(run.alerts)
    lives: dict[int, list[_Change]] = {}
    unsaid = set[int]()
    for alert, utc in zip(run.alerts, times, strict=True):
        if is_told(alert):
            lives.setdefault(alert.alert_id, []).append((alert, clock_time(utc)))
        else:
            unsaid.add(alert.alert_id)
    quiet = f" {len(unsaid)} notices that held for a while are told under Gate." if unsaid else ""
    if not lives:
        return Section("Alerts", [Note(f"None was raised.{quiet}")])
    rows = [_row(part) for life in lives.values() for part in _raised(life)]
    n_open = sum(life[-1][0].state in _OPEN for life in lives.values())
    tail = Note(f"Still open at the end: {n_open} of {len(lives)}.{quiet}")
    return Section("Alerts", [Table(rows, _HEAD, widths=_WIDTHS), tail])


def _raised(life: Sequence[_Change]) -> Iterator[list[_Change]]:
    """Yield the parts of a life that each begin with a raise, and the next raise with them."""
    starts = [n for n, (one, _) in enumerate(life) if one.state == "raised"] or [0]
    for start, stop in zip(starts, [*starts[1:], len(life)], strict=True):
        yield list(life[start : stop + 1])


def _row(life: Sequence[_Change]) -> list[object]:
    (first, when), *later = life
    event = EVENTS.get(first.event)
    region = f" ({first.region})" if first.region else ""
    return [
        Cell(f"frame {first.frame_id}" if first.frame_id >= 0 else "no frame", when),
        Cell(first.priority, "latched" if first.latched else "", first.priority),
        Cell(f"{first.event}{region}: {first.text}", "" if event is None else event.advice),
        _amount(first.value, first.unit),
        _amount(first.limit, first.unit),
        "; ".join(_change(*one) for one in later) or "open",
    ]


def _change(one: Alert, when: str) -> str:
    state = f"raised again as {one.priority}" if one.state == "raised" else one.state
    by = f" by {one.acknowledged_by}" if one.acknowledged_by else ""
    return f"{state}{by}{f' at {when}' if when else ''}"


def _amount(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.4g} {unit}".strip()
