"""Alerts that were missed come, once and in order, and whoever waits for them stands still."""

import queue
import threading

import pytest

from messages import Heartbeat, MonitorError
from messages.codec import Envelope
from realtime.outputs.missed_alerts import AGAIN_NS, THREAD, MissedAlerts
from realtime.watched import Watched
from tests.realtime.outputs.page.monitor import alert

S = 1_000_000_000


class Control:
    """A control line that answers when a test says so."""

    def __init__(self):
        self.asked, self._answers = queue.Queue(), queue.Queue()

    def ask(self, request):
        self.asked.put(request)
        answer = self._answers.get(timeout=30)
        if isinstance(answer, Exception):
            raise answer
        return "done", answer

    def answer(self, found):
        self._answers.put(found)


def settled(missed, now_ns):
    """What has come once the thread of the answer has ended."""
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(30)
    return missed.look(now_ns)


@pytest.fixture
def watched():
    it = Watched()
    it.hear(Envelope(1, "epoch", 1, b"", 0.0), Heartbeat(2, "HELD", ""), now_ns=0)
    return it


@pytest.fixture
def control():
    return Control()


def test_nobody_waits_for_the_answer_which_is_taken_once(watched, control):
    missed = MissedAlerts(watched, control.ask)
    assert missed.look(0) == []
    assert control.asked.get(timeout=30) == {"type": "resume", "epoch": "epoch", "after": 0}
    assert missed.look(AGAIN_NS // 4) == []  # still on its way, and asked for once
    assert control.asked.empty()
    control.answer([alert(0), alert(1)])
    assert [one.alert_id for one in settled(missed, 1)] == [0, 1]
    assert set(watched.alerts) == {0, 1}
    assert missed.look(1) == []
    assert not watched.misses_alerts


def test_what_was_heard_meanwhile_is_not_counted_twice(watched, control):
    missed = MissedAlerts(watched, control.ask)
    missed.look(0)
    watched.hear(Envelope(1, "epoch", 1, b"", 0.0), alert(0), now_ns=0)
    control.answer([alert(0), alert(1)])
    assert settled(missed, 1) == []
    assert watched.last_alert == 1


def test_why_no_answer_came_is_told_and_it_is_asked_again_in_a_second(watched, control):
    missed = MissedAlerts(watched, control.ask)
    missed.look(0)
    control.answer(MonitorError("no monitor answers there"))
    assert settled(missed, S // 2) == []
    assert missed.problem == "no monitor answers there"
    control.asked.get(timeout=30)
    again = Envelope(1, "epoch", 2, b"", AGAIN_NS / 1e6)
    watched.hear(again, Heartbeat(2, "HELD", ""), now_ns=AGAIN_NS)
    missed.look(AGAIN_NS)
    control.answer([alert(0), alert(1)])
    assert len(settled(missed, AGAIN_NS)) == 2
    assert missed.problem == ""


def test_a_silent_monitor_is_not_asked(watched, control):
    MissedAlerts(watched, control.ask).look(S)
    assert control.asked.empty()
