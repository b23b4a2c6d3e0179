"""More comes than is computed, or than anybody takes: bounded memory, newest wins, all answered.

Each frame that was dropped is answered LATE, once, and counted; a frame that waited too long on
its way holds.
"""

import threading

import pytest
import zmq

from messages.codec import decode
from realtime.clock import MonotonicClock
from realtime.outputs.publisher import Publisher
from realtime.peers import MAX_QUEUED_BYTES
from realtime.protocol import parse_protocol
from realtime.streams import recorder
from realtime.watched import Watched
from tests.fault_proxy import Hold, proxied
from tests.faults.treatments import granted
from tests.harness import (
    PROTOCOL,
    Client,
    Running,
    Scan,
    close_message,
    frozen,
    running,
    small_protocol,
)

SCAN = Scan()
MIB = 1 << 20


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with running(tmp_path_factory.mktemp("overload"), small_protocol(deadline_ms=15_000.0)) as it:
        yield it


def ended(gateway: Running, client: Client, mark: int):
    client.send(close_message())
    client.read_to_end()
    client.hang_up()
    return gateway.events.topic("run.stop", after=mark)


def assert_each_answered_once(gateway: Running, mark: int, stop, first: int, n_frames: int) -> list:
    verdicts = gateway.since(mark, "verdict")
    assert sorted(one.frame_id for one in verdicts) == list(range(first, first + n_frames))
    n_late = sum(one.outcome == "LATE" for one in verdicts)
    assert (stop.n_frames, stop.n_late, stop.n_fault) == (first + n_frames, n_late, 0)
    assert all(one.permit == "HELD" for one in verdicts if one.outcome == "LATE")
    return verdicts


def test_07_raw_data_faster_than_the_reconstruction_newest_wins(gateway: Running):
    """The worker stands still while twenty frames come: the last is computed, the others LATE."""
    client = granted(gateway)
    mark = gateway.mark()
    with frozen(gateway.gateway.worker_pid):
        for n in range(3, 23):
            client.send(*SCAN.frame(n))
        session = gateway.gateway.sessions[0]
        while session.n_readouts < 23 * len(SCAN.lines):
            gateway.mark()  # a heartbeat
    stop = ended(gateway, client, mark)
    verdicts = assert_each_answered_once(gateway, mark, stop, 3, 20)
    by_frame = {one.frame_id: one for one in verdicts}
    assert by_frame[22].outcome == "COMPUTED"
    assert by_frame[22].permit == "GRANTED"
    assert stop.n_late >= 15
    assert "overtook" in by_frame[10].findings[0].text


@pytest.mark.slow
def test_a_burst_after_a_stall_is_answered_whole_and_the_old_is_held(tmp_path):
    """Ten frames wait in a proxy, then come at once: what waited is older than it looks.

    By receipt each is fresh; by the scanner's stamps it came late, and `max_skew_s` says so.
    """
    text = PROTOCOL.format(deadline_ms=4000.0, lease_ms=30_000.0, stall_ms=20_000.0)
    text += '\n[[limit]]\nrule = "stale-frame"\nmax_gap_s = 60.0\nmax_skew_s = 0.5\n'
    # a frame lasts 0.32 s by its stamps; here they all come as fast as they can be computed
    with running(tmp_path, parse_protocol(text)) as gateway, proxied(gateway.port) as proxy:
        client = granted(gateway, proxy.port)
        mark = gateway.mark()
        proxy.add(Hold())
        n_read = proxy.n_bytes("read")
        frames = [b"".join(SCAN.frame(n)) for n in range(3, 13)]
        client.send(*frames)
        proxy.wait(lambda it: it.n_bytes("read") == n_read + sum(map(len, frames)))
        beats = gateway.events.n_seen
        # frame 3 was acquired 3.2 s before frame 13: wait longer than the burst makes up for
        for _ in range(45):
            gateway.events.wait(lambda t, n: t == "heartbeat", after=beats)
            beats = gateway.events.n_seen
        proxy.clear()
        gateway.events.wait(lambda t, n: t == "verdict" and n.frame_id == 12, after=mark)
        stop = ended(gateway, client, mark)
        verdicts = assert_each_answered_once(gateway, mark, stop, 3, 10)
        computed = [one for one in verdicts if one.outcome == "COMPUTED"]
        assert computed
        assert {one.permit for one in computed} == {"HELD"}
        assert all("stale-frame" in [f.rule for f in one.findings] for one in computed)


@pytest.mark.slow
def test_a_client_that_never_takes_its_images_costs_a_bounded_queue(tmp_path):
    """Its images are dropped, its frames all answered; the gateway keeps what the limit says."""
    scan = Scan(n_pixels=256, n_coils=1, lines=tuple(range(256)))
    n_frames = 120  # 94 MB of images; the queue takes 64 MiB, the sockets some more
    with running(tmp_path, small_protocol()) as gateway:
        client = gateway.connect()
        mark = gateway.mark()
        client.send(scan.opening())
        peers = set()
        for n in range(n_frames):
            client.send(*scan.frame(n))
            gateway.events.wait(lambda t, v, n=n: t == "verdict" and v.frame_id == n, after=mark)
            peers |= {run.reception.peer for run in gateway.gateway._runs}
            assert all(peer._queued_bytes <= MAX_QUEUED_BYTES for peer in peers)
        (peer,) = peers
        assert peer.n_dropped > 0
        client.hang_up()
        gateway.events.topic("run.stop", after=mark)
        assert len(gateway.since(mark, "verdict")) == n_frames


def test_a_slow_disk_costs_the_recording_and_no_frame(tmp_path, monkeypatch):
    answers = threading.Event()
    write = recorder._write

    def stalled(fd: int, chunk: bytes) -> None:
        assert answers.wait(40)
        write(fd, chunk)

    monkeypatch.setattr(recorder, "_write", stalled)
    monkeypatch.setattr(recorder, "_CAPACITY_BYTES", MIB)
    init = recorder.Recorder.__init__
    monkeypatch.setitem(init.__kwdefaults__, "capacity_bytes", MIB)
    with running(tmp_path) as gateway:
        try:
            client = granted(gateway)
            mark = gateway.mark()
            for n in range(3, 40):
                client.send_frame(SCAN, n)
            told = gateway.events.wait(
                lambda t, n: t == "alert" and n.event == "journal.warn", after=0
            )
            assert "recording is not whole" in told.text
            (kept,) = gateway.gateway._recorders
            assert kept._n_pending_bytes <= MIB
        finally:
            answers.set()
        stop = ended(gateway, client, mark)
        verdicts = assert_each_answered_once(gateway, mark, stop, 3, 37)
        assert {one.permit for one in verdicts} == {"GRANTED"}


def test_13_a_subscriber_that_never_reads_costs_bounded_memory_and_nobody_else(
    tmp_path, monkeypatch
):
    """ZeroMQ keeps so many events for it and drops the rest; who reads misses nothing.

    Here twenty instead of a thousand, so that the maps of 120 frames are more than it keeps.
    """
    monkeypatch.setitem(Publisher._bound.__kwdefaults__, "high_water", 20)
    scan = Scan(n_pixels=64, n_coils=1, lines=tuple(range(64)))
    with (
        running(tmp_path, small_protocol(deadline_ms=15_000.0)) as gateway,
        zmq.Context.instance().socket(zmq.SUB) as lazy,
    ):
        lazy.setsockopt(zmq.LINGER, 0)
        lazy.setsockopt(zmq.RCVHWM, 1)
        lazy.setsockopt(zmq.RCVBUF, 4096)
        lazy.subscribe("map")
        lazy.connect(gateway.gateway.publisher.endpoints.events)
        client = granted(gateway, scan=scan)
        mark = gateway.mark()
        for n in range(3, 123):
            client.send_frame(scan, n)
        stop = ended(gateway, client, mark)
        verdicts = assert_each_answered_once(gateway, mark, stop, 3, 120)
        assert {one.permit for one in verdicts} == {"GRANTED"}
        assert len(gateway.since(mark, "map")) == 120
        n_kept = 0
        while lazy.poll(500):
            lazy.recv_multipart(copy=False)
            n_kept += 1
        assert 0 < n_kept < 100  # the rest is dropped and waits nowhere


def test_13_a_subscriber_that_falls_behind_says_so_itself_and_holds(gateway: Running):
    """It stops reading for a second and more; what it then reads first is old, and it knows."""
    clock, watched = MonotonicClock(), Watched()

    def hear() -> None:
        watched.hear(*decode(slow.recv_multipart()), now_ns=clock.now_ns())

    with zmq.Context.instance().socket(zmq.SUB) as slow:
        slow.setsockopt(zmq.LINGER, 0)
        slow.subscribe("permit")
        slow.subscribe("heartbeat")
        slow.connect(gateway.gateway.publisher.endpoints.events)
        client = granted(gateway)
        client.send_frame(SCAN, 3)
        while slow.poll(150):  # until it has all
            hear()
            if watched.permit(clock.now_ns())[0] == "GRANTED" and not slow.poll(0):
                break
        for _ in range(12):
            gateway.mark()
        hear()
        state, reason = watched.permit(clock.now_ns())
        assert state == "HELD"
        assert "behind the monitor" in reason
        while slow.poll(0):
            hear()
        assert watched.permit(clock.now_ns())[0] == "GRANTED"
        client.hang_up()
