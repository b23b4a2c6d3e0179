"""The gateway over real sockets: good sessions, and everybody who is not one."""

import socket
import struct

import numpy as np
import pytest
import zmq

from realtime.gateway import Gateway, Settings
from realtime.clock import MonotonicClock
from realtime.outputs.publisher import Addresses
from realtime.streams.links import open_link
from realtime.streams.player import PlayerSettings, play
from realtime.streams.recordings import open_recording
from messages import MonitorError
from simulators.mrd import CLOSE, IMAGE, TEXT, ResultReader
from tests.harness import (
    ANYWHERE,
    Running,
    Scan,
    close_message,
    config_message,
    header_message,
    running,
    small_protocol,
)


def test_a_session_comes_back_as_three_image_series_and_close(shared_gateway: Running, scan: Scan):
    client = shared_gateway.serves(scan, n_frames=4)
    images = [one for one in client.results if one.identifier == IMAGE]
    assert {one.matrix for one in images} == {(32, 32, 1)}
    assert len({one.series for one in images}) == 3
    assert all(len({one.series for one in images[n : n + 3]}) == 3 for n in (0, 3, 6, 9))


def test_good_frames_after_the_baseline_are_granted(shared_gateway: Running, scan: Scan):
    mark = shared_gateway.events.n
    shared_gateway.serves(scan, n_frames=4)
    stop = shared_gateway.events.topic("run.stop", after=mark)
    assert (stop.status, stop.n_frames, stop.n_late, stop.n_fault, stop.n_incomplete) == (
        "completed", 4, 0, 0, 0,
    )  # fmt: skip
    assert stop.n_readouts == 4 * 32
    verdicts = [n for _, t, n in shared_gateway.events.events[mark:] if t == "verdict"]
    assert [one.permit for one in verdicts] == ["HELD", "HELD", "GRANTED", "GRANTED"]
    permits = [n for _, t, n in shared_gateway.events.events[mark:] if t == "permit"]
    assert permits[-1].state == "HELD"  # the end withdraws it


def test_config_then_close_gets_exactly_close(shared_gateway: Running):
    client = shared_gateway.connect()
    client.send(config_message("default"), close_message())
    assert [one.identifier for one in client.read_to_end()] == [CLOSE]
    client.hang_up()


def test_a_connection_without_a_byte_is_silent(shared_gateway: Running, scan: Scan):
    mark = shared_gateway.events.n
    client = shared_gateway.connect()
    client.connection.shutdown(socket.SHUT_WR)
    assert client.read_to_end() == []
    client.hang_up()
    shared_gateway.serves(scan, n_frames=1)
    shared_gateway.events.topic("run.stop", after=mark)
    assert not [n for _, t, n in shared_gateway.events.events[mark:] if t == "alert"]


def test_a_query_is_answered_beside_a_session(shared_gateway: Running):
    client = shared_gateway.connect()
    text = b"ismrmrd::version"
    client.send(struct.pack("<HQQQ", 6, 0, 77, len(text)) + text)
    answer = client.connection.recv(1 << 16)
    kind, correlation, length = struct.unpack_from("<HQQ", answer)
    assert (kind, correlation) == (7, 77)
    assert answer[18 : 18 + length] == b"mrmonitor"
    client.hang_up()


def test_a_port_in_use_is_said_in_a_line_and_leaves_nothing(shared_gateway: Running, tmp_path):
    anywhere = Addresses(ANYWHERE, ANYWHERE)
    settings = Settings(
        tmp_path, None, tcp=("127.0.0.1", shared_gateway.port), zmq=None, addresses=anywhere
    )
    with pytest.raises(MonitorError, match="choose another port"):
        Gateway(settings, MonotonicClock())
