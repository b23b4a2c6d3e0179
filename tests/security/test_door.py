"""Who comes in over ZeroMQ and over TCP, at a gateway that runs."""

import contextlib
import socket
import struct

import pytest
import zmq

from messages import MonitorError
from realtime import control_line
from realtime.cli.open_host import LOOPBACK, listening
from realtime.security import keys
from realtime.security.door import Door, network
from realtime.streams.links import open_link
from tests.harness import PATIENCE_S, running, small_protocol

SHORT_MS = 300  # how long a refused client waits for words that never come


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The keys of a monitor, of a client that it allows, and of one that it does not."""
    root = tmp_path_factory.mktemp("keys")
    public = keys.new_pair(root / "monitor").public
    for name in ("friend", "stranger"):
        pair = keys.new_pair(root / name)
        keys.trust_server(root / name, public)
        if name == "friend":
            keys.allow(root / "monitor", name, pair.public)
    return root


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, folders):
    with running(tmp_path_factory.mktemp("out"), small_protocol(), keys=folders / "monitor") as it:
        yield it


def addresses(guarded):
    return {
        "mrd": (zmq.DEALER, guarded.gateway.zmq_endpoint),
        "events": (zmq.SUB, guarded.gateway.publisher.endpoints.events),
        "control": (zmq.DEALER, guarded.gateway.publisher.endpoints.control),
    }


def asked(guarded, folder):
    """Return what the control port answers to a client with these keys."""
    control = guarded.gateway.publisher.endpoints.control
    with pytest.raises(MonitorError) as error:
        control_line.ask(
            control, {"type": "acknowledge", "alert_id": 999, "who": "me"}, keys=folder
        )
    return str(error.value)


def test_an_allowed_key_is_served_on_every_socket(guarded, folders):
    assert "no open alert 999" in asked(guarded, folders / "friend")
    context = zmq.Context()
    try:
        listener = context.socket(zmq.SUB)
        listener.subscribe("heartbeat")
        keys.secure_client(listener, folders / "friend")
        listener.connect(guarded.gateway.publisher.endpoints.events)
        assert listener.poll(PATIENCE_S * 1000)
    finally:
        context.destroy(linger=0)
    link = open_link(guarded.gateway.zmq_endpoint.replace("tcp", "zmq"), keys=folders / "friend")
    try:
        link.send(memoryview(struct.pack("<H", 4)))  # CLOSE, a liveness probe
        link.wait(PATIENCE_S, for_sending=False)
        assert link.receive() == struct.pack("<H", 4)
    finally:
        link.close()


@pytest.mark.parametrize("which", ["mrd", "events", "control"])
@pytest.mark.parametrize("who", ["stranger", "no key", "wrong server"])
def test_nobody_else_hears_a_word_or_is_heard(guarded, folders, which, who):
    kind, address = addresses(guarded)[which]
    context = zmq.Context()
    try:
        client = context.socket(kind)
        if kind == zmq.SUB:
            client.subscribe("")
        if who != "no key":
            keys.secure_client(client, folders / ("friend" if who == "wrong server" else who))
        if who == "wrong server":
            client.curve_serverkey = zmq.curve_keypair()[0]
        client.connect(address)
        if kind == zmq.DEALER:
            # a refusal that is quicker than this line leaves nobody to send to
            with contextlib.suppress(zmq.Again):
                client.send(struct.pack("<H", 4), zmq.NOBLOCK)
        assert not client.poll(SHORT_MS)
    finally:
        context.destroy(linger=0)
    assert guarded.is_alive


def test_who_is_refused_before_the_question_is_not_left_waiting(guarded, folders, monkeypatch):
    def until_refused(line, address, *, keys):
        connect(line, address, keys=keys)
        while line.poll(1, zmq.POLLOUT):  # until ZeroMQ has given the line up
            pass

    connect = control_line.connect
    monkeypatch.setattr(control_line, "connect", until_refused)
    assert "no monitor answers" in asked(guarded, folders / "stranger")


def test_a_stranger_s_key_is_told_by_its_fingerprint(guarded, folders):
    context = zmq.Context()
    try:
        client = context.socket(zmq.DEALER)
        keys.secure_client(client, folders / "stranger")
        client.connect(addresses(guarded)["control"][1])
        alert = guarded.events.wait(
            lambda t, n: t == "alert" and n.event == "client-refused.inform" and "key" in n.text,
            after=0,
        )
    finally:
        context.destroy(linger=0)
    assert keys.fingerprint(keys.read_pair(folders / "stranger").public) in alert.text
    assert "127.0.0.1" in alert.text


def test_without_keys_mrd_over_zeromq_comes_from_the_scanner_alone(tmp_path):
    with running(tmp_path, scanners=(network("127.0.0.9"),)) as gateway:
        endpoint = gateway.gateway.zmq_endpoint
        context = zmq.Context()
        try:
            stranger, scanner = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
            stranger.connect(endpoint)
            scanner.connect(endpoint.replace("//", "//127.0.0.9:0;"))
            for one in (stranger, scanner):
                one.send(struct.pack("<H", 4))
            assert scanner.poll(PATIENCE_S * 1000)
            assert not stranger.poll(SHORT_MS)
        finally:
            context.destroy(linger=0)
        assert "127.0.0.1" in gateway.events.topic("alert").text
        # whoever listens and asks is no scanner
        assert "no open alert 999" in asked(gateway, None)


def test_a_revoked_key_is_refused_at_its_next_connection(guarded, folders, tmp_path):
    late = tmp_path / "late"
    public = keys.new_pair(late).public
    keys.trust_server(late, keys.read_public(folders / "monitor" / "own.key"))
    keys.allow(folders / "monitor", "late", public)  # while the monitor runs
    assert "no open alert" in asked(guarded, late)
    keys.revoke(folders / "monitor", "late")
    assert "no monitor answers" in asked(guarded, late)
    assert "no open alert" in asked(guarded, folders / "friend")


def test_a_gateway_with_an_open_secret_does_not_start(tmp_path, folders):
    with zmq.Context() as context:
        with pytest.raises(MonitorError, match=r"own\.key_secret: No such file"):
            Door(context, tmp_path)
        keys.new_pair(tmp_path / "keys")
        (tmp_path / "keys" / "own.key_secret").chmod(0o644)
        with pytest.raises(MonitorError, match="others can read"):
            Door(context, tmp_path / "keys")
        (tmp_path / "keys" / "own.key_secret").chmod(0o600)
        (tmp_path / "keys").chmod(0o777)
        with pytest.raises(MonitorError, match="others can write"):
            Door(context, tmp_path / "keys")


def test_only_the_scanner_may_send_over_tcp(tmp_path):
    scanners = (network("127.0.0.9"),)
    with running(tmp_path, scanners=scanners) as gateway:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S) as one:
                try:
                    assert one.recv(1) == b""  # closed at accept, without a word
                except ConnectionResetError:
                    continue
        with socket.create_connection(
            ("127.0.0.1", gateway.port), timeout=PATIENCE_S, source_address=("127.0.0.9", 0)
        ) as scanner:
            scanner.sendall(struct.pack("<H", 4))
            assert scanner.recv(2) == struct.pack("<H", 4)
        alert = gateway.events.topic("alert")
        assert alert.event == "client-refused.inform"
        assert "127.0.0.1" in alert.text
        gateway.mark()
        told = [one for one in gateway.events.all("alert") if one.state == "raised"]
        assert len(told) <= 5  # the others in one line, when the minute is over
        assert gateway.gateway.sessions == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "unencrypted"),
        ({"scanners": ["10.0.0.9"]}, "unencrypted"),
        ({"is_unencrypted": True}, "--scanner"),
        ({"keys": True, "is_unencrypted": True}, "--scanner"),
        ({"keys": True, "scanners": ["10.0.0.9"]}, "tunnel"),
        ({"keys": True, "scanners": ["10.0.0.999"], "is_unencrypted": True}, "10.0.0.999"),
        ({"keys": True, "host": "console.example.org"}, "IP address"),
        ({"host": "::1"}, "IPv4"),
    ],
)
def test_a_network_is_listened_to_only_with_all_that_it_takes(tmp_path, options, told):
    given = {"host": "0.0.0.0", "keys": None, "scanners": [], "is_unencrypted": False, **options}
    given["keys"] = tmp_path if given["keys"] else None
    with pytest.raises(MonitorError, match=told):
        listening(given.pop("host"), **given)


def test_with_keys_alone_mrd_over_tcp_stays_on_this_machine(tmp_path):
    where = listening("192.0.2.1", keys=tmp_path, scanners=[], is_unencrypted=False)
    assert (where.tcp_host, where.scanners) == (LOOPBACK, None)
    where = listening("192.0.2.1", keys=tmp_path, scanners=["10.1.0.0/16"], is_unencrypted=True)
    assert (where.tcp_host, where.scanners) == ("192.0.2.1", (network("10.1.0.0/16"),))
