"""Faults 15, 17, 18 and 23 of the reference: disk, clock, and those who take what we write."""

import os
import sqlite3
import threading
from datetime import datetime, timedelta

import pytest

from realtime import clock
from realtime.alerts.journal import Journal
from realtime.streams import recorder
from tests.faults.treatments import granted, raised, verdict_of
from tests.harness import Running, Scan, close_message, frozen, running, small_protocol

SCAN = Scan()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with running(tmp_path_factory.mktemp("disk")) as it:
        yield it


def refused_connection(gateway: Running) -> None:
    """An alert that wants to be journalled."""
    stranger = gateway.connect()
    stranger.send(b"\xff\xff")
    stranger.read_to_end()
    stranger.hang_up()


def test_15_a_full_disk_is_told_and_monitoring_goes_on(tmp_path, monkeypatch):
    """Journal and recording both get ENOSPC; every frame is still computed, every hold held."""

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with running(tmp_path) as gateway:
        client = granted(gateway)
        monkeypatch.setattr(Journal, "append_all", full)
        monkeypatch.setattr(recorder, "_write", _no_space)
        mark = gateway.mark()
        refused_connection(gateway)
        client.send_frame(SCAN, 3)
        told = gateway.events.wait(raised("journal.warn"), after=mark)
        assert told.priority == "medium"
        assert told.latched
        client.send_frame(SCAN, 4)
        assert verdict_of(gateway, 4, mark).permit == "GRANTED"
        gateway.events.wait(raised("client-refused.inform"), after=mark)  # published all the same
        client.send(b"\xff\xff")
        gateway.events.wait(lambda t, n: t == "permit" and n.state == "HELD", after=mark)
        gateway.events.wait(raised("stream-lost.hold"), after=mark)
        client.read_to_end()
        client.hang_up()


def _no_space(fd: int, chunk: bytes) -> None:
    raise OSError(28, "No space left on device")


def test_17_an_fsync_that_stalls_delays_neither_verdict_nor_hold(gateway: Running, monkeypatch):
    """As long as the disk does not answer, permits, verdicts and alerts come all the same."""
    answers, asked = threading.Event(), threading.Event()
    append = Journal.append_all

    def stalled(self, rows):
        asked.set()
        assert answers.wait(40)
        append(self, rows)

    def stalled_sync(fd: int) -> None:
        assert answers.wait(40)

    client = granted(gateway)
    monkeypatch.setattr(Journal, "append_all", stalled)
    monkeypatch.setattr(os, "fsync", stalled_sync)
    try:
        mark = gateway.mark()
        refused_connection(gateway)
        gateway.events.wait(raised("client-refused.inform"), after=mark)
        assert asked.is_set()
        client.send_frame(SCAN, 3)
        assert verdict_of(gateway, 3, mark).permit == "GRANTED"
        client.send(*SCAN.frame(4)[:9], b"\xff\xff")
        gateway.events.wait(lambda t, n: t == "permit" and n.state == "HELD", after=mark)
        gateway.events.wait(raised("stream-lost.hold"), after=mark)
        gateway.events.topic("run.stop", after=mark)
    finally:
        answers.set()
    client.read_to_end()
    client.hang_up()


@pytest.mark.parametrize("step_s", [-86_400.0, 86_400.0], ids=["a day back", "a day ahead"])
def test_18_a_step_of_the_wall_clock_moves_nothing(gateway: Running, monkeypatch, step_s):
    """Lease, deadlines and ages are of the monotonic clock; the wall clock dates records alone."""
    wall = clock.utc_now
    client = granted(gateway)
    mark = gateway.mark()
    for module in ("realtime.gateway", "realtime.outputs.publisher", "realtime.run_opening"):
        monkeypatch.setattr(f"{module}.utc_now", lambda: wall() + timedelta(seconds=step_s))
    for n in (3, 4):
        client.send_frame(SCAN, n)
        verdict = verdict_of(gateway, n, mark)
        assert (verdict.outcome, verdict.permit) == ("COMPUTED", "GRANTED")
        assert 0 <= verdict.age_ms < 4000
    client.send(close_message())
    client.read_to_end()
    client.hang_up()
    stop = gateway.events.topic("run.stop", after=mark)
    assert stop.n_late == 0
    stepped_s = (datetime.fromisoformat(stop.ended_utc) - wall()).total_seconds()
    assert abs(stepped_s - step_s) < 3600  # it was this clock that stepped
    assert not [one for one in gateway.since(mark, "alert") if one.state == "raised"]


def test_18_a_scanner_clock_that_steps_is_held_and_told(gateway: Running):
    client = granted(gateway)
    mark = gateway.mark()
    client.send(*_stamped(3, -900_000))
    verdict = verdict_of(gateway, 3, mark)
    assert verdict.permit == "HELD"
    assert "scanner-clock" in [one.rule for one in verdict.findings]
    client.hang_up()


def _stamped(frame: int, ticks: int) -> list[bytes]:
    from simulators.mrd import acquisition_message

    kspace, messages = SCAN.kspace(frame), []
    for line in SCAN.lines:
        head = SCAN.head(frame, line)
        head["acquisition_time_stamp"] = int(head["acquisition_time_stamp"]) + ticks
        messages.append(acquisition_message(head, kspace[line]))
    return messages


@pytest.mark.slow
def test_23_outputs_that_are_down_cost_no_verdict_and_their_queue_is_bounded(tmp_path, monkeypatch):
    """The run folder's process stands still: what waits for it is bounded, what is lost is told."""
    from realtime.outputs import backlog, publisher

    monkeypatch.setattr(backlog, "MOST_PICTURES", 3)
    monkeypatch.setattr(publisher, "_SCRIBE_HIGH_WATER", 1)
    scan = Scan(n_pixels=128, n_coils=1, lines=tuple(range(128)))
    with running(tmp_path, small_protocol()) as gateway, frozen(gateway.gateway._scribe.pid):
        mark = gateway.mark()
        client = gateway.connect()
        client.send(scan.opening())
        frame = 0
        waiting = gateway.gateway.publisher._unwritten
        while not waiting.n_lost and frame < 60:
            client.send_frame(scan, frame)
            frame += 1
        client.send_frame(scan, frame)
        assert waiting.n_pictures == 3
        assert verdict_of(gateway, frame, mark).outcome == "COMPUTED"
        told = gateway.events.wait(raised("journal.warn"), after=mark)
        assert "too slow" in told.text
        client.hang_up()
