"""The process and its clients over real sockets: what it serves, and what harms nobody."""

import contextlib
import itertools
import os
import signal
import socket
import struct

import numpy as np
import pytest
from click.testing import CliRunner

from messages import Permit
from realtime.cli.companion import Place
from realtime.cli.openigtlink_process import OpenIgtLinkProcess
from realtime.cli.serve import serve
from tests.harness import frozen, is_running
from tests.realtime.outputs.openigtlink.peer import Peer, make
from tests.realtime.outputs.page.monitor import Monitor, alert, maps, resident_mib

_numbers = itertools.count(1)
PERMIT = ("STATUS", "mrm permit")


def exchange(monitor, peer):
    """Publish a picture; return it as a client got it."""
    monitor.say(maps(next(_numbers)))
    return peer.wait("IMAGE", "mrm magnitude")


@pytest.fixture
def good(peers, monitor):
    """A client beside the one that misbehaves."""
    peer = peers()
    peer.wait(*PERMIT, lambda found: found.status[0] != 13)
    return peer


def farewell(peer):
    """What a client is told before it is hung up on."""
    return [one.status for one in peer.read_to_end() if one.key == ("STATUS", "mrmonitor")]


def test_a_newcomer_is_told_the_permit_and_the_current_pictures(good, monitor, peers):
    exchange(monitor, good)
    newcomer = peers()
    kinds = {newcomer.next().key for _ in range(4)}
    assert kinds >= {PERMIT, ("STRING", "mrm permit"), ("IMAGE", "mrm magnitude")}


def test_several_clients_get_the_same_pictures(good, monitor, peers):
    another = peers()
    found = exchange(monitor, good)
    assert another.wait("IMAGE", "mrm magnitude").voxels.shape == found.voxels.shape
    assert np.array_equal(found.voxels, maps(0).magnitude)


def test_alerts_that_were_missed_are_asked_for(monitor, peers):
    number = len(monitor._alerts)
    monitor.say(alert(number, text="nobody heard this"), is_lost=True)
    found = peers().wait("STRING", "mrm alerts", lambda one: "nobody heard" in one.text)
    assert "medium (raised)" in found.text
    monitor.say(alert(number, "withdrawn", text="nobody heard this"))


def test_get_is_answered_with_the_newest_or_with_nothing(good, monitor):
    exchange(monitor, good)
    good.say(make("GET_IMAGE", "mrm magnitude"))
    assert good.wait("IMAGE", "mrm magnitude").voxels.shape == (1, 32, 32)
    good.say(make("GET_IMAGE", "mrm dose"))
    assert good.wait("IMAGE", "mrm dose").body == b""
    good.say(make("GET_CAPABIL"))
    listed = good.wait("CAPABILITY", "").body
    assert listed[:12].rstrip(b"\0") == b"IMAGE"
    good.say(make("GET_TRANS"))
    assert good.wait("TRANSFORM", "").body == b""


def test_a_stream_is_stopped_and_started_for_one_client(good, monitor, peers):
    another = peers()
    good.say(make("STP_IMAGE", "mrm temperature"))
    assert good.wait("RTS_IMAGE", "mrm temperature").body == b"\0"
    good.heard.clear()
    exchange(monitor, good)
    assert another.wait("IMAGE", "mrm temperature")
    monitor.say(maps(0))
    good.wait("IMAGE", "mrm magnitude")
    good.say(make("STT_IMAGE", "mrm temperature"))
    good.wait("RTS_IMAGE", "mrm temperature")
    assert not [one for one in good.heard if one.key == ("IMAGE", "mrm temperature")]
    monitor.say(maps(0))
    assert good.wait("IMAGE", "mrm temperature")


@pytest.mark.parametrize("kind", ["STP_STATUS", "STT_TDATA"])
def test_what_is_not_obeyed_is_said(good, kind):
    good.say(make(kind))
    assert good.wait(f"RTS_{kind[4:]}", "").body == b"\1"


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (
            make("IMAGE", n_bytes=2**63),
            8,
            "body of 9223372036854775808 bytes, expected at most 65536",
        ),
        (make("GET_IMAGE", body=b"x", crc=1), 9, "check sum of GET_IMAGE is false"),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: everything there is\r\n\r\n",
            12,
            "version",
        ),
    ],
)
def test_what_cannot_be_is_told_and_hung_up_on(good, monitor, peers, content, code, said):
    bad = peers()
    bad.say(content)
    ((told, _, _, text),) = farewell(bad)
    assert told == code
    assert said in text
    exchange(monitor, good)


def test_a_client_that_closes_in_mid_header_harms_nobody(good, monitor, peers):
    for _ in range(20):
        bad = peers()
        bad.say(make("GET_IMAGE")[:17])
        bad.close()
    reset = peers()
    reset.say(make("GET_IMAGE")[:17])
    reset.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reset.close()
    exchange(monitor, good)


def test_a_client_that_sends_byte_by_byte_harms_nobody(good, monitor, peers):
    slow = peers()
    for octet in make("GET_CAPABIL"):
        slow.say(bytes([octet]))
        exchange(monitor, good)
    assert slow.wait("CAPABILITY", "")


def test_a_client_that_never_reads_costs_little_and_nobody_else(good, monitor, server, peers):
    exchange(monitor, good)
    for _ in range(3):
        peers(SO_RCVBUF=4096)
    before_mib = resident_mib(server.pid)
    for n in range(60):
        monitor.say(maps(n, n_pixels=256))  # half a MiB a frame
        good.wait("IMAGE", "mrm magnitude")
    assert resident_mib(server.pid) - before_mib < 12


def test_a_storm_of_questions_is_hung_up_on(good, monitor, peers):
    bad = peers()
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            bad.say(make("GET_IMAGE", "mrm magnitude") * 100)
    exchange(monitor, good)
    told = [status for status in farewell(bad) if "4 KiB a second" in status[3]]
    assert told or bad.next() is None


def test_a_seventeenth_client_is_told_that_it_is_one_too_many(good, monitor, peers):
    crowd = [peers() for _ in range(15)]
    for one in crowd:
        one.wait(*PERMIT)
    ((code, _, _, text),) = farewell(peers())
    assert code == 6
    assert "16 clients" in text
    exchange(monitor, good)


def test_a_picture_of_a_silent_monitor_is_not_given(good, monitor, peers):
    exchange(monitor, good)
    monitor.is_beating = False
    try:
        found = good.wait(*PERMIT, lambda one: one.status[0] == 7)
        assert "silent" in found.status[3]
        newcomer = peers()
        newcomer.say(make("GET_IMAGE", "mrm magnitude"))
        assert newcomer.wait("IMAGE", "mrm magnitude").body == b""
    finally:
        monitor.is_beating = True
        good.wait(*PERMIT, lambda one: one.status[0] != 7)


def test_a_lease_that_lapses_reaches_the_client(good, monitor):
    monitor.permit_state, monitor.run_id = "GRANTED", "run"
    try:
        monitor.say(Permit("GRANTED", 300.0, "", 0, "run"))
        assert good.wait(*PERMIT, lambda one: one.status[2] == "GRANTED").status[1] <= 300
        found = good.wait(*PERMIT, lambda one: one.status[2] == "HELD")
        assert "lapsed" in found.status[3]
    finally:
        monitor.permit_state, monitor.run_id = "HELD", ""


def test_it_ends_with_its_starter_though_clients_are_frozen_and_a_dead_one_is_told_of_once():
    monitor = Monitor()
    with contextlib.closing(monitor):
        process = OpenIgtLinkProcess("127.0.0.1", 0, Place(monitor.endpoints, None))
        stuck = Peer(process.where, SO_RCVBUF=4096)
        stuck.wait(*PERMIT)
        process.close()
        assert not is_running(process.pid)
        stuck.close()
        process = OpenIgtLinkProcess("127.0.0.1", 0, Place(monitor.endpoints, None))
        with frozen(process.pid):
            process.close()
        assert not is_running(process.pid)
        process = OpenIgtLinkProcess("127.0.0.1", 0, Place(monitor.endpoints, None))
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert "OpenIGTLink has died" in process.problem()
        assert process.problem() is None
        process.close()


def test_another_address_than_this_machine_is_refused_unless_written():
    found = CliRunner().invoke(serve, ["--openigtlink-port", "0", "--openigtlink-host", "0.0.0.0"])
    assert found.exit_code != 0
    assert "no encryption" in str(found.exception)


def test_a_busy_port_is_told_before_anything_is_started(monitor):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Exception, match=f"OpenIGTLink 127.0.0.1:{port}"):
            OpenIgtLinkProcess("127.0.0.1", port, Place(monitor.endpoints, None))
