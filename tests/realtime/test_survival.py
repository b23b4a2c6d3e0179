"""A monitor that is killed in a treatment: what the next one knows, says, and does not pretend."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from messages.codec import decode
from tests.harness import (
    PROTOCOL,
    Asker,
    Client,
    Listener,
    Scan,
    children,
    close_message,
    wait_gone,
)

SERVE = """
import sys
from pathlib import Path
from realtime.clock import MonotonicClock
from realtime.gateway import Gateway
from realtime.settings import Settings
from realtime.outputs.publisher import Addresses
from realtime.protocol import parse_protocol

anywhere = "tcp://127.0.0.1:*"
gateway = Gateway(
    Settings(Path(sys.argv[1]), parse_protocol(sys.stdin.read()), tcp=("127.0.0.1", 0), zmq=None,
             addresses=Addresses(anywhere, anywhere), keeps_spare=False, memory=Path(sys.argv[2])),
    MonotonicClock(),
)
ends = gateway.publisher.endpoints
print(gateway.tcp_port, ends.events, ends.control, gateway.worker_pid, flush=True)
gateway.run(lambda: False)
"""
SCAN = Scan()
PATIENT = "<patientName>Doe^Jane</patientName><patientID>4711</patientID>"


class Served:
    """A monitor in a process of its own, and one who listens and one who asks."""

    def __init__(self, out: Path, memory: Path, protocol: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(out), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.process.stdin.write(protocol.encode())
        self.process.stdin.close()
        port, events, self.control, pid = self.process.stdout.readline().decode().split()
        self.port, self.worker_pid = int(port), int(pid)
        self.events = Listener(events)
        self.clients: list[Client] = []
        self.events.topic("heartbeat")

    @property
    def epoch(self) -> str:
        return self.events.events[-1][0].epoch

    def ask(self, request: str) -> list[list[bytes]]:
        asker = Asker(self.control)
        try:
            return asker.ask(request.encode())
        finally:
            asker.close()

    def alerts_since(self, epoch: str, after: int):
        parts = self.ask(f'{{"type": "resume", "epoch": "{epoch}", "after": {after}}}')[:-1]
        return [decode(one) for one in parts]

    def acknowledge(self, alert_id: int) -> None:
        request = f'{{"type": "acknowledge", "alert_id": {alert_id}, "who": "test"}}'
        assert b"done" in self.ask(request)[-1][0]

    def connect(self, scan: Scan = SCAN, **header: str) -> Client:
        client = Client.to(self.port)
        self.clients.append(client)
        client.send(scan.opening(**header))
        return client

    def alert(self, event: str, state: str = "raised"):
        return self.events.wait(
            lambda t, n: t == "alert" and n.event == event and n.state == state
        )

    def play(self, client: Client, frames, *, rise_c: float = 0.0, scan: Scan = SCAN):
        """Send frames one by one; return their verdicts."""
        verdicts = []
        for n in frames:
            after = self.events.n_seen
            client.send(*scan.frame(n, rise_c=rise_c))
            verdicts.append(
                self.events.wait(lambda t, v, n=n: t == "verdict" and v.frame_id == n, after=after)
            )
        return verdicts

    def kill(self, *, worker_first: bool = False) -> None:
        """End it as a crash or a power switch would; wait until nothing of it is left."""
        offspring = children(self.process.pid)
        if worker_first:
            os.kill(self.worker_pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        assert all(wait_gone(pid, timeout_s=10.0) for pid in offspring)
        self.close()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self.close()

    def close(self) -> None:
        for client in self.clients:
            client.hang_up()
        self.events.close()
        self.process.stdout.close()


@pytest.fixture
def monitors(tmp_path):
    """Monitors that follow each other on one folder, in one memory."""
    started: list[Served] = []
    memory = tmp_path / "memory"
    memory.mkdir()
    text = PROTOCOL.format(deadline_ms=4000.0, lease_ms=30_000.0, stall_ms=20_000.0)

    def start(protocol: str = text) -> Served:
        started.append(Served(tmp_path / "out", memory, protocol))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def rules(verdict) -> set[str]:
    return {one.rule for one in verdict.findings}


def dose_min(verdict) -> float:
    return verdict.regions[0].dose_max_cem43_min


@contextlib.contextmanager
def heated(monitor: Served, *, frames: int = 8) -> Iterator[float]:
    """A treatment with dose, in mid-frame; gives the dose of its last whole frame."""
    client = monitor.connect(studyInformation="")if False else monitor.connect()
    monitor.play(client, range(3))
    (*_, last) = monitor.play(client, range(3, frames), rise_c=25.0)
    client.send(*SCAN.frame(frames, rise_c=25.0)[:16])
    yield dose_min(last)


@pytest.mark.parametrize("worker_first", [False, True])
def test_the_same_treatment_goes_on_with_its_dose_and_says_so(monitors, worker_first):
    first = monitors()
    with heated(first) as dose:
        assert dose > 1.0
        first.kill(worker_first=worker_first)
    second = monitors()
    alert = second.alerts_since(second.epoch, 0)[0][1]
    assert alert.event == "monitor-restarted.hold"
    assert "temperature-max.hold" in alert.text
    client = second.connect()
    verdicts = second.play(client, range(4))
    assert "temperature-max" not in rules(verdicts[-1])
    assert all("dose-interrupted" in rules(one) for one in verdicts)
    assert dose_min(verdicts[-1]) == pytest.approx(dose, rel=0.05)
    assert second.alert("dose-taken-over.warn").latched
    assert all(one.permit == "HELD" for one in verdicts)
    second.acknowledge(alert.alert_id)
    (last,) = second.play(client, [4])
    assert last.permit == "GRANTED"
    client.send(close_message())
    client.read_to_end()
