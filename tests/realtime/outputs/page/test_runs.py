"""Of several runs, one after the other or at once, the page shows the one that has the permit."""

import json
from dataclasses import replace

import pytest

from messages import FrameKey, Heartbeat, RunStart, RunStop, Verdict
from messages.codec import Envelope
from realtime.outputs.page.news import News
from realtime.outputs.page.wire import Hello
from tests.realtime.outputs.page.monitor import Browser, Monitor, maps, page_for

A = RunStart(
    "A", "lung", "0123", "mrlinac", "", "tcp:", "2026-11-22T01:00:00+00:00", "", {},
    (1, 8, 8), (1.0, 1.0, 1.0), 125.0, 1000.0, {},
)  # fmt: skip
B = replace(A, run_id="B", protocol_name="liver")


def verdict(frame_id, run_id):
    return Verdict(frame_id, FrameKey(frame_id), "COMPUTED", "HELD", 0.0, run_id=run_id)


class Told:
    """A page's news, told events one by one, and one browser's outbox."""

    def __init__(self):
        self.news = News()
        self.hear(Heartbeat(0, "HELD", "A"))
        self.outbox = self.news.join(Hello(), now_ns=0)
        self.taken()

    def hear(self, noun, *, epoch="one"):
        self.n_heard = getattr(self, "n_heard", 0) + 1
        envelope = Envelope(1, epoch, self.n_heard, b"", None)
        self.news.hear(envelope, noun, now_ns=0)

    def taken(self):
        def beat(number, echo_ms):
            return self.news.make_beat(number, echo_ms, now_ns=0)

        got = []
        while (message := self.outbox.next(beat)) is not None:
            got.append(json.loads(message))
        return got


def plans(messages):
    return [one["plan"]["run_id"] for one in messages if one["type"] == "plan"]


def test_the_plan_of_a_run_that_begins_before_the_last_one_is_over_is_told_when_it_treats():
    told = Told()
    told.hear(A)
    assert plans(told.taken()) == ["A"]
    told.hear(B)  # beside A, or before the heartbeat that says that A is over
    assert plans(told.taken()) == []
    told.hear(RunStop("A", "completed", "", "", 1, 0, 0, 0, 0, 0))
    told.hear(Heartbeat(0, "HELD", "B"))
    assert plans(told.taken()) == ["B"]
    assert json.loads(told.news.make_beat(1, None, now_ns=0))["protocol_name"] == "liver"


def test_a_frame_of_the_run_before_does_not_come_after_the_plan_of_the_next():
    told = Told()
    told.hear(A)
    told.taken()
    told.hear(verdict(500, "A"))
    told.hear(B)
    told.hear(Heartbeat(0, "HELD", "B"))
    told.hear(verdict(0, "B"))
    got = [one for one in told.taken() if one["type"] in ("plan", "frame")]
    assert [one["type"] for one in got] == ["plan", "frame"]
    assert got[1]["frame"]["frame_id"] == 0


def test_a_newcomer_is_not_told_the_plan_of_another_run_than_the_frames():
    told = Told()
    told.hear(A)
    told.hear(Heartbeat(0, "HELD", "B"))
    told.hear(verdict(0, "B"))  # its beginning was not heard
    told.outbox = told.news.join(Hello(), now_ns=0)
    welcome, *_ = told.taken()
    assert (welcome["type"], welcome["plan"]) == ("welcome", None)


@pytest.mark.slow
def test_pictures_of_a_run_that_has_no_permit_are_not_shown():
    monitor = Monitor()
    monitor.run_id = "A"
    with page_for(monitor) as page:
        browser = Browser(page.where)
        browser.wait("beat", run_id="A")
        monitor.say(replace(maps(7), run_id="B"))
        monitor.say(replace(maps(8), run_id="A"))
        assert browser.wait("picture")["frame_id"] == 8
        monitor.run_id = "B"
        browser.wait("beat", run_id="B")
        monitor.say(replace(maps(9), run_id="B"))
        assert browser.wait("picture")["run_id"] == "B"
        browser.close()
    monitor.close()
