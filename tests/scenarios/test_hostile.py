"""What a hostile or unlucky neighbour does must not cost a treatment its verdicts or its hold."""

import contextlib
import gc
import os
import signal
import sqlite3
import weakref

import pytest
import zmq

from messages import FrameKey, Verdict
from messages.codec import to_json
from realtime import clients
from realtime.answers import Answers
from realtime.reception import Reception
from realtime.security.door import Door
from realtime.streams import mrd_layout as layout
from realtime.streams.recorder import Recorder
from simulators.mrd import acquisition_message
from tests.faults.treatments import granted
from tests.harness import PATIENCE_S, Running, Scan, running, small_protocol

SCAN = Scan()
MS = 1_000_000
QUERY = layout.MESSAGE_ID.pack(layout.QUERY) + bytes(layout.QUERY_HEAD.size)


class Sink:
    """Keeps what was published."""

    def __init__(self):
        self.said = []

    def publish(self, noun):
        self.said.append(noun)


@pytest.fixture
def gateway(tmp_path):
    with running(tmp_path, small_protocol()) as it:
        yield it


def test_a_verdict_that_waited_beyond_the_deadline_is_late():
    """The gateway was held up: the answer lay there in time, but nobody has published it."""
    sink = Sink()
    answers = Answers(small_protocol(deadline_ms=100.0), sink)
    answers.open(0, FrameKey(), received_ns=0, is_complete=True)
    answers.computed(to_json(Verdict(0, FrameKey(), "COMPUTED", "GRANTED", 0.0)), now_ns=101 * MS)
    (verdict,) = [one for one in sink.said if isinstance(one, Verdict)]
    assert (verdict.outcome, verdict.permit) == ("LATE", "HELD")


def test_the_hold_does_not_wait_for_the_disk(gateway: Running, monkeypatch):
    """Closing a recording waits for fsync, up to 5 s; the broken stream is held before that."""
    client = granted(gateway)
    waited, close = [], Recorder.close

    def closing(self, **given):
        waited.append(self.path)
        return close(self, **given)

    monkeypatch.setattr(Recorder, "close", closing)
    mark = gateway.events.n_seen
    client.hang_up()
    gateway.events.wait(lambda t, n: t == "permit" and n.state == "HELD", after=mark)
    gateway.events.topic("run.stop", after=mark)
    assert not waited


def test_strangers_queries_take_little_of_a_turn_and_end(gateway: Running, monkeypatch):
    """A megabyte of them in one turn held every verdict up for 300 to 450 ms."""
    client = granted(gateway)
    mark = gateway.mark()
    took: list[int] = []
    receive = Reception.receive

    def counting(self, data, *, now_ns):
        took.append(0 if self.session else len(data))
        receive(self, data, now_ns=now_ns)

    monkeypatch.setattr(Reception, "receive", counting)
    stranger = gateway.connect()
    stranger.send(QUERY * 50_000)
    client.send_frame(SCAN, 3)
    verdict = gateway.events.wait(lambda t, n: t == "verdict" and n.frame_id == 3, after=mark)
    assert verdict.permit == "GRANTED"
    said = b""
    while data := stranger.connection.recv(1 << 16):
        said += data
    assert b"more than 100 queries" in said
    assert 0 < max(took) <= 1 << 14
    stranger.hang_up()
    client.hang_up()


def test_idle_sockets_give_way_to_who_comes_after_them(gateway: Running):
    """Sixty-four of them locked everybody else out for half a minute without a word."""
    strangers = [gateway.connect() for _ in range(70)]
    try:
        for one in strangers[:6]:
            one.read_to_end()
            assert any("has sent no header" in text for text in one.texts)
            assert one.is_closed
        mark = gateway.mark()
        assert gateway.gateway._clients.n_clients == 64
        gateway.serves(SCAN, 3).hang_up()
        told = [n for n in gateway.since(mark, "alert") if n.state == "raised"]
        assert len(told) <= 5
    finally:
        for one in strangers:
            one.hang_up()


def test_a_header_keeps_its_place_and_one_too_many_is_told_so(gateway: Running, monkeypatch):
    monkeypatch.setattr(clients, "_MAX_CLIENTS", 1)
    first = granted(gateway)
    second = gateway.connect()
    second.read_to_end()
    assert any("1 clients are connected" in text for text in second.texts)
    assert second.is_closed
    second.hang_up()
    first.send_frame(SCAN, 3)
    first.hang_up()


def test_a_run_folder_that_cannot_be_made_refuses_the_client_alone(tmp_path):
    with running(tmp_path, small_protocol()) as gateway:
        epoch = gateway.gateway.epoch
        (tmp_path / f"{epoch}-001").write_text("in the way")
        client = gateway.connect()
        client.send(SCAN.opening())
        client.read_to_end()
        assert any("run folder" in text and "exists" in text for text in client.texts)
        assert client.is_closed
        client.hang_up()
        gateway.serves(SCAN, 3)


def test_a_long_absence_is_told_in_portions_without_a_hole(gateway: Running):
    n_rows, pad = 2400, b" " * 30_000
    rows = [("another life", n, "alert", b"%d" % n + pad, "") for n in range(1, n_rows + 1)]
    with contextlib.closing(sqlite3.connect(gateway.out / "journal.sqlite")) as journal, journal:
        journal.executemany(
            "INSERT INTO events (epoch, sequence, topic, header, utc) VALUES (?, ?, ?, ?, ?)", rows
        )
    told: list[int] = []
    is_more = True
    while is_more:
        request = f'{{"type": "resume", "epoch": "another life", "after": {len(told)}}}'
        portion = gateway.ask(request.encode())[:-1]
        told += [int(parts[1]) for parts in portion]
        is_more = bool(portion)
    assert told == list(range(1, n_rows + 1))


def test_a_fault_before_the_last_readout_belongs_to_its_own_image_stream(gateway: Running):
    """Under another stream nothing could ever take it back, and the permit would stay held."""
    client = gateway.connect()
    client.send(SCAN.opening(), *SCAN.frame(0, slice_=1))
    gateway.events.topic("verdict")
    mark = gateway.mark()
    client.send(*SCAN.frame(1, slice_=1)[:8])
    gateway.mark()
    os.kill(gateway.gateway.worker_pid, signal.SIGKILL)
    fault = gateway.events.topic("verdict", after=mark)
    assert (fault.outcome, fault.key.slice, fault.key.repetition) == ("FAULT", 1, 1)
    client.hang_up()


def test_counters_run_wild_end_the_session_before_they_fill_the_gateway(gateway: Running):
    """Six thousand image streams kept the gateway from its heartbeat for half a minute."""
    client = gateway.connect()
    samples = SCAN.kspace(0)[0]
    heads = [SCAN.head(0, 0, slice_=n) for n in range(600)]
    client.send(SCAN.opening(), *(acquisition_message(head, samples) for head in heads))
    client.read_to_end()
    assert any("more than 512 slices" in text for text in client.texts)
    assert client.is_closed
    client.hang_up()


def test_a_flood_on_zeromq_takes_little_of_a_turn(monkeypatch):
    """Hundreds of megabytes in one turn kept a treatment from its verdict for half a second."""
    taken: list[int] = []

    class Taker:
        is_waiting, wants_input, is_over, turn_bytes = False, True, False, 1 << 20

        def __init__(self, *_, **__):
            self.peer = None

        def receive(self, message, *, now_ns):
            taken.append(len(message))

    monkeypatch.setattr(clients, "Reception", Taker)
    with zmq.Context() as context, context.socket(zmq.DEALER) as flooder:
        poller = zmq.Poller()
        door = Door(context)
        it = clients.Clients(None, "tcp://127.0.0.1:*", context, poller, Reception, door)
        flooder.connect(it.zmq_endpoint)
        for _ in range(40):
            flooder.send(bytes(1 << 16))
        while len(taken) < 40:
            before = len(taken)
            it.read(dict(poller.poll(int(PATIENCE_S * 1000))), now_ns=0)
            assert 0 < len(taken) - before <= 5
        poller.unregister(it._router)
        it._router.close(linger=0)
        door.close()


def test_a_message_of_tens_of_megabytes_is_taken_in_pieces(monkeypatch):
    """In one go it kept the loop, and with it every verdict, for a third of a second."""
    taken: list[bytes] = []

    class Taker:
        is_waiting, wants_input, is_over, turn_bytes = False, True, False, 1 << 20
        has_header, session = True, None

        def __init__(self, *_, **__):
            self.peer = None

        def receive(self, message, *, now_ns):
            taken.append(message)

        def tick(self, now_ns):
            pass

    monkeypatch.setattr(clients, "Reception", Taker)
    with zmq.Context() as context, context.socket(zmq.DEALER) as sender:
        poller = zmq.Poller()
        door = Door(context)
        it = clients.Clients(None, "tcp://127.0.0.1:*", context, poller, Reception, door)
        sender.connect(it.zmq_endpoint)
        whole = os.urandom((5 << 20) + 7)
        sender.send(whole)
        sender.send(b"after it")
        while b"after it" not in taken:
            before = len(taken)
            ready = poller.poll(0 if it.is_pressed else int(PATIENCE_S * 1000))
            it.read(dict(ready), now_ns=0)
            it.tick(0)
            assert sum(map(len, taken[before:])) <= 1 << 20
        assert b"".join(taken) == whole + b"after it"
        assert it._n_parked_bytes == 0
        assert not it.is_pressed
        poller.unregister(it._router)
        it._router.close(linger=0)
        door.close()


def test_an_ended_session_leaves_no_readouts_behind(gateway: Running):
    """Its alerts are kept; a noise scan of a quarter of a gigabyte was kept with them."""
    client = granted(gateway)
    session = weakref.ref(gateway.gateway.sessions[0])
    mark = gateway.mark()
    client.hang_up()
    gateway.events.topic("run.stop", after=mark)
    for _ in range(2):  # the loop lets go of the socket after that
        gateway.events.wait(lambda t, n: t == "heartbeat", after=gateway.mark())
    gc.collect()
    assert session() is None
