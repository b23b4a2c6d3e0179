"""The checker by itself, on logs that are broken by hand: it must see each break."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.soak.checker import Records, Row, Table, check

Line = dict[str, Any]
RUN = "one-001"
_SUBSCRIBER = "struck"
_WITNESS = "witness"


def alert(n: int, state: str = "raised", *, latched: bool = False) -> Line:
    return {"alert_id": n, "event": "late-frame.hold", "state": state, "latched": latched,
            "run_id": RUN}  # fmt: skip


def line(topic: str, sequence: int, body: Line, *, at_s: float, epoch: str = "one", **more) -> Line:
    return {"at_s": at_s, "how": "live", "topic": topic, "epoch": epoch, "sequence": sequence,
            "body": body, **more}  # fmt: skip


def permit(sequence: int, state: str, frame: int, *, at_s: float) -> Line:
    lease_ms = 900.0 if state == "GRANTED" else 0.0
    body = {"state": state, "lease_ms": lease_ms, "frame_id": frame, "run_id": RUN}
    return line("permit", sequence, body, at_s=at_s)


def verdict(frame: int, permit_state: str, *, at_s: float, outcome: str = "COMPUTED") -> Line:
    is_granted = outcome == "COMPUTED" and permit_state == "GRANTED"
    findings = [] if is_granted else [{"rule": "late-frame", "severity": "hold"}]
    body = {"frame_id": frame, "outcome": outcome, "decision": "GRANTED" if is_granted else "HELD",
            "permit": permit_state, "run_id": RUN, "findings": findings}  # fmt: skip
    return line("verdict", frame + 1, body, at_s=at_s)


def beat(sequence: int, state: str, *, at_s: float) -> Line:
    return line("heartbeat", sequence, {"last_alert": 0, "permit_state": state}, at_s=at_s)


def events() -> list[Line]:
    """Three frames: granted, late, granted; then the run ends."""
    start = {"run_id": RUN, "source": "tcp:1"}
    stop = {"run_id": RUN, "n_frames": 3}
    return [
        line("run.start", 1, start, at_s=0.0),
        permit(1, "GRANTED", 0, at_s=1.0),
        verdict(0, "GRANTED", at_s=1.01),
        beat(1, "GRANTED", at_s=1.02),
        permit(2, "HELD", 1, at_s=1.1),
        verdict(1, "HELD", at_s=1.11, outcome="LATE"),
        permit(3, "GRANTED", 2, at_s=1.2),
        verdict(2, "GRANTED", at_s=1.21),
        permit(4, "HELD", 2, at_s=1.3),
        beat(2, "HELD", at_s=1.31),
        line("run.stop", 1, stop, at_s=1.4),
    ]


def delivered() -> list[Line]:
    """Three alerts live, one missed and asked for, then one of the next epoch."""
    return [
        line("alert", 1, alert(0), at_s=1.12, taken=True),
        line("alert", 2, alert(0, "cleared"), at_s=1.22, taken=True),
        line("alert", 4, alert(1, "cleared"), at_s=1.32, taken=False),
        {"at_s": 1.4, "how": "asked", "epoch": "one", "after": 2},
        {**line("alert", 3, alert(1), at_s=1.41, taken=True), "how": "resumed"},
        {**line("alert", 4, alert(1, "cleared"), at_s=1.42, taken=True), "how": "resumed"},
        {**line("alert", 1, alert(0), at_s=1.43, epoch="two", taken=True), "how": "resumed"},
    ]


def journal() -> list[Row]:
    said = [alert(0), alert(0, "cleared"), alert(1), alert(1, "cleared")]
    return [Row("one", n, body) for n, body in enumerate(said, 1)] + [Row("two", 1, alert(0))]


def witnessed() -> list[Line]:
    """The same alerts as the journal, none of them missed, beside the events."""
    live = [
        line("alert", row.sequence, row.body, at_s=2.0, epoch=row.epoch, taken=True)
        for row in journal()
    ]
    return [*events(), *live]


def records(**changed: object) -> Records:
    logs = {_SUBSCRIBER: delivered(), _WITNESS: witnessed()}
    rows = ((0, "COMPUTED", "GRANTED"), (1, "LATE", "HELD"), (2, "COMPUTED", "GRANTED"))
    sent = [{"at_s": 1.4, "how": "sent", "source": "tcp:1", "n_frames": 3, "is_whole": True}]
    whole = Records(journal(), logs, _WITNESS, {RUN: Table(rows, is_ended=True)}, sent, (), 1000.0)
    return replace(whole, **changed)


def with_log(name: str, change: Callable[[list[Line]], object]) -> Records:
    logs = dict(records().logs)
    change(logs[name])
    return records(logs=logs)


def index_of(log: list[Line], topic: str, sequence: int) -> int:
    return next(
        n for n, one in enumerate(log)
        if one.get("topic") == topic and one["sequence"] == sequence
    )  # fmt: skip


def without(topic: str, sequence: int) -> Callable[[list[Line]], object]:
    return lambda log: log.pop(index_of(log, topic, sequence))


def changed(topic: str, sequence: int, **body: object) -> Callable[[list[Line]], object]:
    def change(log: list[Line]) -> None:
        n = index_of(log, topic, sequence)
        log[n] = {**log[n], "body": {**log[n]["body"], **body}}

    return change


def swapped(first: int, second: int) -> Callable[[list[Line]], object]:
    def swap(log: list[Line]) -> None:
        log[first], log[second] = log[second], log[first]

    return swap


def test_a_whole_soak_is_right():
    assert check(records()) == []


ALERTS = {
    "an alert is missing": (without("alert", 2), "2 of one not delivered"),
    "the last alert is missing": (lambda log: log.pop(), "1 of two not delivered"),
    "the order is swapped": (swapped(0, 1), "1 of one taken after a later one"),
    "the order of a resume is swapped": (swapped(4, 5), "4 of one resumed out of turn"),
    "a copy has another content": (changed("alert", 4, text="?"), "4 of one has another content"),
    "an alert is taken twice": (lambda log: log.insert(1, log[0]), "1 of one taken twice"),
    "an epoch comes too soon": (lambda log: log.insert(0, log.pop()), "taken after a later one"),
    "an alert was never journalled": (
        lambda log: log.append(line("alert", 5, alert(9), at_s=9.0, taken=True)),
        "5 of one delivered and not in the journal",
    ),
}


@pytest.mark.parametrize("name", ALERTS)
def test_a_broken_delivery_is_seen(name: str):
    change, expected = ALERTS[name]
    wrong = check(with_log(_SUBSCRIBER, change))
    assert any(expected in text for text in wrong), wrong


EVENTS = {
    "a frame is answered twice": (
        lambda log: log.append({**verdict(1, "HELD", at_s=1.35, outcome="LATE"), "sequence": 4}),
        "frame 1 answered twice",
    ),
    "a frame is not answered": (without("verdict", 2), "frame 1 not answered"),
    "the last frame is not answered": (without("verdict", 3), "3 frames, 2 verdicts"),
    "the witness missed an event": (without("permit", 2), "missed permit before 3"),
    "granted by an old frame": (changed("permit", 3, frame_id=1), "though frame 1 came before"),
    "granted without a verdict": (without("verdict", 3), "GRANTED without the verdict"),
    "granted by a late frame": (
        changed("verdict", 3, outcome="LATE", decision="HELD"),
        "granted, but its verdict does not",
    ),
    "granted beside a hold": (
        changed("verdict", 3, findings=[{"rule": "fat", "severity": "hold"}]),
        "granted, but its verdict does not",
    ),
    "a verdict says more than the permit": (
        changed("verdict", 2, permit="GRANTED"), "says GRANTED and no permit does",
    ),
    "a heartbeat says more than the permit": (
        changed("heartbeat", 2, permit_state="GRANTED"), "a heartbeat says GRANTED, the permit HELD"
    ),
    "a lease that is too long": (changed("permit", 3, lease_ms=5000.0), "a lease of 5000.0 ms"),
    "a heartbeat after the lease": (
        lambda log: log.insert(4, beat(2, "GRANTED", at_s=3.0)), "s after the lease",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EVENTS)
def test_a_broken_permit_or_verdict_is_seen(name: str):
    change, expected = EVENTS[name]
    wrong = check(with_log(_WITNESS, change))
    assert any(expected in text for text in wrong), wrong


def test_granted_beside_a_latched_hold_is_right_once_it_is_acknowledged():
    hold = line("alert", 1, alert(0, latched=True), at_s=1.12, taken=True)

    def latch(log: list[Line]) -> None:
        log[index_of(log, "alert", 1)]["body"]["latched"] = True
        log.insert(6, log.pop(index_of(log, "alert", 1)))
        log[6]["at_s"] = hold["at_s"]

    broken = with_log(_WITNESS, latch)
    assert any("nobody acknowledged the alerts [0]" in text for text in check(broken))
    seen = {"at_s": 1.15, "how": "acknowledged", "epoch": "one", "alert_id": 0}
    mended = replace(broken, acknowledged=[seen])
    assert not any("acknowledged" in text for text in check(mended))


def test_granted_after_a_restart_that_nobody_has_seen_is_seen():
    told = {**alert(0, latched=True), "event": "monitor-restarted.hold", "run_id": ""}
    wrong = check(with_log(_WITNESS, lambda log: log.insert(1, line("alert", 1, told, at_s=0.5))))
    assert any("nobody acknowledged the alerts [0]" in text for text in wrong), wrong


TABLES = {
    "a row twice": (((0, "COMPUTED", "GRANTED"),) * 2, "verdicts.csv has frame 0 twice"),
    "another outcome": (((1, "COMPUTED", "HELD"),), "says COMPUTED HELD of frame 1"),
    "a row too few": (((0, "COMPUTED", "GRANTED"),), "3 verdicts, 1 in verdicts.csv"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_broken_table_is_seen(name: str):
    rows, expected = TABLES[name]
    wrong = check(records(tables={RUN: Table(rows, is_ended=True)}))
    assert any(expected in text for text in wrong), wrong


def test_a_frame_that_was_sent_and_never_answered_is_seen():
    sent = [{**records().sent[0], "n_frames": 4}]
    assert any("4 frames sent, 3 answered" in text for text in check(records(sent=sent)))


@pytest.mark.parametrize("gone", [0, 1, 4])
def test_a_gap_in_the_journal_is_seen(gone: int):
    rows = journal()
    del rows[gone]
    assert check(records(journal=rows))


def test_a_journal_out_of_order_is_seen():
    rows = journal()
    rows[0], rows[1] = rows[1], rows[0]
    assert any("journal: 2 of one, expected" in text for text in check(records(journal=rows)))
