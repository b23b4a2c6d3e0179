"""What must be true of a soak: the journal against what subscribers wrote down.

Pure: it is given lines and rows, and returns what is wrong with them, one sentence each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.soak.checker_permit import check_permit

Line = dict[str, Any]
Place = tuple[str, int]  # epoch, sequence

_MOST_IN_HAND = 3  # frames that a killed gateway may leave without an answer


@dataclass(frozen=True, slots=True)
class Row:
    """One alert of the journal."""

    epoch: str
    sequence: int
    body: Line

    @property
    def place(self) -> Place:
        return self.epoch, self.sequence


@dataclass(frozen=True, slots=True)
class Table:
    """verdicts.csv of a run: frame, outcome, permit. is_ended: its run.json has a stop."""

    rows: Sequence[tuple[int, str, str]]
    is_ended: bool


@dataclass(frozen=True, slots=True)
class Records:
    """All that a soak leaves behind.

    journal: in order of writing. logs: by subscriber; witness: the one that was never struck.
    tables: by run. sent: the scanner's log. acknowledged: when, of which epoch and alert.
    """

    journal: Sequence[Row]
    logs: dict[str, Sequence[Line]]
    witness: str
    tables: dict[str, Table] = field(default_factory=dict)
    sent: Sequence[Line] = ()
    acknowledged: Sequence[Line] = ()
    lease_ms: float = 4500.0


def check(records: Records) -> list[str]:
    """Return what is wrong; nothing where all is well."""
    wrong = check_journal(records.journal)
    for name, log in records.logs.items():
        wrong += [f"{name}: {text}" for text in check_delivery(records.journal, log)]
    witness = records.logs[records.witness]
    wrong += check_witness(witness)
    wrong += check_answers(witness, records.sent)
    wrong += check_tables(witness, records.tables)
    wrong += check_permit(witness, records.acknowledged, lease_ms=records.lease_ms)
    return wrong


def check_journal(journal: Sequence[Row]) -> list[str]:
    """Each epoch stands in one piece and counts from 1 without a gap."""
    wrong, ended = [], set()
    for before, row in pairwise([Row("", 0, {}), *journal]):
        is_same = row.epoch == before.epoch
        expected = before.sequence + 1 if is_same else 1
        if row.sequence != expected:
            wrong.append(f"journal: {_at(row.place)}, expected sequence {expected}")
        if not is_same:
            ended.add(before.epoch)
            if row.epoch in ended:
                wrong.append(f"journal: epoch {row.epoch} goes on after a later one")
    return wrong


def check_delivery(journal: Sequence[Row], log: Sequence[Line]) -> list[str]:
    """What was taken is the journal: all of it, in its order; every copy says the same."""
    bodies = {row.place: row.body for row in journal}
    alerts = [line for line in log if line.get("topic") == "alert"]
    taken = [_place(line) for line in alerts if line.get("taken")]
    wrong = [
        f"alert {_at(row.place)} not delivered" for row in journal if row.place not in set(taken)
    ]
    for line in alerts:
        place = _place(line)
        if place not in bodies:
            wrong.append(f"alert {_at(place)} delivered and not in the journal")
        elif line["body"] != bodies[place]:
            wrong.append(f"alert {_at(place)} has another content than in the journal")
    index = {row.place: n for n, row in enumerate(journal)}
    order = [index[place] for place in taken if place in index]
    for before, after in pairwise(order):
        if after == before:
            wrong.append(f"alert {_at(journal[after].place)} taken twice")
        elif after < before:
            wrong.append(f"alert {_at(journal[after].place)} taken after a later one")
    return wrong + _live_order(log) + _resumed_order(log, index)


def _live_order(log: Sequence[Line]) -> list[str]:
    last: dict[tuple[str, str], int] = {}
    wrong = []
    for line in _live(log):
        topic, epoch, sequence = line["topic"], line["epoch"], line["sequence"]
        if sequence <= last.get((topic, epoch), 0):
            wrong.append(f"{topic} {_at((epoch, sequence))} published after a later one")
        last[topic, epoch] = sequence
    return wrong


def _resumed_order(log: Sequence[Line], index: dict[Place, int]) -> list[str]:
    wrong, last = [], -1
    for line in log:
        if line["how"] == "asked":
            last = index.get((line["epoch"], line["after"]), -1)
        elif line["how"] == "resumed" and _place(line) in index:
            here = index[_place(line)]
            if here != last + 1:
                wrong.append(f"alert {_at(_place(line))} resumed out of turn")
            last = here
    return wrong


def check_witness(log: Sequence[Line]) -> list[str]:
    """The witness was never struck, so it has missed nothing once it has heard the epoch."""
    last: dict[tuple[str, str], int] = {}
    wrong = []
    for line in _live(log):
        key, sequence = (line["topic"], line["epoch"]), line["sequence"]
        expected = last[key] + 1 if key in last else 1
        # of a new epoch the first heartbeats come before the connection does
        if sequence != expected and (key in last or line["topic"] != "heartbeat"):
            wrong.append(f"the witness missed {line['topic']} before {_at((key[1], sequence))}")
        last[key] = sequence
    return wrong


def check_answers(log: Sequence[Line], sent: Sequence[Line]) -> list[str]:
    """Every frame of every run has one verdict."""
    answered: dict[str, list[int]] = {}
    for line in _live(log, "verdict"):
        answered.setdefault(line["body"]["run_id"], []).append(line["body"]["frame_id"])
    stops = {line["body"]["run_id"]: line["body"] for line in _live(log, "run.stop")}
    wrong = []
    for run, frames in answered.items():
        wrong += [f"{run}: frame {n} answered twice" for n in _twice(frames)]
        missing = sorted(set(range(max(frames) + 1)) - set(frames))
        if run in stops:
            wrong += [f"{run}: frame {n} not answered" for n in missing]
            if stops[run]["n_frames"] > len(set(frames)):
                wrong.append(f"{run}: {stops[run]['n_frames']} frames, {len(set(frames))} verdicts")
        elif len(missing) > _MOST_IN_HAND or (missing and missing[0] < max(frames) - _MOST_IN_HAND):
            wrong.append(f"{run}: frames {missing} not answered before the gateway was killed")
    return wrong + _sent_answered(log, sent, answered)


def _sent_answered(
    log: Sequence[Line], sent: Sequence[Line], answered: dict[str, list[int]]
) -> list[str]:
    wrong = []
    for start in _live(log, "run.start"):
        body = start["body"]
        later = [
            one for one in sent if one["source"] == body["source"] and one["at_s"] >= start["at_s"]
        ]
        if not later or not later[0]["is_whole"]:
            continue
        n_answered = len(set(answered.get(body["run_id"], ())))
        if n_answered != later[0]["n_frames"]:
            wrong.append(
                f"{body['run_id']}: {later[0]['n_frames']} frames sent, {n_answered} answered"
            )
    return wrong


def check_tables(log: Sequence[Line], tables: dict[str, Table]) -> list[str]:
    """verdicts.csv says what the events said; all of it, where the run's end is written too."""
    said: dict[str, dict[int, tuple[str, str]]] = {}
    for line in _live(log, "verdict"):
        body = line["body"]
        said.setdefault(body["run_id"], {})[body["frame_id"]] = body["outcome"], body["permit"]
    wrong = []
    for run, table in tables.items():
        events, frames = said.get(run, {}), [row[0] for row in table.rows]
        wrong += [f"{run}: verdicts.csv has frame {n} twice" for n in _twice(frames)]
        for frame, outcome, permit in table.rows:
            if events.get(frame) != (outcome, permit):
                wrong.append(f"{run}: verdicts.csv says {outcome} {permit} of frame {frame}")
        if table.is_ended and len(set(frames)) < len(events):
            wrong.append(f"{run}: {len(events)} verdicts, {len(set(frames))} in verdicts.csv")
    return wrong


def _live(log: Iterable[Line], topic: str = "") -> Iterable[Line]:
    return (line for line in log if line["how"] == "live" and (not topic or line["topic"] == topic))


def _twice(values: Iterable[int]) -> list[int]:
    ordered = sorted(values)
    return sorted({one for one, other in pairwise(ordered) if one == other})


def _place(line: Line) -> Place:
    return line["epoch"], line["sequence"]


def _at(place: Place) -> str:
    return f"{place[1]} of {place[0]}"
