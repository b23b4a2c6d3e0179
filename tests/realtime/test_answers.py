"""Exactly one answer for each opened frame, whatever order things happen in."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import Alert, Finding, FrameKey, Permit, Verdict
from messages.codec import Noun, to_json
from realtime.answers import AlertIds, Answers
from realtime.protocol import parse_protocol
from tests.harness import small_protocol

DEADLINE_MS, LEASE_MS = 100.0, 1000.0
MS = 1_000_000
PROTOCOL = small_protocol(deadline_ms=DEADLINE_MS, lease_ms=LEASE_MS)


@dataclass
class Sink:
    """Keeps what was published, with the time on the test's clock."""

    told: list[Noun] = field(default_factory=list)

    def publish(self, noun: Noun) -> None:
        self.told.append(noun)

    def of(self, kind):
        return [one for one in self.told if isinstance(one, kind)]


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def answers(sink: Sink) -> Answers:
    return Answers(PROTOCOL, sink)


def good(frame_id: int, *findings: Finding, key: FrameKey | None = None) -> bytes:
    decision = "HELD" if any(one.severity == "hold" for one in findings) else "GRANTED"
    key = key or FrameKey(repetition=frame_id)
    return to_json(Verdict(frame_id, key, "COMPUTED", decision, 0.1 * frame_id, findings))


def opened(answers: Answers, frame_id: int, at_ms: float, **changed: object) -> None:
    at_ns = round(at_ms * MS)
    arguments = {"received_ns": at_ns, "is_complete": True, **changed}
    answers.open(frame_id, FrameKey(repetition=frame_id), **arguments)


def permit(sink: Sink) -> Permit:
    return sink.of(Permit)[-1]


HOT = Finding("temperature-max", "hold", "hottest pixel of focus at 61 °C", "focus", 61.0, 60.0)


def test_permit_goes_out_before_the_verdict_and_the_verdict_before_alerts(answers, sink):
    opened(answers, 0, 0)
    answers.computed(good(0, HOT), now_ns=5 * MS)
    assert [type(one) for one in sink.told] == [Permit, Verdict, Alert]
    assert sink.told[0].state == "HELD"
    assert "61" in sink.told[0].reason


def test_a_good_frame_is_granted_with_what_is_left_of_the_lease(answers, sink):
    opened(answers, 0, 0)
    answers.computed(good(0), now_ns=40 * MS)
    assert permit(sink) == Permit("GRANTED", LEASE_MS - 40.0, "", 0)
    assert sink.of(Verdict)[0].age_ms == pytest.approx(40.0)


def test_late_holds_at_the_deadline_and_not_before(answers, sink):
    opened(answers, 0, 0)
    answers.computed(good(0), now_ns=1)
    opened(answers, 1, 100)
    answers.tick(200 * MS - 1)
    assert len(sink.of(Verdict)) == 1
    assert permit(sink).state == "GRANTED"
    answers.tick(200 * MS)
    assert sink.of(Verdict)[-1].outcome == "LATE"
    assert permit(sink).state == "HELD"


def test_a_result_after_its_deadline_is_thrown_away(answers, sink):
    opened(answers, 0, 0)
    answers.tick(100 * MS)
    n_told = len(sink.told)
    answers.computed(good(0), now_ns=101 * MS)
    assert len(sink.told) == n_told
    assert answers.permit_state == "HELD"


def test_heat_that_only_a_late_result_shows_holds_until_acknowledged(answers, sink):
    opened(answers, 0, 0)
    answers.tick(100 * MS)
    answers.computed(good(0, HOT), now_ns=101 * MS)
    assert len(sink.of(Verdict)) == 1  # the frame has had its answer
    raised = [one for one in sink.of(Alert) if one.event == "temperature-max.hold"]
    assert [one.state for one in raised] == ["raised"]
    for n in (1, 2, 3):  # the next frames no longer show it
        opened(answers, n, 100.0 * n + 50)
        answers.computed(good(n), now_ns=(100 * n + 60) * MS)
        assert permit(sink).state == "HELD"
    assert answers.acknowledge(raised[0].alert_id, "physicist")
    opened(answers, 4, 500)
    answers.computed(good(4), now_ns=510 * MS)
    assert permit(sink).state == "GRANTED"


def test_a_late_result_shows_no_earlier_hazard_gone(answers, sink):
    opened(answers, 0, 0)
    answers.computed(good(0, HOT), now_ns=5 * MS)
    voids = Finding("signal-void", "hold", "dark pixels in focus", "focus", 0.1, 0.05)
    for n in (1, 2, 3):
        opened(answers, n, 100.0 * n)
        answers.tick((100 * n + 100) * MS)
        answers.computed(good(n, voids), now_ns=(100 * n + 101) * MS)
    states = [one.state for one in sink.of(Alert) if one.event == "temperature-max.hold"]
    assert states == ["raised"]


def test_a_fault_after_the_deadline_is_no_second_answer(answers, sink):
    opened(answers, 0, 0)
    answers.tick(100 * MS)
    answers.fault(0, "worker process is gone", now_ns=101 * MS)
    assert [one.outcome for one in sink.of(Verdict)] == ["LATE"]


def test_a_fault_after_the_verdict_is_no_second_answer(answers, sink):
    opened(answers, 0, 0)
    answers.computed(good(0), now_ns=1)
    answers.fault(0, "the checkpoint failed", now_ns=2)
    assert len(sink.of(Verdict)) == 1


def test_a_fault_before_the_last_readout_is_the_frame_s_only_answer(answers, sink):
    answers.fault(0, "worker process is gone", now_ns=0)
    opened(answers, 0, 10)
    answers.tick(1000 * MS)
    answers.computed(good(0), now_ns=1001 * MS)
    assert [one.outcome for one in sink.of(Verdict)] == ["FAULT"]
    assert answers.is_idle
    assert answers.counts.n_frames == 1


@pytest.mark.parametrize("outcome", ["late", "fault", "incomplete"])
def test_what_is_not_a_good_verdict_holds_at_once(answers, sink, outcome):
    opened(answers, 0, 0)
    answers.computed(good(0), now_ns=1)
    assert permit(sink).state == "GRANTED"
    opened(answers, 1, 10)
    now_ns = 11 * MS
    if outcome == "late":
        answers.late(1, "a newer frame overtook it", now_ns=now_ns)
    elif outcome == "fault":
        answers.fault(1, "ValueError: no", now_ns=now_ns)
    else:
        finding = Finding("incomplete-frame", "hold", "lines of the frame are missing")
        answers.computed(good(1, finding), now_ns=now_ns)
    assert permit(sink).state == "HELD"
    assert permit(sink).frame_id == 1


def test_a_lease_lapses_by_itself(answers, sink):
    opened(answers, 0, 0)
    answers.computed(good(0), now_ns=1)
    assert answers.next_ns() == round(LEASE_MS * MS)
    answers.tick(round(LEASE_MS * MS) - 1)
    assert permit(sink).state == "GRANTED"
    answers.tick(round(LEASE_MS * MS))
    assert permit(sink).state == "HELD"
    n_told = len(sink.told)
    answers.tick(round(LEASE_MS * MS) + 1)
    assert len(sink.told) == n_told


def test_a_latched_hold_survives_good_frames_until_acknowledged(answers, sink):
    opened(answers, 0, 0)
    answers.computed(good(0, HOT), now_ns=0)
    raised = sink.of(Alert)[0]
    for frame in range(1, 6):
        opened(answers, frame, 10.0 * frame)
        answers.computed(good(frame), now_ns=10 * frame * MS)
        assert permit(sink).state == "HELD"
        assert sink.of(Verdict)[-1].decision == "GRANTED"
        assert sink.of(Verdict)[-1].permit == "HELD"
    assert answers.acknowledge(raised.alert_id, "physicist")
    assert permit(sink).state == "HELD"  # a new verdict grants, not the click
    opened(answers, 6, 60)
    answers.computed(good(6), now_ns=60 * MS)
    assert permit(sink).state == "GRANTED"


def test_an_acknowledged_condition_that_is_still_there_still_holds(answers, sink):
    for frame in range(4):
        opened(answers, frame, 10.0 * frame)
        answers.computed(good(frame, HOT), now_ns=10 * frame * MS)
        if frame == 1:
            answers.acknowledge(0, "physicist")
    assert permit(sink).state == "HELD"


def test_a_lost_worker_holds_until_it_is_back_and_acknowledged(answers, sink):
    opened(answers, 0, 0)
    answers.computed(good(0), now_ns=1)
    answers.worker_lost("worker process 7 is gone")
    assert permit(sink).state == "HELD"
    (alert,) = sink.of(Alert)
    assert (alert.event, alert.latched, alert.priority) == ("fault.hold", True, "high")
    answers.worker_back()
    opened(answers, 1, 10)
    answers.computed(good(1), now_ns=10 * MS)
    assert permit(sink).state == "HELD"
    answers.acknowledge(alert.alert_id, "operator")
    opened(answers, 2, 20)
    answers.computed(good(2), now_ns=20 * MS)
    assert permit(sink).state == "GRANTED"


def test_an_acknowledgement_before_the_worker_is_back_frees_nothing_early(answers, sink):
    opened(answers, 0, 0)
    answers.worker_lost("worker process 7 is gone")
    answers.acknowledge(0, "operator")
    answers.computed(good(0), now_ns=1)
    assert permit(sink).state == "HELD"


def test_the_end_answers_what_is_open_and_holds_for_good(answers, sink):
    for frame in range(3):
        opened(answers, frame, 0)
    answers.computed(good(1), now_ns=1)
    answers.end("the client closed the session", now_ns=2)
    assert sorted(one.frame_id for one in sink.of(Verdict)) == [0, 1, 2]
    assert answers.is_idle
    assert permit(sink).state == "HELD"
    n_told = len(sink.told)
    answers.computed(good(2), now_ns=3)
    answers.tick(10**12)
    assert len(sink.told) == n_told


def test_ids_of_alerts_go_on_from_an_earlier_session(sink):
    ids = AlertIds(7)
    answers = Answers(PROTOCOL, sink, alert_ids=ids)
    answers.stream_fault("byte 3: message id 9 is unknown")
    assert sink.of(Alert)[0].alert_id == 7
    assert ids.n_raised == 8
    assert answers.acknowledge(7, "operator")
    assert not answers.acknowledge(6, "operator")


def test_two_sessions_never_share_an_alert_id():
    ids = AlertIds()
    sinks = Sink(), Sink()
    both = [Answers(PROTOCOL, one, alert_ids=ids) for one in sinks]
    for text in ("cut", "cut again"):
        for answers in both:
            answers.stream_fault(text)
            answers.remark(Finding("client-refused", "inform", text))
    found = [[one.alert_id for one in sink.of(Alert) if one.state == "raised"] for sink in sinks]
    assert not set(found[0]) & set(found[1])
    assert not both[0].acknowledge(found[1][0], "operator")


def test_thousands_of_frames_and_alerts_leave_nothing_behind():
    """A set with an entry for every frame and alert was 60 bytes a frame, for days."""
    answers = Answers(PROTOCOL, _Forgetful())
    for number in range(3000):
        opened(answers, number, 0.0)
        findings = (HOT,) if number % 4 == 0 else ()
        answers.computed(good(number, *findings), now_ns=1)
        answers.acknowledge(answers._ids.n_raised - 1, "operator")
    assert answers._answered.n_stretches == answers._ours.n_stretches == 1
    assert len(answers._answered) == 3000
    assert answers._ids.n_raised == 750
    assert answers.acknowledge(0, "operator")
    answers.fault(1234, "again", now_ns=1)
    assert answers.counts.n_fault == 0


class _Forgetful:
    def publish(self, noun: Noun) -> None:
        """Keep nothing."""


def test_a_session_that_may_not_treat_never_speaks_of_the_permit(sink):
    answers = Answers(PROTOCOL, sink, may_treat=False)
    for frame in range(3):
        opened(answers, frame, 10.0 * frame)
        answers.computed(good(frame), now_ns=round(10 * frame * MS))
    answers.stream_fault("cut")
    answers.tick(10**12)
    answers.end("over", now_ns=10**12)
    assert not sink.of(Permit)
    assert [one.permit for one in sink.of(Verdict)] == ["HELD"] * 3
    assert answers.permit_state == "HELD"


def test_nobody_acknowledges_what_never_was(answers, sink):
    assert not answers.acknowledge(0, "operator")
    answers.stream_fault("cut")
    assert answers.acknowledge(0, "operator")
    assert not answers.acknowledge(1, "operator")
    assert not answers.acknowledge(-1, "operator")


FRAMES = 5
events = st.lists(
    st.tuples(
        st.sampled_from(["open", "done", "fault", "drop", "tick", "lost"]),
        st.integers(0, FRAMES - 1),
        st.integers(0, 80),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(events)
def test_each_opened_frame_is_answered_once_within_budget_and_one_tick(happened):
    """Any order of done, late, fault, loss and ticks; the loop ticks after every event, as ours."""
    sink = Sink()
    answers = Answers(PROTOCOL, sink)
    now_ms, was_opened, answered_at = 0, {}, {}

    def note() -> None:
        for one in sink.of(Verdict):
            answered_at.setdefault(one.frame_id, now_ms)

    for event, frame, passes_ms in happened:
        now_ms += passes_ms
        now_ns = now_ms * MS
        if event == "open" and frame not in was_opened:
            opened(answers, frame, now_ms)
            was_opened[frame] = now_ms
        elif event == "done" and frame in was_opened:
            answers.computed(good(frame), now_ns=now_ns)
        elif event == "fault":
            answers.fault(frame, "ValueError", now_ns=now_ns)
        elif event == "drop" and frame in was_opened:
            answers.late(frame, "a newer frame overtook it", now_ns=now_ns)
        elif event == "lost":
            answers.worker_lost("gone")
        answers.tick(now_ns)
        note()
    answers.tick((now_ms + 100) * MS)
    now_ms += 100
    note()
    found = [one.frame_id for one in sink.of(Verdict)]
    assert len(found) == len(set(found))
    assert set(was_opened) <= set(found)
    for frame, at_ms in was_opened.items():
        assert answered_at[frame] <= at_ms + DEADLINE_MS + 100  # a tick is at most 100 ms late here
    assert answers.is_idle
    assert answers.counts.n_frames == len(was_opened)


@settings(max_examples=200, deadline=None)
@given(events)
def test_the_permit_is_never_granted_beside_a_verdict_that_holds(happened):
    sink = Sink()
    answers = Answers(PROTOCOL, sink)
    now_ns, was_opened = 0, set()
    for event, frame, passes_ms in happened:
        now_ns += passes_ms * MS
        if event == "open" and frame not in was_opened:
            opened(answers, frame, now_ns / MS)
            was_opened.add(frame)
        elif event == "done" and frame in was_opened:
            answers.computed(good(frame), now_ns=now_ns)
        elif event == "fault" and frame in was_opened:
            answers.fault(frame, "ValueError", now_ns=now_ns)
        answers.tick(now_ns)
    last = None
    for one in sink.told:
        if isinstance(one, Verdict):
            assert last is not None
            assert one.permit == last.state
            if one.outcome != "COMPUTED":
                assert last.state == "HELD"
        if isinstance(one, Permit):
            last = one
            assert (one.lease_ms > 0) == (one.state == "GRANTED")
            assert one.lease_ms <= LEASE_MS


def test_frames_that_come_ever_later_by_their_own_stamps_are_stale(sink):
    protocol = small_protocol(deadline_ms=DEADLINE_MS, lease_ms=LEASE_MS)
    text = protocol.text + '[[limit]]\nrule = "stale-frame"\nmax_gap_s = 60.0\nmax_skew_s = 0.5\n'
    answers = Answers(parse_protocol(text), sink)
    # stamps are 100 ms apart; the clocks' offset means nothing, nor that the first was slow
    came_ms = [50_020.0, 50_100.0, 50_699.0, 50_801.0, 50_400.0]
    for frame_id, at_ms in enumerate(came_ms):
        opened(answers, frame_id, at_ms)
        answers.computed(good(frame_id), now_ns=round((at_ms + 5) * MS))
    rules = [[one.rule for one in verdict.findings] for verdict in sink.of(Verdict)]
    assert rules == [[], [], [], ["stale-frame"], []]
    (late,) = sink.of(Verdict)[3].findings
    assert late.value == pytest.approx(0.501, abs=1e-6)
    assert sink.of(Verdict)[3].decision == "HELD"
