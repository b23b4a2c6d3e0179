"""One treatment with a worker that does what the test says and a clock that the test moves."""

import os
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from messages import (
    Acquisition,
    Alert,
    Finding,
    FrameKey,
    Maps,
    MonitorError,
    Permit,
    RunStart,
    RunStop,
    Verdict,
)
from messages.codec import to_json
from realtime import control
from realtime.mailbox import Mailbox
from realtime.requests import PowerReport
from realtime.session import Session
from realtime.session_setup import RunIdentity
from realtime.streams.events import HeaderReceived
from realtime.streams.mrd_decoder import Decoder
from simulators.mrd import header_message
from tests.harness import Scan, small_protocol

MS = 1_000_000
DEADLINE_MS = 100
PROTOCOL = small_protocol(deadline_ms=DEADLINE_MS, lease_ms=2000.0, stall_ms=500.0)
SCAN = Scan(n_pixels=8, lines=tuple(range(8)), noise_std=0.0)
READY = control.Ready({"total": 1.0}, (1, 8, 8), (16.0, 16.0, 5.0))


@dataclass
class Sink:
    told: list = field(default_factory=list)

    def publish(self, noun) -> None:
        self.told.append(noun)

    def of(self, kind):
        return [one for one in self.told if isinstance(one, kind)]


class Worker:
    """Keeps its orders; answers only when told to."""

    def __init__(self) -> None:
        self.orders: list[control.Assign] = []
        self.n_configured = 0
        self.n_rings = 0
        self.mailbox: Mailbox | None = None
        self.configuration: control.Configuration | None = None

    def configure(self, configuration, *, mailbox_fd, checkpoint_fd, left_fd=None) -> None:
        self.n_configured += 1
        self.has_had_frames = configuration.has_had_frames
        self.configuration = configuration
        self.mailbox = Mailbox(configuration.layout, os.dup(mailbox_fd))

    def send(self, order) -> None:
        self.orders.append(order)

    def ring(self) -> None:
        self.n_rings += 1

    def frame_in_hand(self) -> int:
        return int(self.mailbox.slots[self.orders[-1].slot]["frame_id"])

    def is_closed(self) -> bool:
        return bool(self.mailbox.slots[self.orders[-1].slot]["is_closed"])

    def done(self, *findings: Finding) -> control.Done:
        order = self.orders[-1]
        row = self.mailbox.slots[order.slot]
        frame_id = int(row["frame_id"])
        key = FrameKey(int(row["repetition"]), int(row["slice"]))
        decision = "HELD" if findings else "GRANTED"
        verdict = Verdict(frame_id, key, "COMPUTED", decision, 0.1, findings)
        self.mailbox.write_verdict(order.result, to_json(verdict))
        return control.Done(order.slot, order.result, frame_id)


def decoded(scan: Scan, frames) -> tuple:
    decoder = Decoder()
    decoder.feed(header_message(scan.header()) + b"".join(frames))
    events = list(decoder.events())
    headers = [one.header for one in events if isinstance(one, HeaderReceived)]
    return headers[0], [one for one in events if isinstance(one, Acquisition)]


class Bench:
    """A session with its fake worker, its sink and its clock."""

    def __init__(self, scan: Scan = SCAN, *, n_frames: int = 6, is_lossless: bool = False) -> None:
        frames = [
            message
            for n in range(n_frames)
            for slice_ in range(scan.n_slices)
            for message in scan.frame(n, slice_=slice_)
        ]
        header, self.readouts = decoded(scan, frames)
        self.sink, self.worker = Sink(), Worker()
        run = RunIdentity("run", "test", "2026", "machine", {})
        self.session = Session(
            PROTOCOL, header, run, self.sink, self.worker, is_lossless=is_lossless
        )
        self.now_ns = 0
        self._next = 0

    def send(self, n: int = 8, *, skip: int = 0) -> None:
        for acquisition in self.readouts[self._next : self._next + n]:
            self.session.readout(acquisition, received_ns=self.now_ns)
        self._next += n + skip

    def says(self, message) -> None:
        self.session.worker_said(message, now_ns=self.now_ns)

    def admitted(self) -> "Bench":
        self.send(1)
        self.says(READY)
        return self

    def granted(self) -> "Bench":
        self.admitted()
        self.send(7)
        self.says(self.worker.done())
        assert self.permit.state == "GRANTED"
        return self

    def pass_ms(self, ms: float) -> None:
        self.now_ns += round(ms * MS)
        self.session.tick(self.now_ns)

    @property
    def permit(self) -> Permit:
        return self.sink.of(Permit)[-1]

    @property
    def verdicts(self) -> list[Verdict]:
        return self.sink.of(Verdict)


def test_the_first_readout_asks_for_admission_and_the_source_waits():
    bench = Bench()
    assert bench.session.accepts()
    bench.send(1)
    assert bench.worker.n_configured == 1
    assert not bench.session.accepts()
    assert not bench.sink.told
    bench.says(READY)
    assert bench.session.accepts()
    assert isinstance(bench.sink.told[0], RunStart)


def test_readouts_lie_in_shared_memory_when_the_worker_is_told():
    bench = Bench().admitted()
    bench.send(7)
    order = bench.worker.orders[-1]
    mailbox = bench.worker.mailbox
    assert mailbox.slots[order.slot]["n_landed"] == 8
    assert bench.worker.is_closed()
    for row, acquisition in enumerate(bench.readouts[:8]):
        assert np.array_equal(mailbox.samples[order.slot, row], acquisition.samples)
        assert mailbox.readouts[order.slot, row]["kspace_encode_step_1"] == row
    times_s = mailbox.readouts[order.slot]["time_s"]
    assert np.allclose(np.diff(times_s), 0.01)
    assert mailbox.slots[order.slot]["time_s"] == times_s[4]  # the k-space centre


def test_a_computed_frame_gives_permit_verdict_and_maps():
    bench = Bench().granted()
    assert [type(one) for one in bench.sink.told] == [RunStart, Permit, Verdict, Maps]
    assert bench.permit.state == "GRANTED"


def test_a_frame_that_the_worker_does_not_finish_is_late_at_the_deadline():
    bench = Bench().granted()
    bench.send(8)
    assert bench.session.next_ns() == bench.now_ns + DEADLINE_MS * MS
    bench.pass_ms(DEADLINE_MS - 1)
    assert len(bench.verdicts) == 1
    bench.pass_ms(1)
    assert bench.verdicts[-1].outcome == "LATE"
    assert bench.permit.state == "HELD"
    n_verdicts = len(bench.verdicts)
    bench.says(bench.worker.done())  # too late
    assert len(bench.verdicts) == n_verdicts
    assert bench.permit.state == "HELD"


def test_a_worker_lost_after_late_answers_the_frame_no_second_time():
    bench = Bench().granted()
    bench.send(8)
    bench.pass_ms(DEADLINE_MS)
    bench.session.worker_lost("worker process 7 is gone", now_ns=bench.now_ns)
    assert [one.outcome for one in bench.verdicts] == ["COMPUTED", "LATE"]


def test_a_worker_that_was_given_nothing_owes_nothing():
    bench = Bench()
    bench.session.worker_lost("worker process 7 is gone", now_ns=bench.now_ns)
    bench.session.worker_back(Worker(), now_ns=bench.now_ns)
    assert not bench.session.is_worker_busy()
    assert not bench.session.is_hung(bench.now_ns + 10**15)


def test_a_lost_worker_faults_all_in_hand_and_later_frames_go_on():
    bench = Bench().granted()
    bench.send(8)  # at the worker
    bench.send(8)  # waiting
    bench.send(3)  # filling
    bench.session.worker_lost("worker process 7 is gone", now_ns=bench.now_ns)
    assert [one.outcome for one in bench.verdicts[1:]] == ["FAULT"] * 3
    assert bench.permit.state == "HELD"
    second = Worker()
    bench.session.worker_back(second, now_ns=bench.now_ns)
    bench.worker = second
    assert second.n_configured == 1
    bench.send(5)  # the rest of the frame that was filling: it has its answer
    bench.pass_ms(DEADLINE_MS)
    assert len(bench.verdicts) == 4
    bench.says(READY)
    bench.send(8)
    bench.says(second.done())
    assert bench.verdicts[-1].outcome == "COMPUTED"
    assert bench.permit.state == "HELD"  # latched
    for alert in {one.alert_id for one in bench.sink.of(Alert)}:
        bench.session.answers.acknowledge(alert, "operator")
    bench.send(8)
    bench.says(second.done())
    assert bench.permit.state == "GRANTED"
    assert len(bench.sink.of(RunStart)) == 1


def test_a_worker_lost_while_it_admits_still_begins_the_run_and_can_be_forgiven():
    bench = Bench()
    bench.send(1)
    bench.session.worker_lost("worker process 7 is gone", now_ns=0)
    second = Worker()
    bench.session.worker_back(second, now_ns=0)
    bench.worker = second
    bench.says(READY)
    assert len(bench.sink.of(RunStart)) == 1
    bench.send(7)
    bench.pass_ms(0)
    bench.send(8)
    bench.says(second.done())
    for alert in {one.alert_id for one in bench.sink.of(Alert)}:
        bench.session.answers.acknowledge(alert, "operator")
    bench.send(8)
    bench.says(second.done())
    assert bench.permit.state == "GRANTED"


def test_the_next_worker_takes_as_many_iterations_as_the_first_has_chosen():
    """Another number would turn the phase of its images against the baseline's."""
    bench = Bench()
    bench.send(1)
    assert bench.worker.configuration.iterations is None
    bench.says(structs.replace(READY, iterations=7))
    (start,) = bench.sink.of(RunStart)
    assert start.recon_iterations == 7
    bench.session.worker_lost("worker process 7 is gone", now_ns=bench.now_ns)
    bench.worker = Worker()
    bench.session.worker_back(bench.worker, now_ns=bench.now_ns)
    assert bench.worker.configuration.iterations == 7


def test_the_next_worker_is_told_whether_there_were_frames_before_it():
    bench = Bench()
    bench.send(1)
    for is_begun in (False, True):
        assert not bench.worker.has_had_frames
        bench.session.worker_lost("worker process 7 is gone", now_ns=bench.now_ns)
        bench.worker = Worker()
        bench.session.worker_back(bench.worker, now_ns=bench.now_ns)
        if not is_begun:
            assert not bench.worker.has_had_frames
            bench.says(READY)
            bench.send(7)  # the rest of a frame that was lost with its first worker
            bench.send(8)
            bench.says(bench.worker.done())
    assert bench.worker.has_had_frames


def test_an_incomplete_frame_ends_with_the_next_repetition():
    bench = Bench().granted()
    bench.send(7, skip=1)
    assert not bench.worker.is_closed()
    bench.send(1)
    assert bench.worker.is_closed()
    order = bench.worker.orders[-1]
    assert not bench.worker.mailbox.slots[order.slot]["is_complete"]


def test_a_source_that_falls_silent_in_a_frame_is_held_without_a_further_readout():
    bench = Bench().granted()
    bench.send(5)
    bench.pass_ms(499)
    assert bench.permit.state == "GRANTED"
    bench.pass_ms(1)
    assert bench.permit.state == "HELD"
    assert bench.verdicts[-1].outcome == "LATE"


def test_a_source_that_falls_silent_between_frames_loses_its_lease():
    bench = Bench().granted()
    bench.pass_ms(1999)
    assert bench.permit.state == "GRANTED"
    bench.pass_ms(1)
    assert bench.permit.state == "HELD"


def test_the_end_waits_for_what_is_open_and_is_then_over():
    bench = Bench().granted()
    bench.send(8)
    bench.session.end(now_ns=bench.now_ns)
    assert bench.session.state == "running"
    bench.says(bench.worker.done())
    bench.pass_ms(0)
    assert bench.session.state == "over"
    bench.session.stop("completed", "closed", ended_utc="", now_ns=bench.now_ns)
    stop = bench.sink.told[-1]
    assert isinstance(stop, RunStop)
    assert (stop.n_frames, stop.n_late, stop.n_fault) == (2, 0, 0)
    assert bench.permit.state == "HELD"


def test_the_end_with_half_a_frame_answers_it_too():
    bench = Bench().granted()
    bench.send(4)
    bench.session.end(now_ns=bench.now_ns)
    bench.pass_ms(DEADLINE_MS)
    assert [one.outcome for one in bench.verdicts] == ["COMPUTED", "LATE"]
    assert bench.session.answers.counts.n_incomplete == 1


def test_a_refusal_of_the_worker_is_an_error_of_the_session():
    bench = Bench()
    bench.send(1)
    with pytest.raises(MonitorError, match="not admitted"):
        bench.says(control.Refused("not admitted: a frame takes 9 s"))


def test_a_frame_that_cannot_be_computed_is_a_fault():
    bench = Bench().granted()
    bench.send(8)
    bench.says(control.Failed(0, bench.worker.frame_in_hand(), "ValueError: no"))
    assert bench.verdicts[-1].outcome == "FAULT"
    assert "ValueError: no" in bench.verdicts[-1].findings[0].text
    assert bench.permit.state == "HELD"


def test_a_changed_shape_is_refused_by_readout():
    bench = Bench().admitted()
    fewer = replace(bench.readouts[1], samples=bench.readouts[1].samples[:1])
    with pytest.raises(MonitorError, match="readout 2: 1 channels"):
        bench.session.readout(fewer, received_ns=0)


def test_of_a_long_noise_scan_as_much_is_kept_as_tells_the_covariance():
    """A quarter of a gigabyte, handed over at once, stopped the gateway for four seconds."""
    bench = Bench()
    noise = replace(bench.readouts[0], flags=1 << 18, samples=np.ones((2, 1 << 15), np.complex64))
    for _ in range(64):
        bench.session.readout(noise, received_ns=0)
    bench.session.readout(bench.readouts[0], received_ns=0)
    n_coils, n_samples = bench.worker.configuration.noise_shape
    assert n_coils == 2
    assert 1 << 18 < n_samples <= 1 << 19


def test_readouts_that_are_not_finite_are_told_once_a_frame():
    """Nine thousand alerts of one stream made every other one wait."""
    bench = Bench()
    nan = np.full_like(bench.readouts[0].samples, np.nan)
    for readout in bench.readouts[:8]:
        bench.session.readout(replace(readout, samples=nan), received_ns=0)
    told = [one for one in bench.sink.of(Alert) if one.state == "raised"]
    assert 1 <= len(told) <= 2


def test_frames_that_are_not_finite_are_told_of_one_by_one_and_not_remembered():
    bench = Bench()
    nan = np.full_like(bench.readouts[0].samples, np.nan)
    for frame in range(5):
        for readout in bench.readouts[:8]:
            idx = replace(readout.idx, repetition=frame)
            bench.session.readout(replace(readout, samples=nan, idx=idx), received_ns=0)
    told = [one for one in bench.sink.of(Alert) if one.state == "raised"]
    assert len(told) >= 5
    assert len(bench.session._remarks._told) == 1


def test_noise_readouts_of_other_channels_are_refused():
    bench = Bench()
    noise = replace(bench.readouts[0], flags=1 << 18, samples=bench.readouts[0].samples[:1])
    bench.session.readout(noise, received_ns=0)
    with pytest.raises(MonitorError, match=r"2 channels, the noise scan has \[1\]"):
        bench.send(1)


def test_newest_wins_and_what_it_overtook_is_late():
    bench = Bench().granted()
    for _ in range(4):
        bench.send(8)
    bench.says(bench.worker.done())
    overtaken = [one for one in bench.verdicts if one.outcome == "LATE"]
    assert len(overtaken) == 2
    assert all("overtook" in one.findings[0].text for one in overtaken)
    assert bench.worker.frame_in_hand() == 4


def test_lossless_makes_the_source_wait_and_computes_every_frame():
    bench = Bench(n_frames=60, is_lossless=True).admitted()
    n_sent = 1
    while n_sent < len(bench.readouts):
        if bench.session.accepts():
            bench.send(1)
            n_sent += 1
        else:
            bench.says(bench.worker.done())
    bench.session.end(now_ns=0)
    while bench.session.state != "over":
        bench.says(bench.worker.done())
        bench.session.tick(0)
    assert [one.outcome for one in bench.verdicts] == ["COMPUTED"] * 60
    assert [one.frame_id for one in bench.verdicts] == list(range(60))


def test_lossless_with_more_slices_at_once_than_slots_does_not_wait_for_ever():
    scan = replace(SCAN, n_slices=40)
    bench = Bench(scan, n_frames=1, is_lossless=True)
    by_line = sorted(bench.readouts, key=lambda one: one.idx.kspace_encode_step_1)
    for n, acquisition in enumerate(by_line):
        if n > 0 and not bench.session.accepts():
            assert bench.worker.is_closed(), f"waits for ever after {n} readouts"
            bench.says(bench.worker.done())
        assert bench.session.accepts()
        bench.session.readout(acquisition, received_ns=0)
        if n == 0:
            bench.says(READY)


def test_the_loop_is_never_asked_to_wake_for_what_a_tick_has_done():
    """After a tick the next wake-up lies ahead; otherwise the gateway spins."""
    bench = Bench()
    bench.send(1)
    for _ in range(5):
        bench.pass_ms(400)  # admission takes its time, the stall limit passes
        due = bench.session.next_ns()
        assert due is None or due > bench.now_ns
    bench.says(READY)
    bench.session.tick(bench.now_ns)
    bench.send(7)
    for _ in range(30):
        bench.pass_ms(100)
        due = bench.session.next_ns()
        assert due is None or due > bench.now_ns


steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 12)),
        st.tuples(st.just("skip"), st.integers(1, 9)),
        st.tuples(st.just("done"), st.just(0)),
        st.tuples(st.just("failed"), st.just(0)),
        st.tuples(st.just("lost"), st.just(0)),
        st.tuples(st.just("ready"), st.just(0)),
        st.tuples(st.just("pass"), st.integers(1, 99)),
    ),
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(steps)
def test_every_frame_is_answered_once_whatever_happens(happened):
    """Loss of readouts and workers, failures and time in any order; then the client closes."""
    bench = Bench(n_frames=40)
    is_ready = False
    answered_ms: dict[int, float] = {}
    opened_ms: dict[int, float] = {}
    session = bench.session
    original_open = session.answers.open

    def noted_open(frame_id, key, **arguments):
        opened_ms[frame_id] = bench.now_ns / MS
        original_open(frame_id, key, **arguments)

    session.answers.open = noted_open

    def act(step, n):
        nonlocal is_ready
        if step == "send" and session.accepts():
            bench.send(n if is_ready else 1)
        elif step == "skip":
            bench._next += n
        elif step == "pass":
            bench.pass_ms(n)
        elif session.state in ("admitting", "recovering") and step == "ready":
            bench.says(READY)
            is_ready = True
        elif session._configuration is not None and step == "lost":
            session.worker_lost("gone", now_ns=bench.now_ns)
            bench.worker = Worker()
            session.worker_back(bench.worker, now_ns=bench.now_ns)
        elif session.state == "running" and session._slots.assigned is not None:
            if step == "done" and bench.worker.is_closed():
                bench.says(bench.worker.done())
            elif step == "failed":
                order = bench.worker.orders[-1]
                bench.says(control.Failed(order.slot, bench.worker.frame_in_hand(), "no"))
        session.tick(bench.now_ns)
        for one in bench.verdicts:
            answered_ms.setdefault(one.frame_id, bench.now_ns / MS)
        due = session.next_ns()
        assert due is None or due > bench.now_ns

    for step, n in happened:
        act(step, n)
    session.end(now_ns=bench.now_ns)
    act("pass", DEADLINE_MS)
    session.stop("cut", "the test is over", ended_utc="", now_ns=bench.now_ns)
    found = [one.frame_id for one in bench.verdicts]
    assert len(found) == len(set(found))
    assert set(opened_ms) <= set(found)
    for frame, at_ms in opened_ms.items():
        assert answered_ms[frame] <= at_ms + DEADLINE_MS + 100
    assert bench.permit.state == "HELD"
    assert session.answers.is_idle


def power_of(bench: Bench) -> list[tuple[float, float]]:
    row = bench.worker.mailbox.slots[bench.worker.orders[-1].slot]
    return row["power"][: int(row["n_power"])].tolist()


def test_a_power_report_gets_the_scanner_time_of_its_arrival():
    bench = Bench().granted()
    bench.send(3)
    bench.now_ns += 4_000_000
    # the third readout of the second frame is 0.1 s after the first of all, and came 4 ms ago
    bench.session.device_said(PowerReport(30.0), now_ns=bench.now_ns)
    bench.send(5)
    assert power_of(bench) == [(pytest.approx(0.104), 30.0)]


def test_the_devices_own_scanner_time_goes_before_the_arrival():
    bench = Bench().granted()
    bench.session.device_said(PowerReport(30.0, 0.071), now_ns=bench.now_ns)
    bench.send(8)
    assert power_of(bench) == [(0.071, 30.0)]


def test_a_frame_that_will_be_late_is_told_once_when_the_run_starts():
    bench = Bench()
    bench.send(1)
    bench.says(structs.replace(READY, expected_late="the last frame of the baseline takes 140 ms"))
    bench.session.worker_lost("worker process ended", now_ns=bench.now_ns)
    bench.session.worker_back(bench.worker, now_ns=bench.now_ns)
    bench.says(structs.replace(READY, expected_late="again"))
    alerts = [one for one in bench.sink.of(Alert) if one.event == "late-expected.inform"]
    raised = [one.text for one in alerts if one.state == "raised"]
    assert raised == ["the last frame of the baseline takes 140 ms"]
