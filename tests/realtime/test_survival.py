"""A monitor that is killed in a treatment: what the next one knows, says, and does not pretend."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from messages import MonitorError
from messages.codec import decode
from realtime.cli.report import report
from realtime.clock import MonotonicClock
from realtime.gateway import Gateway
from realtime.outputs.publisher import Addresses
from realtime.settings import Settings
from tests.harness import (
    ANYWHERE,
    PROTOCOL,
    Asker,
    Client,
    Listener,
    Scan,
    children,
    close_message,
    header_message,
    wait_gone,
)

SERVE = """
import signal
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
signal.signal(signal.SIGTERM, lambda *_: setattr(gateway, "is_stopping", True))
try:
    gateway.run(lambda: False)
finally:
    gateway.close()
"""
SCAN = Scan()
SMALL = PROTOCOL.format(deadline_ms=4000.0, lease_ms=30_000.0, stall_ms=20_000.0)


class Served:
    """A monitor in a process of its own, and one who listens and one who asks."""

    def __init__(self, out: Path, memory: Path, protocol: str) -> None:
        self.out, self.memory = out, memory
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
        return self.events.wait(lambda t, n: t == "alert" and n.event == event and n.state == state)

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
        assert all(wait_gone(pid, timeout_s=40.0) for pid in offspring)
        self.close()

    def finish(self) -> None:
        """End it in order."""
        self.process.terminate()
        self.process.wait(20)
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

    def start(protocol: str = SMALL, *, memory: Path = memory) -> Served:
        started.append(Served(tmp_path / "out", memory, protocol))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def rules(verdict) -> set[str]:
    return {one.rule for one in verdict.findings}


def dose_min(verdict) -> float:
    return verdict.regions[0].dose_max_cem43_min


def heat(monitor: Served, *, scan: Scan = SCAN, **header: str) -> float:
    """Begin a treatment and heat in it; stop in mid-frame of the next. Return its dose.

    Two frames without heat follow: a state is written after its frame's answer, and a worker that
    is killed in between leaves the dose of the frame before.
    """
    client = monitor.connect(scan, **header)
    monitor.play(client, range(3), scan=scan)
    monitor.play(client, range(3, 6), rise_c=25.0, scan=scan)
    (*_, last) = monitor.play(client, range(6, 8), scan=scan)
    client.send(*scan.frame(8)[:16])
    assert dose_min(last) > 1.0
    return dose_min(last)


def restart_alert(monitor: Served):
    """Return the alert that a monitor raised at its start, before anybody could hear it."""
    return told(monitor, "monitor-restarted.hold")


def told(monitor: Served, event: str):
    """Return an alert of a monitor's own epoch from its journal, None where there is none.

    It has had two heartbeats' time to get there: nobody is told of it sooner.
    """
    for _ in range(2):
        monitor.events.topic("heartbeat", after=monitor.events.n_seen)
    rows = monitor.alerts_since(monitor.epoch, 0)
    ours = (noun for envelope, noun in rows if envelope.epoch == monitor.epoch)
    return next((one for one in ours if one.event == event), None)


@pytest.mark.parametrize("worker_first", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_same_treatment_goes_on_with_its_dose_and_says_so(monitors, worker_first):
    first = monitors()
    dose = heat(first)
    first.kill(worker_first=worker_first)
    second = monitors()
    alert = restart_alert(second)
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
    # a worker that is lost now leaves the dose that was taken over, too
    os.kill(second.worker_pid, signal.SIGKILL)
    second.alert("fault.hold", "cleared")
    (last,) = second.play(client, [5])
    assert dose_min(last) == pytest.approx(dose, rel=0.05)
    client.send(close_message())
    client.read_to_end()
    assert client.is_closed
    assert not list(second.memory.rglob("*.state"))
    assert not list(second.out.glob("open-runs/*"))


class Moved(Scan):
    """The same scan, 5 mm further along."""

    def head(self, frame, line, *, slice_=0):
        head = super().head(frame, line, slice_=slice_)
        head["position"] = (0.0, 0.0, 5.0)
        return head


@pytest.mark.slow
@pytest.mark.parametrize("other", ["patient", "place", "protocol"])
def test_another_treatment_takes_nothing_over_and_says_so(monitors, other):
    first = monitors()
    heat(first)
    first.kill()
    text = SMALL.replace("stop_above_c = 60.0", "stop_above_c = 59.0")
    second = monitors(text if other == "protocol" else SMALL)
    scan = Moved() if other == "place" else SCAN
    client = Client.to(second.port)
    second.clients.append(client)
    header = scan.header()
    if other == "patient":
        patient = b"<subjectInformation><patientName>Doe</patientName></subjectInformation>"
        header = header.replace(b"<acquisitionSystem", patient + b"<acquisitionSystem", 1)
    client.send(header_message(header))
    verdicts = second.play(client, range(4), scan=scan)
    assert dose_min(verdicts[-1]) < 0.1
    assert "dose-interrupted" not in rules(verdicts[-1])
    alert = second.alert("dose-not-taken-over.warn")
    assert alert.latched
    assert "Doe" not in alert.text
    # that another one is treated is no reason to forget what stood
    assert verdicts[-1].permit == "HELD"
    second.acknowledge(restart_alert(second).alert_id)
    (last,) = second.play(client, [4], scan=scan)
    assert last.permit == "GRANTED"


@pytest.mark.slow
def test_a_state_that_is_gone_is_told_and_the_dose_marked(monitors):
    first = monitors()
    heat(first)
    first.kill()
    for state in first.memory.rglob("*.state"):
        state.unlink()  # as a restart of the machine does
    second = monitors()
    assert "its dose is lost" in restart_alert(second).text
    client = second.connect()
    verdicts = second.play(client, range(4))
    assert all("dose-interrupted" in rules(one) for one in verdicts)
    assert "is lost: it is gone" in second.alert("dose-not-taken-over.warn").text


@pytest.mark.slow
def test_a_second_kill_forgets_nothing_and_an_acknowledgement_lasts(monitors):
    first = monitors()
    dose = heat(first)
    first.kill()
    second = monitors()
    second.kill()  # before anybody came
    third = monitors()
    alert = restart_alert(third)
    assert "temperature-max.hold" in alert.text
    client = third.connect()
    third.play(client, range(3))
    third.kill()  # before anybody acknowledged
    fourth = monitors()
    alert = restart_alert(fourth)
    assert "temperature-max.hold" in alert.text
    fourth.acknowledge(alert.alert_id)
    fourth.events.wait(
        lambda t, n: t == "alert" and n.alert_id == alert.alert_id and n.state == "withdrawn"
    )
    fourth.events.topic("heartbeat", after=fourth.events.n_seen)  # a turn of its loop later
    fourth.kill()
    fifth = monitors()
    assert restart_alert(fifth) is None
    client = fifth.connect()
    (*_, last) = fifth.play(client, range(4))
    assert dose_min(last) == pytest.approx(dose, rel=0.05)
    assert last.permit == "GRANTED"


@pytest.mark.slow
def test_tissue_that_is_warm_at_the_new_baseline_reads_cold_and_that_is_told(monitors):
    first = monitors()
    dose = heat(first)
    first.kill()
    second = monitors()
    client = second.connect()
    second.play(client, range(3), rise_c=6.0)
    (warm,) = second.play(client, [3], rise_c=6.0)
    (cooled,) = second.play(client, [4])
    # 43 °C reads as 37 °C, and 37 °C as 31 °C: never hotter than it is
    assert warm.regions[0].temperature_mean_c == pytest.approx(37.0, abs=0.5)
    assert cooled.regions[0].temperature_mean_c < 34.0
    assert dose_min(cooled) == pytest.approx(dose, rel=0.05)
    assert "reads as body temperature" in second.alert("dose-taken-over.warn").text


@pytest.mark.slow
def test_a_killed_run_has_an_end_and_a_report(monitors):
    first = monitors()
    heat(first)
    first.kill()
    second = monitors()
    (folder,) = (path.parent for path in second.out.rglob("raw.mrd"))
    second.play(second.connect(), range(1))  # by then the writer of run folders has started
    second.finish()
    content = json.loads((folder / "run.json").read_text())
    assert content["stop"]["status"] == "killed"
    assert content["stop"]["n_frames"] == 8
    assert content["start"]["therapy"] == "mrgfus"
    result = CliRunner().invoke(report, [str(folder)])
    assert result.exit_code == 0, result.output
    assert "killed" in (folder / "report.html").read_text()


@pytest.mark.slow
def test_no_patient_field_is_kept_beside_the_runs_or_in_memory_s_names(monitors):
    first = monitors()
    header = SCAN.header().replace(
        b"<acquisitionSystem",
        b"<subjectInformation><patientName>Doe^Jane</patientName><patientID>4711</patientID>"
        b"</subjectInformation><acquisitionSystem",
        1,
    )
    client = Client.to(first.port)
    first.clients.append(client)
    client.send(header_message(header))
    first.play(client, range(3))
    markers = list(first.out.glob("open-runs/*"))
    assert len(markers) == 1
    names = [str(path.relative_to(first.memory)) for path in first.memory.rglob("*")]
    for text in (markers[0].read_text(), *names):
        assert "Doe" not in text
        assert "4711" not in text
    for path in first.memory.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
    assert json.loads(markers[0].read_text())["identity"]


@pytest.mark.slow
def test_where_nothing_can_be_kept_it_is_told(monitors, tmp_path):
    monitor = monitors(memory=tmp_path / "none")
    client = monitor.connect()
    monitor.play(client, range(3))
    assert "none" in monitor.alert("dose-not-kept.warn").text
    monitor.kill()
    second = monitors(memory=tmp_path / "none")
    assert "its dose was not kept" in restart_alert(second).text


@pytest.mark.slow
def test_a_subscriber_gets_what_it_missed_of_both_lives_in_order(monitors):
    first = monitors()
    heat(first)
    epoch = first.epoch
    seen = [e.sequence for e, t, _ in first.events.events if t == "alert"]
    first.kill()
    second = monitors()
    assert restart_alert(second) is not None
    rows = [(envelope.epoch, envelope.sequence) for envelope, _ in second.alerts_since(epoch, 0)]
    n_old = sum(one == epoch for one, _ in rows)
    assert n_old >= max(seen) >= 1
    old = [(epoch, n) for n in range(1, n_old + 1)]
    assert rows == old + [(second.epoch, n) for n in range(1, len(rows) - n_old + 1)]
    assert len(rows) >= n_old + 2
    later = [(e.epoch, e.sequence) for e, _ in second.alerts_since(epoch, n_old)]
    assert later == rows[n_old:]


@pytest.mark.slow
def test_an_alert_that_was_told_before_it_was_on_disk_comes_again(monitors):
    """The disk takes nothing: SQLite's file is locked by somebody else."""
    first = monitors()
    client = first.connect()
    first.play(client, range(3))
    blocker = sqlite3.connect(first.out / "journal.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    first.play(client, range(3, 8), rise_c=25.0)
    alert = first.alert("temperature-max.hold")
    epoch = first.epoch
    assert alert.alert_id not in [n.alert_id for _, n in first.alerts_since(epoch, 0)]
    first.kill()
    blocker.close()
    second = monitors()
    again = [n for e, n in second.alerts_since(epoch, 0) if e.epoch == epoch]
    assert alert.alert_id in [one.alert_id for one in again]
    assert "temperature-max.hold" in restart_alert(second).text
    assert not list(second.memory.rglob(f"{epoch}*"))


@pytest.mark.slow
def test_a_corrupt_journal_is_kept_aside_and_told_in_a_new_epoch(monitors):
    first = monitors()
    heat(first)
    first.kill()
    journal = first.out / "journal.sqlite"
    for rest in first.out.glob("journal.sqlite-*"):
        rest.unlink()  # from its log SQLite would mend it
    journal.write_bytes(b"no database at all" * 1000)
    second = monitors()
    assert second.epoch != first.epoch
    assert "was corrupt" in told(second, "journal.warn").text
    assert "the journal was corrupt" in restart_alert(second).text
    (aside,) = first.out.glob("journal.sqlite.corrupt-*[0-9]")
    assert aside.read_bytes().startswith(b"no database at all")


def test_a_second_monitor_on_a_folder_is_refused_at_its_start(monitors, tmp_path):
    first = monitors()
    with pytest.raises(MonitorError, match=f"another monitor .process {first.process.pid}. writes"):
        Gateway(
            Settings(first.out, addresses=Addresses(ANYWHERE, ANYWHERE), tcp=None, zmq=None),
            MonotonicClock(),
        )
    rows = {e.epoch for e, _ in first.alerts_since("none", 0)}
    assert rows <= {first.epoch}
    first.kill()
    monitors()  # what was killed locks nothing
