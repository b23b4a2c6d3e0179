"""The life of an alert: raised, cleared, acknowledged, withdrawn. Pure: a fold over findings.

One alert lives for each (rule, region, image stream). Its priority never falls without an
acknowledgement; a latched alert never goes away without one either.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from messages import Alert, Finding
from messages.alert import AlertState, Priority
from messages.verdict import Severity
from realtime.alerts.events import EVENTS, EventType, event_name

FRAMES_TO_CLEAR = 2  # one good frame between bad ones is chance, two in a row are a change
# A frame with one of these shows nothing about any other condition, so it cannot show it gone.
BLIND = frozenset({"late-frame", "fault", "incomplete-frame", "non-finite-data", "stream-lost"})

_URGENCY: dict[Priority, int] = {"low": 0, "medium": 1, "high": 2}
_GRAVITY: dict[Severity, int] = {"inform": 0, "warn": 1, "hold": 2}
_Key = tuple[str, str, tuple[int, ...]]  # rule, region, image stream


@dataclass(frozen=True, slots=True)
class Entry:
    """One living alert.

    severity: of the finding that the alert stands for.
    n_absent: frames in a row that showed that condition gone.
    below: the milder finding seen in those frames, if any: what the alert falls back to.
    """

    alert: Alert
    key: _Key
    severity: Severity
    n_absent: int = 0
    below: Finding | None = None

    @property
    def event(self) -> EventType:
        """The type of the alert's event."""
        return EVENTS[self.alert.event]

    @property
    def is_acknowledged(self) -> bool:
        """Whether a person has seen it."""
        return self.alert.state == "acknowledged"

    @property
    def is_gone(self) -> bool:
        """Whether its condition has been gone for long enough."""
        return self.n_absent >= FRAMES_TO_CLEAR


Changes = tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class AlertBook:
    """The living alerts, oldest first, and how many were ever raised."""

    entries: tuple[Entry, ...] = ()
    n_raised: int = 0

    @property
    def living(self) -> Changes:
        """Each living alert as it stands."""
        return tuple(entry.alert for entry in self.entries)

    def holds(self) -> str | None:
        """Return why the permit must stay held whatever the next verdict says, None where free."""
        for entry in self.entries:
            if entry.event.holds and entry.alert.latched:
                condition = "gone" if entry.is_gone else "present"
                seen = "acknowledged" if entry.is_acknowledged else "not acknowledged"
                return f"alert {entry.alert.alert_id}: {entry.alert.text} ({condition}, {seen})"
        return None

    def knows(self, alert_id: int) -> bool:
        """Return whether an alert with this id was ever raised in this book."""
        return 0 <= alert_id < self.n_raised


def step(
    book: AlertBook,
    frame_id: int,
    findings: tuple[Finding, ...],
    *,
    protocol_hash: str,
    stream: tuple[int, ...] = (),
) -> tuple[AlertBook, Changes]:
    """Return the book after one frame, and what changed.

    stream: the frame's slice, contrast, phase and set; a frame says nothing about the others. Empty
        where no frame speaks: then nothing is shown to be gone, and `resolve` must say so.
    """
    found = _gravest(findings, stream)
    entries: list[Entry] = []
    changes: list[Alert] = []
    for entry in book.entries:
        finding = found.pop(entry.key, None)
        if entry.key[2] == stream and (finding is not None or _can_show_gone(findings, entry)):
            moved, said = _advance(entry, finding, frame_id)
        else:
            moved, said = entry, ()
        changes += said
        entries += () if moved is None else (moved,)
    n_raised = book.n_raised
    for key, finding in found.items():
        entry = _open(n_raised, key, finding, frame_id, protocol_hash)
        n_raised += 1
        changes.append(entry.alert)
        entries.append(entry)
    return AlertBook(tuple(entries), n_raised), tuple(changes)


def acknowledge(book: AlertBook, alert_id: int, who: str) -> tuple[AlertBook, Changes]:
    """Return the book after a person has seen an alert, and what changed.

    Nothing changes the second time, nor for an id that no longer lives; `knows` tells the rest.
    """

    def seen(entry: Entry) -> tuple[Entry | None, Changes]:
        if entry.alert.alert_id != alert_id or entry.is_acknowledged:
            return entry, ()
        alert = replace(entry.alert, state="acknowledged", acknowledged_by=who)
        moved, said = _settle(replace(entry, alert=alert))
        return moved, (alert, *said)

    return _each(book, seen)


def resolve(book: AlertBook, rule: str) -> tuple[AlertBook, Changes]:
    """Return the book after a condition that no frame can show gone is known to be gone."""

    def gone(entry: Entry) -> tuple[Entry | None, Changes]:
        if entry.key[0] != rule:
            return entry, ()
        return _settle(replace(entry, n_absent=FRAMES_TO_CLEAR, below=None))

    return _each(book, gone)


def part(book: AlertBook, rule: str) -> tuple[AlertBook, tuple[Entry, ...]]:
    """Return the book without a rule's alerts, and those: another book goes on with them."""
    taken = tuple(entry for entry in book.entries if entry.key[0] == rule)
    left = tuple(entry for entry in book.entries if entry.key[0] != rule)
    return replace(book, entries=left), taken


def _each(
    book: AlertBook, move: Callable[[Entry], tuple[Entry | None, Changes]]
) -> tuple[AlertBook, Changes]:
    moves = [move(entry) for entry in book.entries]
    entries = tuple(moved for moved, _ in moves if moved is not None)
    changes = tuple(change for _, said in moves for change in said)
    return replace(book, entries=entries), changes


def _gravest(findings: tuple[Finding, ...], stream: tuple[int, ...]) -> dict[_Key, Finding]:
    found: dict[_Key, Finding] = {}
    for finding in findings:
        key = (finding.rule, finding.region, stream)
        if key not in found or _GRAVITY[finding.severity] > _GRAVITY[found[key].severity]:
            found[key] = finding
    return found


def _can_show_gone(findings: tuple[Finding, ...], entry: Entry) -> bool:
    rule, region, stream = entry.key
    return stream != () and not any(
        (other.rule in BLIND and other.rule != rule)
        or (other.rule == "invalid-fraction" and other.region == region != "")
        for other in findings
    )


def _open(alert_id: int, key: _Key, finding: Finding, frame_id: int, protocol_hash: str) -> Entry:
    name = event_name(finding.rule, finding.severity)
    event = EVENTS[name]
    alert = Alert(
        alert_id=alert_id,
        event=name,
        priority=event.priority,
        latched=event.latched,
        state="raised",
        text=finding.text,
        region=finding.region,
        frame_id=frame_id,
        value=finding.value,
        limit=finding.limit,
        unit=finding.unit,
        protocol_hash=protocol_hash,
    )
    return Entry(alert, key, finding.severity)


def _advance(entry: Entry, finding: Finding | None, frame_id: int) -> tuple[Entry | None, Changes]:
    if finding is None or _GRAVITY[finding.severity] < _GRAVITY[entry.severity]:
        return _settle(replace(entry, n_absent=entry.n_absent + 1, below=finding))
    if _GRAVITY[finding.severity] > _GRAVITY[entry.severity]:
        return _say(entry, finding, frame_id, "raised")
    if entry.alert.state == "cleared":
        return _say(entry, finding, frame_id, "raised")
    return replace(entry, n_absent=0, below=None), ()


def _settle(entry: Entry) -> tuple[Entry | None, Changes]:
    """Let an alert whose condition may be gone go as far as its latch allows."""
    if not entry.is_gone:
        return entry, ()
    may_go = entry.is_acknowledged or not entry.alert.latched
    if entry.below is not None:
        if not entry.is_acknowledged:
            return entry, ()
        return _say(entry, entry.below, entry.alert.frame_id, "acknowledged")
    if may_go:
        return None, (replace(entry.alert, state="withdrawn"),)
    if entry.alert.state == "cleared":
        return entry, ()
    alert = replace(entry.alert, state="cleared")
    return replace(entry, alert=alert), (alert,)


def _say(entry: Entry, finding: Finding, frame_id: int, state: AlertState) -> tuple[Entry, Changes]:
    """Let an alert stand for another finding of its rule, with that finding's evidence."""
    opened = _open(entry.alert.alert_id, entry.key, finding, frame_id, entry.alert.protocol_hash)
    is_seen = state == "acknowledged"
    alert = replace(
        opened.alert,
        state=state,
        acknowledged_by=entry.alert.acknowledged_by if is_seen else "",
        priority=opened.alert.priority if is_seen else _urgent(entry.alert, opened.alert),
        latched=opened.alert.latched if is_seen else entry.alert.latched or opened.alert.latched,
    )
    return replace(opened, alert=alert), (alert,)


def _urgent(first: Alert, second: Alert) -> Priority:
    return max(first.priority, second.priority, key=_URGENCY.__getitem__)
