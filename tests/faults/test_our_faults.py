"""Faults 8 to 10, 22, 25 and 26 of the reference: what our own processes and operators can do."""

import json
import os
import signal
import subprocess
import sys

import pytest

from realtime import memory_watch
from tests.faults.treatments import granted, raised, verdict_of
from tests.harness import (
    Client,
    Listener,
    Running,
    Scan,
    children,
    is_running,
    running,
    wait_gone,
)

SCAN = Scan()
MIB = 1 << 20


def acknowledge(gateway: Running, alert_id: int, who: str = "me") -> dict:
    body = {"type": "acknowledge", "alert_id": alert_id, "who": who}
    return json.loads(gateway.ask(json.dumps(body).encode())[-1][0])


@pytest.mark.slow
def test_22_a_process_that_grows_is_told_and_a_worker_beyond_its_cap_replaced(
    tmp_path, monkeypatch
):
    taken: dict[int, int] = {}
    monkeypatch.setattr(memory_watch, "private_bytes", lambda pid: taken.get(pid, 0))
    monkeypatch.setattr(memory_watch, "_LOOK_NS", 0)
    with running(tmp_path, most_mib=1000) as gateway:
        client = granted(gateway)
        first, mark = gateway.gateway.worker_pid, gateway.mark()
        taken[os.getpid()] = 800 * MIB  # the gateway itself is told of, and goes on
        told = gateway.events.wait(raised("memory.warn"), after=mark)
        assert told.text == f"process {os.getpid()} takes 800 MiB, at most 1000"
        assert gateway.events.all("permit")[-1].state == "GRANTED"
        taken[first] = 1001 * MIB
        fault = gateway.events.wait(raised("fault.hold"), after=mark)
        assert "1001 MiB" in fault.text
        assert gateway.events.all("permit")[-1].state == "HELD"
        assert wait_gone(first)
        frame, verdict = 3, None
        while verdict is None or verdict.outcome != "COMPUTED":
            client.send(*SCAN.frame(frame))
            verdict, frame = verdict_of(gateway, frame, mark), frame + 1
        assert gateway.gateway.worker_pid != first
        assert "dose-interrupted" in [one.rule for one in verdict.findings]
        client.hang_up()


SERVE = """
import sys
from realtime.cli import main
sys.argv = ["mrmonitor", "serve", "--out", sys.argv[1], "--port", "0", "--zmq-port", "0",
            "--events-port", "0", "--control-port", "0", "--no-page", "--no-metrics",
            "--no-report",
            "--protocol", sys.argv[2]]
main()
"""


@pytest.mark.slow
def test_25_told_to_stop_it_holds_and_ends_though_everybody_is_frozen(tmp_path):
    """Client, subscriber, worker, and run folder's process are frozen; 3 s is what it may take."""
    protocol = tmp_path / "small.toml"
    from tests.harness import PROTOCOL

    protocol.write_text(PROTOCOL.format(deadline_ms=4000.0, lease_ms=30_000.0, stall_ms=20_000.0))
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path / "out"), str(protocol)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    try:
        ports = _announced(process)
        listener = Listener(ports["events"])
        listener.topic("heartbeat")
        client = Client.to(int(ports["MRD over TCP"].rpartition(":")[2]))
        client.send(SCAN.opening())
        for n in range(3):
            client.send_frame(SCAN, n)
        listener.wait(lambda t, n: t == "permit" and n.state == "GRANTED")
        seen = listener.n_seen
        offspring = children(process.pid)
        client.send(*SCAN.frame(3)[:9])  # and from here on it reads nothing
        for pid in offspring:
            os.kill(pid, signal.SIGSTOP)
        process.terminate()
        assert listener.wait(lambda t, n: t == "permit", after=seen).state == "HELD"
        assert process.wait(3.0) == 0
        assert not [pid for pid in offspring if is_running(pid)]
        client.hang_up()
        listener.close()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _announced(process: "subprocess.Popen[str]") -> dict[str, str]:
    said: dict[str, str] = {}
    for line in process.stdout:
        _, _, text = line.partition("  ")
        for name in ("MRD over TCP", "events", "control"):
            if text.startswith(name):
                said[name] = text[len(name) :].strip()
        if "run folders" in text:
            return said
    raise AssertionError(f"it ended: {said}")


def test_26_an_unknown_or_old_alert_is_acknowledged_idempotently_and_journalled(tmp_path):
    with running(tmp_path) as gateway:
        stranger = gateway.connect()
        stranger.send(b"\xff\xff")
        stranger.read_to_end()
        stranger.hang_up()
        alert = gateway.events.wait(raised("stream-lost.hold"))
        assert acknowledge(gateway, alert.alert_id)["status"] == "done"
        gateway.events.wait(
            lambda t, n: t == "alert" and n.alert_id == alert.alert_id and n.state == "withdrawn"
        )
        mark = gateway.mark()
        for _ in range(3):  # an old one, again and again
            assert acknowledge(gateway, alert.alert_id, "you")["status"] == "done"
        assert acknowledge(gateway, 10**9, "x" * 10_000)["status"] == "refused"
        told = gateway.events.wait(raised("acknowledgement.inform"), after=mark)
        assert f"alert {alert.alert_id} by you" in told.text
        gateway.mark()
        mine = [one for one in gateway.since(mark, "alert") if one.alert_id == alert.alert_id]
        assert mine == []  # nothing about the alert itself has changed
        assert len(gateway.since(mark, "alert")) <= 4  # a storm does not fill the journal
        rows = gateway.ask(b'{"type": "resume", "epoch": "another", "after": 0}')[:-1]
        assert any(b"by you" in parts[1] for parts in rows)
