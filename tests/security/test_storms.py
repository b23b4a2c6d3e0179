"""What a client may throw at the control port; nobody else waits for it, and memory is bounded.

Counted in turns of the gateway's loop, never in time.
"""

import contextlib
import socket as sockets
import struct

import pytest
import zmq

from messages import Alert, Verdict
from realtime.clock import MonotonicClock
from realtime.gateway import Gateway
from realtime.outputs.publisher import Addresses
from realtime.settings import Settings
from tests.harness import ANYWHERE, Client, Scan, small_protocol

N_STORM = 2000
SCAN = Scan()
_TURNS = 400  # far more than a frame takes; a hang fails by the test's time-out


@pytest.fixture
def gateway(tmp_path):
    """A gateway whose loop the test turns by hand."""
    settings = Settings(
        tmp_path, small_protocol(), tcp=("127.0.0.1", 0), zmq=ANYWHERE,
        addresses=Addresses(ANYWHERE, ANYWHERE), keeps_spare=False,
    )  # fmt: skip
    it = Gateway(settings, MonotonicClock())
    yield it
    it.close()


@pytest.fixture
def line(gateway):
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.connect(gateway.publisher.endpoints.control)
    yield socket
    context.destroy(linger=0)


def heard(gateway, monkeypatch):
    """Return the nouns that the gateway publishes from here on, as they come."""
    nouns, publish = [], gateway.publisher.publish

    def listening(noun, **given):
        nouns.append(noun)
        return publish(noun, **given)

    monkeypatch.setattr(gateway.publisher, "publish", listening)
    return nouns


def turns_to_a_verdict(gateway, client, nouns, frame):
    """Send a frame and return how many turns of the loop it took to its verdict."""
    client.send(*SCAN.frame(frame))
    n_before = sum(isinstance(noun, Verdict) for noun in nouns)
    for n in range(_TURNS):
        gateway.turn()
        if sum(isinstance(noun, Verdict) for noun in nouns) > n_before:
            return n + 1
    raise AssertionError(f"no verdict within {_TURNS} turns")


def admitted(gateway, nouns):
    client = Client.to(gateway.tcp_port)
    client.send(SCAN.opening())
    client.send(*SCAN.frame(0))
    while not any(isinstance(noun, Verdict) for noun in nouns):
        gateway.turn()
    return client


STORMS = {
    "acknowledgements": b'{"type":"acknowledge","alert_id":7,"who":"me"}',
    "garbage": b"\xff\x00garbage",
    "nothing": b"",
    "deep": b"[" * 5000,
    "resume": b'{"type":"resume","epoch":"nowhere","after":0}',
}


@pytest.mark.parametrize("kind", STORMS)
def test_a_storm_takes_one_request_of_each_turn(gateway, line, monkeypatch, kind):
    nouns = heard(gateway, monkeypatch)
    client = admitted(gateway, nouns)
    taken = []
    request = gateway.publisher.request

    def counted():
        taken.append(1)
        return request()

    monkeypatch.setattr(gateway.publisher, "request", counted)
    for _ in range(N_STORM):
        line.send(STORMS[kind])
    gateway.turn()
    n_before = len(taken)
    n_turns = turns_to_a_verdict(gateway, client, nouns, 1)
    assert len(taken) - n_before <= n_turns
    # its lease, its verdict and its heartbeats go on in the same turns
    assert all(noun.outcome == "COMPUTED" for noun in nouns if isinstance(noun, Verdict))
    told = [noun.event for noun in nouns if isinstance(noun, Alert) and noun.state == "raised"]
    assert set(told) <= {"acknowledgement.inform"}  # one a second for all of a storm
    assert len(told) <= N_STORM / 100
    client.hang_up()


def test_multipart_garbage_is_answered_by_its_last_part(gateway, line):
    line.send_multipart([b"\x00" * 100] * 50 + [b"{"])
    while not line.poll(0):
        gateway.turn()
    assert b"refused" in line.recv()


ACKNOWLEDGE = STORMS["acknowledgements"]
# what the script of a page may send anywhere, unasked; of ZMTP 1.0 each byte is a length or a flag,
# so that a slide of ones leads to the request from wherever the head of the HTTP request ends
SLIDE = b"\x01" * 200
FRAME = bytes([len(ACKNOWLEDGE) + 1, 0]) + ACKNOWLEDGE
POST = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1:9005\r\nOrigin: http://evil.example\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 300\r\n\r\n"
)


@pytest.mark.parametrize("n_slide", [199, 200])
def test_a_web_page_cannot_speak_to_the_control_port(gateway, monkeypatch, n_slide):
    nouns = heard(gateway, monkeypatch)
    port = int(gateway.publisher.endpoints.control.rpartition(":")[2])
    with sockets.create_connection(("127.0.0.1", port), timeout=20) as raw:
        raw.sendall(POST + SLIDE[:n_slide] + FRAME)
        hung_up_on(raw)
    for _ in range(5):
        gateway.turn(at_most_ms=10)
    assert not [noun for noun in nouns if isinstance(noun, Alert)]


def hung_up_on(raw):
    """Wait until the other side closes."""
    with contextlib.suppress(ConnectionResetError):
        while raw.recv(1 << 16):
            pass


@pytest.mark.parametrize("where", ["control", "events", "mrd"])
def test_a_frame_of_4_gib_is_refused_by_its_length(gateway, where):
    """The length is all that is sent: one who believed it would ask for the memory."""
    endpoints = gateway.publisher.endpoints
    address = {
        "control": endpoints.control, "events": endpoints.events, "mrd": gateway.zmq_endpoint
    }[where]  # fmt: skip
    port = int(address.rpartition(":")[2])
    kind = b"SUB" if where == "events" else b"DEALER"
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    with sockets.create_connection(("127.0.0.1", port), timeout=20) as raw:
        raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
        raw.sendall(b"\x04" + bytes([len(ready)]) + ready)
        raw.sendall(b"\x02" + struct.pack(">Q", 1 << 32))  # a long frame, ZMTP 3.1
        hung_up_on(raw)  # without a byte of it taken
    gateway.turn()
