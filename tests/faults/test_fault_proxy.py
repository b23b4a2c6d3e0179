"""Each toxic does what it says; shown by bytes and events, never by time."""

import socket

import pytest

from tests.fault_proxy import (
    Bandwidth,
    BitFlip,
    FaultProxy,
    Hold,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    Timeout,
    proxied,
)

SENT = bytes(range(256)) * 40
PATIENCE_S = 20.0


class Line:
    """A client, the proxy, and the server's end of its connection."""

    def __init__(self, proxy: FaultProxy, listener: socket.socket) -> None:
        self.proxy = proxy
        self.client = socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S)
        self.server, _ = listener.accept()
        self.server.settimeout(PATIENCE_S)

    def received(self, n_bytes: int) -> bytes:
        found = b""
        while len(found) < n_bytes and (data := self.server.recv(1 << 16)):
            found += data
        return found


@pytest.fixture
def line():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        with proxied(listener.getsockname()[1], seed=1) as proxy:
            it = Line(proxy, listener)
            yield it
            it.client.close()
            it.server.close()


def test_without_a_toxic_everything_passes_both_ways_and_so_does_the_end(line: Line):
    line.client.sendall(SENT)
    line.client.shutdown(socket.SHUT_WR)
    assert line.received(len(SENT) + 1) == SENT  # and then the end of the stream
    line.server.sendall(b"answer")
    assert line.client.recv(100) == b"answer"
    line.proxy.wait(lambda it: it.n_bytes("passed") == len(SENT))
    line.proxy.wait(lambda it: it.n_bytes("passed", "down") == 6)


@pytest.mark.parametrize(
    "toxic",
    [Latency(5.0, jitter_ms=4.0), Bandwidth(1e6), Slicer(100, variation_bytes=90)],
    ids=lambda one: type(one).__name__,
)
def test_what_is_only_slow_loses_nothing_and_keeps_its_order(line: Line, toxic):
    line.proxy.add(toxic)
    for start in range(0, len(SENT), 1000):
        line.client.sendall(SENT[start : start + 1000])
    assert line.received(len(SENT)) == SENT


def test_slices_are_of_the_size_that_was_asked_for(line: Line, monkeypatch):
    pieces: list[int] = []
    count = FaultProxy.count

    def noting(self, what, direction, n_bytes):
        if what == "passed":
            pieces.append(n_bytes)
        count(self, what, direction, n_bytes)

    monkeypatch.setattr(FaultProxy, "count", noting)
    line.proxy.add(Slicer(50, variation_bytes=20))
    line.client.sendall(SENT)
    line.proxy.wait(lambda it: it.n_bytes("passed") == len(SENT))
    assert max(pieces) <= 70
    assert len(pieces) >= len(SENT) // 70


def test_after_the_limit_the_connection_is_closed(line: Line):
    line.proxy.add(LimitData(777))
    line.client.sendall(SENT)
    assert line.received(len(SENT)) == SENT[:777]  # and then the end of the stream


def test_half_open_swallows_bytes_and_the_end_and_lives_on_when_removed(line: Line):
    line.proxy.add(Timeout())
    line.client.sendall(SENT)
    line.proxy.wait(lambda it: it.n_bytes("read") == len(SENT))
    assert line.proxy.n_bytes("passed") == 0
    line.proxy.clear()
    line.client.sendall(b"after it")
    assert line.received(8) == b"after it"


def test_half_open_with_a_time_ends_by_itself(line: Line):
    line.proxy.add(Timeout(1.0))
    line.client.sendall(SENT)
    assert line.received(1) == b""


def test_a_reset_reaches_both_sides(line: Line):
    line.proxy.add(ResetPeer())
    line.client.sendall(b"x")
    for side in (line.server, line.client):
        side.settimeout(PATIENCE_S)
        with pytest.raises(ConnectionResetError):
            side.recv(1)


def test_bits_are_flipped_one_a_stretch_and_the_same_for_the_same_seed(line: Line):
    line.proxy.add(BitFlip(1024))
    line.client.sendall(SENT)
    found = line.received(len(SENT))
    n_flipped = sum((a ^ b).bit_count() for a, b in zip(SENT, found, strict=True))
    assert len(SENT) // 1024 <= n_flipped <= len(SENT) // 1024 + 10  # chunks end stretches early


def test_chance_is_the_seed_s_alone():
    def flipped(seed: int) -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE_S)
            with proxied(listener.getsockname()[1], seed=seed) as proxy:
                it = Line(proxy, listener)
                proxy.add(BitFlip(4))
                it.client.sendall(b"aaaa")
                found = it.received(4)
                it.client.close()
                it.server.close()
                return found

    assert flipped(3) == flipped(3)
    assert len({flipped(seed) for seed in range(4)}) > 1


def test_what_was_held_back_comes_at_once_and_whole(line: Line):
    line.proxy.add(Hold())
    line.client.sendall(SENT)
    line.client.shutdown(socket.SHUT_WR)
    line.proxy.wait(lambda it: it.n_bytes("read") == len(SENT))
    assert line.proxy.n_bytes("passed") == 0
    line.proxy.clear()
    assert line.received(len(SENT) + 1) == SENT


def test_a_direction_is_left_alone_by_the_other_s_toxic(line: Line):
    line.proxy.add(Timeout(), direction="down")
    line.client.sendall(b"up")
    assert line.received(2) == b"up"
    line.server.sendall(b"down")
    line.proxy.wait(lambda it: it.n_bytes("read", "down") == 4)
    assert line.proxy.n_bytes("passed", "down") == 0


def test_toxics_work_together_in_their_order(line: Line):
    line.proxy.add(Slicer(10), LimitData(35))
    line.client.sendall(SENT)
    assert line.received(len(SENT)) == SENT[:35]


def test_a_proxy_ends_though_a_flow_waits():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        with proxied(listener.getsockname()[1]) as proxy:
            it = Line(proxy, listener)
            proxy.add(Hold())
            it.client.sendall(SENT)
            proxy.wait(lambda one: one.n_bytes("read") == len(SENT))
        assert not proxy._thread.is_alive()
        with pytest.raises(ConnectionResetError):
            it.received(1)
        it.client.close()
        it.server.close()
