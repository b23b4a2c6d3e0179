"""Valid sessions cut anywhere, and with bits flipped: an answer, a held permit, the next client.

The gateway is one and the same throughout; what it holds at the end is what it held before.
"""

import gc
import os
import socket
from pathlib import Path

import numpy as np
import pytest

from tests.harness import Client, Running, Scan, children, close_message, running

SCAN = Scan(n_pixels=8, lines=tuple(range(8)))
SESSION = SCAN.session(2)
STEP = 997  # bytes; prime, so that every field of a message is cut some time


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with running(tmp_path_factory.mktemp("damaged"), is_recording=False) as it:
        yield it


def n_open() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def settled(gateway: Running) -> None:
    """Wait until no session runs and everybody has been let go."""
    for _ in range(100):
        gateway.mark()
        if gateway.gateway.is_idle:
            return
    raise AssertionError("a session or a client was never let go")


def played(gateway: Running, stream: bytes) -> Client:
    client = gateway.connect()
    client.send(stream)
    client.connection.shutdown(socket.SHUT_WR)
    client.read_to_end()
    client.hang_up()
    return client


def is_answered(client: Client) -> bool:
    errors = [one for one in client.texts if one.startswith("ERROR")]
    return client.is_closed and len(errors) <= 1 and not any("\n" in one for one in errors)


def holds_nothing(gateway: Running, mark: int) -> bool:
    permits = gateway.since(mark, "permit")
    return (not permits or permits[-1].state == "HELD") and not gateway.gateway.sessions


def is_served(gateway: Running) -> bool:
    gateway.acknowledge_all()
    mark = gateway.mark()
    gateway.serves(Scan(), 3)
    gateway.events.wait(lambda t, n: t == "run.stop" and n.n_frames == 3, after=mark)
    return gateway.since(mark, "verdict")[-1].permit == "GRANTED"


def test_a_session_cut_at_any_byte_is_answered_and_freed(gateway: Running):
    assert is_served(gateway)
    settled(gateway)
    before, workers = n_open(), len(children(os.getpid()))
    for n_bytes in [*range(1, len(SESSION), STEP), len(SESSION) - 2, len(SESSION) - 1]:
        mark = gateway.mark()
        client = played(gateway, SESSION[:n_bytes])
        assert is_answered(client), n_bytes
        settled(gateway)
        assert holds_nothing(gateway, mark), n_bytes
    assert is_served(gateway)
    settled(gateway)
    assert n_open() <= before + 2
    assert len(children(os.getpid())) <= workers + 1


@pytest.mark.parametrize("seed", range(2))
def test_flipped_bits_end_a_session_or_do_not_matter(gateway: Running, seed):
    rng = np.random.default_rng(seed)
    settled(gateway)
    before = n_open()
    for _ in range(12):
        damaged = bytearray(SESSION)
        for bit in rng.integers(0, 8 * len(damaged), size=rng.integers(1, 6)):
            damaged[bit // 8] ^= 1 << (bit % 8)
        mark = gateway.mark()
        client = played(gateway, bytes(damaged))
        # the first bytes may have become a probe or nothing at all, which ends without a word
        assert is_answered(client) or not client.results
        settled(gateway)
        assert holds_nothing(gateway, mark)
    assert is_served(gateway)
    settled(gateway)
    assert n_open() <= before + 2


def test_flipped_bits_in_the_headers_of_readouts(gateway: Running):
    """Counters, flags, sizes: where nearly every bit means something."""
    rng = np.random.default_rng(7)
    size = len(SCAN.frame(0)[0])
    first = len(SCAN.opening())
    for _ in range(15):
        damaged = bytearray(SESSION)
        for _ in range(3):
            readout, byte = rng.integers(0, 16), rng.integers(2, 342)
            damaged[first + readout * size + byte] ^= 1 << rng.integers(0, 8)
        mark = gateway.mark()
        assert is_answered(played(gateway, bytes(damaged)))
        settled(gateway)
        assert holds_nothing(gateway, mark)
    assert is_served(gateway)


def test_a_client_that_resets_its_connection_leaves_nothing(gateway: Running):
    settled(gateway)
    before = n_open()
    for n_bytes in (0, 10, len(SCAN.opening()), len(SESSION) // 2):
        client = gateway.connect()
        client.send(SESSION[:n_bytes])
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.hang_up()
    settled(gateway)
    assert n_open() <= before + 2
    client = gateway.connect()
    client.send(close_message())
    client.read_to_end()
    client.hang_up()
    assert client.is_closed
