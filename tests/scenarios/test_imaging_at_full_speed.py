"""A scan sent as fast as the wire takes it, with the imaging protocol: every image comes back."""

import threading

import pytest
import zmq

from realtime import clients
from simulators.mrd import CLOSE, IMAGE, TEXT, ResultReader
from tests.harness import (
    PATIENCE_S,
    Client,
    Running,
    Scan,
    close_message,
    config_message,
    frozen,
    running,
)

SCAN = Scan()
IMAGING = config_message("imaging")
N_FRAMES = 60  # far more than there are slots for


@pytest.fixture
def gateway(tmp_path):
    with running(tmp_path) as it:
        yield it


def whole_scan() -> list[bytes]:
    frames = [one for n in range(N_FRAMES) for one in SCAN.frame(n)]
    return [IMAGING, SCAN.opening(), *frames, close_message()]


def seen(client: Client, frame: int) -> None:
    """Send a frame of an imaging session and wait for its image."""
    client.send(*SCAN.frame(frame))
    client.read_until(lambda _: client.n_images > frame)


def treatment(gateway: Running) -> Client:
    mark = gateway.mark()
    client = gateway.connect()
    client.send(SCAN.opening())
    for n in range(3):
        client.send_frame(SCAN, n)
    gateway.events.wait(lambda t, n: t == "permit" and n.state == "GRANTED", after=mark)
    return client


def test_a_scan_that_was_cut_says_so_though_its_last_frame_took_long(gateway: Running):
    """The client has gone, and its conversation is over, long before the worker has finished."""
    mark = gateway.mark()
    client = gateway.connect()
    client.send(IMAGING, SCAN.opening())
    seen(client, 0)
    with frozen(gateway.gateway._runs[0].worker.pid):
        client.send(*SCAN.frame(1))
        client.hang_up()
        gateway.mark()  # a beat: the gateway has seen it go
        gateway.mark()
    stop = gateway.events.wait(lambda t, n: t == "run.stop", after=mark)
    assert (stop.status, stop.n_frames) == ("cut", 2)
    assert "without CLOSE" in stop.reason


def test_over_tcp_no_image_is_lost_though_the_worker_stands_still(gateway: Running):
    """Its worker stops in mid-scan for longer than the protocol's deadline, beside a treatment."""
    treated = treatment(gateway)
    mark = gateway.mark()
    client = gateway.connect()
    client.send(IMAGING, SCAN.opening())
    seen(client, 0)
    worker = gateway.gateway._runs[1].worker.pid
    rest = b"".join([one for n in range(1, N_FRAMES) for one in SCAN.frame(n)])
    sender = threading.Thread(target=client.send, args=(rest, close_message()))
    with frozen(worker):
        sender.start()
        for n in range(3, 18):  # a beat each: longer than the deadline of a second
            treated.send_frame(SCAN, n)
            gateway.mark()
    client.read_to_end()
    sender.join()
    client.hang_up()
    assert client.is_closed
    assert client.n_images == N_FRAMES
    stop = gateway.events.topic("run.stop", after=mark)
    assert (stop.status, stop.n_frames, stop.n_late, stop.n_incomplete) == (
        "completed", N_FRAMES, 0, 0,
    )  # fmt: skip
    others = [one for one in gateway.since(mark, "verdict") if one.run_id == stop.run_id]
    assert max(one.age_ms for one in others) > 1000  # it tells that it was old
    mine = [one for one in gateway.since(mark, "verdict") if one.run_id != stop.run_id]
    assert {(one.outcome, one.permit) for one in mine} == {("COMPUTED", "GRANTED")}
    treated.hang_up()


def received(dealer) -> list:
    """Everything that a ZeroMQ client is told, up to CLOSE."""
    reader, results = ResultReader(), []
    while not (results and results[-1].identifier == CLOSE):
        assert dealer.poll(int(PATIENCE_S * 1000)), f"no CLOSE after {len(results)} results"
        results += reader.feed(dealer.recv())
    return results


def test_over_zeromq_no_image_is_lost_either(gateway: Running):
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.connect(gateway.gateway.zmq_endpoint)
        for one in whole_scan():
            dealer.send(one)
        results = received(dealer)
    assert sum(one.identifier == IMAGE for one in results) == N_FRAMES


def test_over_zeromq_a_scan_gives_way_to_a_treatment_that_shares_the_socket(
    gateway: Running, monkeypatch
):
    """Nobody can make one ZeroMQ client wait alone, and memory is finite."""
    monkeypatch.setattr(clients, "_MAX_PARKED_BYTES", 1 << 16)
    with (
        zmq.Context() as context,
        context.socket(zmq.DEALER) as treated,
        context.socket(zmq.DEALER) as scan,
    ):
        treated.connect(gateway.gateway.zmq_endpoint)
        treated.send(SCAN.opening())
        for one in SCAN.frame(0):
            treated.send(one)
        gateway.events.topic("verdict")
        scan.connect(gateway.gateway.zmq_endpoint)
        for one in (IMAGING, SCAN.opening(), SCAN.frame(0)[0]):
            scan.send(one)
        mark = gateway.mark()
        gateway.events.wait(lambda t, n: t == "heartbeat", after=mark)
        with frozen(gateway.gateway._runs[1].worker.pid):
            for one in whole_scan()[3:]:
                scan.send(one)
            for n in range(1, 4):
                for one in SCAN.frame(n):
                    treated.send(one)
                gateway.events.wait(
                    lambda t, v, n=n: t == "verdict" and v.key.repetition == n, after=mark
                )
            texts = [one.text for one in received(scan) if one.identifier == TEXT]
        assert any("send it over TCP" in text for text in texts)
        treated.send(close_message())
        received(treated)


def test_imaging_leaves_a_place_for_a_treatment(tmp_path):
    with running(tmp_path, max_sessions=2) as gateway:
        first, second = gateway.connect(), gateway.connect()
        first.send(IMAGING, SCAN.opening())
        seen(first, 0)
        second.send(IMAGING, SCAN.opening(), *SCAN.frame(0))
        second.read_to_end()
        assert any("one place is kept for a treatment" in text for text in second.texts)
        second.hang_up()
        treatment(gateway).hang_up()
        first.hang_up()
