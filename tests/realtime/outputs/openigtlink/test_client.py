"""One client at a socket pair, with a clock that the test turns."""

import contextlib
import socket

import pytest

from realtime.outputs.openigtlink.client import MOST_WAITING, Client
from realtime.outputs.openigtlink.devices import Message
from realtime.outputs.openigtlink.reader import Request
from tests.realtime.outputs.openigtlink.peer import HEADER_BYTES, make, parse

SECOND = 10**9


@pytest.fixture
def pair():
    """A client, and its peer's end of the line."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as door:
        peer = socket.create_connection(door.getsockname())
        client = Client(door.accept()[0], now_ns=0)
    yield client, peer
    client.close()
    peer.close()


def message(kind, device, body=b""):
    return Message(kind, device, lambda: make(kind, device, body, crc=0))


def ask(client, peer, content, *, at_s):
    peer.sendall(content)
    return client.receive(now_ns=round(at_s * SECOND), utc_s=0.0)


def test_of_each_device_only_the_newest_waits_and_status_goes_first(pair):
    client, peer = pair
    made = []
    for n in range(50):
        client.offer(
            Message("IMAGE", "a", lambda n=n: made.append(n) or make("IMAGE", "a", b"%d" % n))
        )
    client.offer(message("STRING", "b"))
    client.offer(message("STATUS", "c"))
    client.send(now_ns=0)
    content = peer.recv(1 << 16)
    sizes = [HEADER_BYTES, HEADER_BYTES, HEADER_BYTES + 2]
    kinds = []
    for size in sizes:
        kinds.append(parse(content[:HEADER_BYTES], content[HEADER_BYTES:size]).kind)
        content = content[size:]
    assert kinds == ["STATUS", "STRING", "IMAGE"]
    assert made == [49], "what nobody takes is not encoded"


def test_a_frozen_reader_is_over_after_ten_seconds(pair):
    client, _ = pair
    for n in range(200):
        client.offer(message("IMAGE", "a", bytes(1 << 20)))
        client.send(now_ns=n)
    client.look(now_ns=9 * SECOND)
    assert client.is_sending
    assert not client.is_over
    client.look(now_ns=11 * SECOND)
    assert client.is_over


def test_a_reader_that_is_only_idle_is_never_over(pair):
    client, _ = pair
    client.look(now_ns=3600 * SECOND)
    assert not client.is_over


def test_a_half_message_is_over_after_ten_seconds_however_slowly_it_grows(pair):
    client, peer = pair
    for n, octet in enumerate(make("GET_IMAGE")[:12]):
        ask(client, peer, bytes([octet]), at_s=n)
        client.look(now_ns=n * SECOND)
    assert client.is_over


def test_whole_messages_that_follow_each_other_closely_are_welcome(pair):
    client, peer = pair
    content, found = make("GET_IMAGE") * 30, []
    for n in range(30):
        found += ask(client, peer, content[n * 58 - 3 if n else 0 : n * 58 + 55], at_s=n)
        client.look(now_ns=n * SECOND)
        assert not client.is_over
    assert found == [Request("GET", "IMAGE", "")] * 29


def test_answers_under_ever_other_names_do_not_pile_up(pair):
    client, _ = pair
    for n in range(MOST_WAITING + 1):
        client.offer(message("IMAGE", f"name {n}"))
    assert client.is_over


def test_one_that_left_is_over_within_a_second_though_it_reads_nothing(pair):
    client, peer = pair
    client.offer(message("IMAGE", "a", bytes(1 << 24)))
    client.send(now_ns=0)
    assert ask(client, peer, make("IMAGE", n_bytes=2**63), at_s=1) == []
    client.offer(message("IMAGE", "b"))
    client.look(now_ns=round(1.5 * SECOND))
    assert not client.is_over
    client.look(now_ns=round(2.1 * SECOND))
    assert client.is_over
