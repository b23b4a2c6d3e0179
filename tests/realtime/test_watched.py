"""A watcher shows HELD whenever it cannot know better."""

from messages import Alert, FrameKey, Heartbeat, Permit, RunStart, RunStop, Verdict
from messages.codec import decode, encode
from realtime.watched import Watched

MS = 1_000_000


class Told:
    """A watcher and the events that it is told, numbered as a monitor would."""

    def __init__(self):
        self.watched = Watched()
        self.counts = {}

    def tell(self, noun, *, at_ms, epoch="one", is_lost=False, late_ms=None):
        """`late_ms`: how long the event lay on its way; None where the monitor tells no time."""
        topic = type(noun).__name__
        self.counts[topic] = self.counts.get(topic, 0) + 1
        said_ms = None if late_ms is None else 5000.0 + at_ms - late_ms
        parts = encode(noun, epoch=epoch, sequence=self.counts[topic], at_ms=said_ms)
        if not is_lost:
            self.watched.hear(*decode(parts), now_ns=at_ms * MS)

    def permit(self, at_ms):
        return self.watched.permit(at_ms * MS)


def alert(number, state="raised"):
    return Alert(number, "drift.warn", "medium", False, state, f"alert {number}")


def test_held_before_anything_was_heard():
    assert Told().permit(0)[0] == "HELD"


def test_a_lease_lapses_by_the_watchers_own_clock():
    told = Told()
    told.tell(Permit("GRANTED", 300.0, "", 4), at_ms=1000)
    assert told.permit(1299)[0] == "GRANTED"
    assert told.permit(1300) == ("HELD", "the lease lapsed 0.0 s ago")


def test_a_silent_monitor_means_held_though_the_lease_still_runs():
    told = Told()
    told.tell(Permit("GRANTED", 10_000.0, "", 4), at_ms=1000)
    told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=1100)
    assert told.permit(1600)[0] == "GRANTED"
    state, reason = told.permit(1601)
    assert state == "HELD"
    assert "silent" in reason


def test_a_watcher_that_is_late_says_so_and_shows_held():
    told = Told()
    told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=0, late_ms=2)
    told.tell(Permit("GRANTED", 60_000.0, "", 4), at_ms=1, late_ms=2)
    assert told.permit(1)[0] == "GRANTED"
    told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=9000, late_ms=3002)
    assert told.permit(9000) == ("HELD", "this watcher is 3.0 s behind the monitor")
    told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=9100, late_ms=2)
    assert told.permit(9100)[0] == "GRANTED"


def test_a_lease_that_lay_in_a_queue_has_run_all_the_while():
    told = Told()
    told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=0, late_ms=0)
    told.tell(Permit("GRANTED", 800.0, "", 4), at_ms=100, late_ms=400)
    assert told.permit(499)[0] == "GRANTED"
    assert told.permit(500) == ("HELD", "the lease lapsed 0.0 s ago")


def test_a_heartbeat_that_says_held_takes_a_permit_back_whose_end_was_lost():
    told = Told()
    told.tell(Permit("GRANTED", 60_000.0, "", 4), at_ms=0)
    told.tell(Heartbeat(0, "HELD", "run"), at_ms=50)
    assert told.permit(51) == ("HELD", "the monitor says HELD")


def test_a_heartbeat_that_says_granted_grants_nothing():
    told = Told()
    told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=0)
    assert told.permit(1)[0] == "HELD"


def test_the_end_of_a_run_and_a_new_life_of_the_monitor_hold():
    told = Told()
    told.tell(Permit("GRANTED", 10_000.0, "", 4), at_ms=0)
    told.tell(RunStop("r", "completed", "", "", 1, 0, 0, 0, 1, 0), at_ms=1)
    assert told.permit(2)[0] == "HELD"
    told.tell(Permit("GRANTED", 10_000.0, "", 4), at_ms=3)
    told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=4, epoch="two")
    assert told.permit(5)[0] == "HELD"


def test_missed_alerts_are_noticed_and_taken_in_order():
    told = Told()
    told.tell(alert(0), at_ms=0)
    told.tell(alert(1), at_ms=1, is_lost=True)
    told.tell(alert(2), at_ms=2)
    told.tell(Heartbeat(3, "HELD", "run"), at_ms=3)
    watched = told.watched
    assert watched.misses_alerts
    watched.caught_up([alert(1), alert(2)])
    assert not watched.misses_alerts
    assert sorted(watched.alerts) == [0, 1, 2]


def test_an_alert_that_is_over_is_not_shown():
    told = Told()
    told.tell(alert(0), at_ms=0)
    told.tell(alert(0, "withdrawn"), at_ms=1)
    assert not told.watched.alerts


def test_the_last_verdict_is_kept_until_the_next_run():
    told = Told()
    told.tell(Verdict(7, FrameKey(), "COMPUTED", "GRANTED"), at_ms=0)
    assert told.watched.verdict.frame_id == 7
    start = RunStart(
        "r", "p", "h", "mrgfus", "d", "s", "u", "m", {}, (1, 2, 2), (1, 1, 1), 1, 2, {}
    )
    told.tell(start, at_ms=1)
    assert told.watched.verdict is None


def test_two_monitors_that_take_turns_are_held_and_named():
    told = Told()
    told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=0)
    told.tell(Permit("GRANTED", 60_000.0, "", 4), at_ms=1)
    told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=100, epoch="two")
    told.tell(Permit("GRANTED", 60_000.0, "", 4), at_ms=101, epoch="two")
    assert told.permit(102)[0] == "GRANTED"  # a monitor that was started anew
    told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=150, epoch="one")
    state, reason = told.permit(151)
    assert state == "HELD"
    assert "two monitors" in reason
    for at_ms in range(200, 5300, 100):
        told.tell(Heartbeat(0, "GRANTED", "run"), at_ms=at_ms, epoch="two")
    assert told.permit(5149)[0] == "HELD"
    assert told.permit(5151)[0] == "GRANTED"  # the other has been silent for five seconds


def test_a_sequence_that_goes_back_is_another_monitor_s():
    told = Told()
    told.tell(Permit("GRANTED", 60_000.0, "", 4), at_ms=0)
    told.tell(Permit("GRANTED", 60_000.0, "", 5), at_ms=1)
    assert told.permit(2)[0] == "GRANTED"
    told.counts["Permit"] = 0
    told.tell(Permit("GRANTED", 60_000.0, "", 6), at_ms=3)
    state, reason = told.permit(4)
    assert state == "HELD"
    assert "sequence went back" in reason
