"""A frame that is taken back from the worker: all interleavings of orders, readouts and answers."""

import contextlib
import socket
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import Verdict
from realtime import control, session_setup
from realtime.worker_link import WorkerLink
from tests.realtime.test_session import READY, SCAN, Bench, Worker

N_FRAMES = 12


class FifoWorker(Worker):
    """Hears its orders one after the other and late; refuses a slot that was given to another."""

    def __init__(self) -> None:
        super().__init__()
        self.line: list[tuple[control.Assign, int]] = []
        self.in_hand: tuple[control.Assign, int] | None = None
        self.said: list[control.Done | control.Failed] = []

    def send(self, order) -> None:
        super().send(order)
        self.line.append((order, int(self.mailbox.slots[order.slot]["frame_id"])))

    def hear(self) -> None:
        if self.line:
            self.in_hand = self.line.pop(0)

    def look(self, *, fails: bool = False) -> None:
        """Read the slot in hand; answer where it is whole."""
        if self.in_hand is None:
            return
        order, frame_id = self.in_hand
        assert self.mailbox.slots[order.slot]["frame_id"] == frame_id, "the slot is another's"
        if fails:
            self.said.append(control.Failed(order.slot, frame_id, "ValueError: no"))
        elif self.mailbox.slots[order.slot]["is_closed"]:
            orders, self.orders = self.orders, [order]
            self.said.append(self.done())
            self.orders = orders
        else:
            return
        self.in_hand = None


class Interleaved(Bench):
    """Frames of two slices; slice 1 is the stray that opens first and ends when the test says."""

    def __init__(self, *, n_slices: int = 2) -> None:
        super().__init__(replace(SCAN, n_slices=n_slices), n_frames=N_FRAMES)
        self.worker = FifoWorker()
        self.session._worker = self.worker
        self.streams = [
            [one for one in self.readouts if one.idx.slice == slice_] for slice_ in range(n_slices)
        ]

    def take(self, slice_: int, n: int = 1) -> None:
        for _ in range(min(n, len(self.streams[slice_]))):
            self.session.readout(self.streams[slice_].pop(0), received_ns=self.now_ns)

    def admitted(self) -> "Interleaved":
        self.take(1)
        self.says(READY)
        return self

    def deliver(self) -> None:
        if self.worker.said:
            self.says(self.worker.said.pop(0))

    def work(self) -> None:
        """Let the worker do all that it was told, and the session hear of it."""
        while self.worker.line or self.worker.said:
            self.worker.hear()
            self.worker.look()
            self.deliver()

    def outcomes(self) -> dict[int, str]:
        found = [(one.frame_id, one.outcome) for one in self.sink.of(Verdict)]
        assert len(found) == len(dict(found)), "a frame was answered twice"
        return dict(found)


def test_a_stray_readout_keeps_no_other_frame_from_the_worker():
    bench = Interleaved().admitted()  # frame 0 is the stray
    bench.worker.hear()
    bench.worker.look()
    for _ in range(4):
        bench.take(0, 8)
        bench.work()
    assert bench.outcomes() == dict.fromkeys(range(1, 5), "COMPUTED")
    bench.session.end(now_ns=bench.now_ns)
    bench.work()
    assert bench.outcomes()[0] == "COMPUTED"
    assert bench.session.answers.counts.n_incomplete == 1
    bench.session.tick(bench.now_ns)
    assert bench.session.state == "over"


def test_an_answer_that_crosses_the_order_counts():
    """The worker finishes the stray before it hears that it was taken back."""
    bench = Interleaved().admitted()
    bench.worker.hear()
    bench.take(0, 8)  # taken back for frame 1
    bench.take(1, 7)  # whole after all
    bench.worker.look()
    bench.deliver()
    assert bench.outcomes() == {0: "COMPUTED"}
    assert bench.session.is_worker_busy()  # it still owes frame 1
    assert len(bench.worker.orders) == 2  # and is told nothing new before it has said it
    bench.work()
    assert bench.outcomes() == {0: "COMPUTED", 1: "COMPUTED"}
    assert not bench.session.is_worker_busy()


def test_a_failure_that_crosses_the_order_is_a_fault_of_its_own_frame():
    bench = Interleaved().admitted()
    bench.worker.hear()
    bench.take(0, 8)
    bench.worker.look(fails=True)
    bench.work()
    assert bench.outcomes() == {0: "FAULT", 1: "COMPUTED"}
    bench.take(1, 7)  # the rest of it finds no place and no second answer
    bench.take(0, 8)
    bench.work()
    assert bench.outcomes() == {0: "FAULT", 1: "COMPUTED", 2: "COMPUTED"}


def test_a_worker_lost_with_a_slot_in_doubt_leaves_none_behind():
    bench = Interleaved().admitted()
    bench.take(0, 8)
    bench.session.worker_lost("gone", now_ns=bench.now_ns)
    assert bench.outcomes() == {0: "FAULT", 1: "FAULT"}
    bench.session.worker_back(FifoWorker(), now_ns=bench.now_ns)
    bench.worker = bench.session._worker
    bench.says(READY)
    for _ in range(3):
        bench.take(0, 8)
        bench.work()
    assert list(bench.outcomes().values())[2:] == ["COMPUTED"] * 3


steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 2), st.integers(1, 9)),
        st.tuples(st.sampled_from(["hear", "look", "fail", "deliver"]), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_every_interleaving_answers_each_frame_once_and_reads_no_other_s_slot(happened):
    with mock.patch.object(session_setup, "_MOST_SLOTS", 1):  # a freed slot is used at once
        bench = Interleaved(n_slices=3).admitted()
    failed = set()
    for step, slice_, n in happened:
        if step == "take":
            bench.take(slice_, n)
        elif step == "deliver":
            bench.deliver()
        elif step == "hear":
            if bench.worker.in_hand is None or bench.worker.line:
                bench.worker.hear()
        else:
            bench.worker.look(fails=step == "fail")
        failed |= {one.frame_id for one in bench.worker.said if isinstance(one, control.Failed)}
        bench.outcomes()
    bench.session.end(now_ns=bench.now_ns)
    bench.worker.look()
    bench.deliver()
    bench.work()
    bench.deliver()
    bench.session.tick(bench.now_ns)
    outcomes = bench.outcomes()
    assert set(outcomes) == set(range(bench.session.assembler.n_frames))
    assert {one for one, what in outcomes.items() if what == "FAULT"} <= failed
    assert bench.session.state == "over"


@pytest.fixture
def deaf(monkeypatch):
    """A line whose far end does not listen yet, and that far end."""
    monkeypatch.setattr(WorkerLink, "__init__", lambda _: None)
    link = WorkerLink()
    link._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link._line.setblocking(False)
    link._unsent = b""
    yield link, theirs
    link._line.close()
    theirs.close()


@pytest.mark.parametrize("opportunity", ["ring", "receive"])
def test_an_order_that_finds_the_line_full_of_rings_is_not_lost(deaf, opportunity):
    link, theirs = deaf
    for _ in range(5000):
        link.ring()
    order = control.Assign(3, 1)
    link.send(order)
    theirs.setblocking(False)
    heard = []
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(theirs.recv(64))
    assert set(heard) == {control.RING}
    getattr(link, opportunity)()
    assert control.unpack_for_worker(theirs.recv(64)) == order
