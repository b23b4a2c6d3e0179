"""Processes that die or hang in mid-treatment, and what is left of them."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from realtime import worker_watch
from realtime.streams.header_allow_list import deidentified_xml
from realtime.streams.recordings import open_recording
from tests.harness import (
    PROTOCOL,
    Client,
    Listener,
    Running,
    Scan,
    children,
    close_message,
    frozen,
    running,
    small_protocol,
    wait_gone,
)

SCAN = Scan()
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
             addresses=Addresses(anywhere, anywhere)),
    MonotonicClock(),
)
print(gateway.tcp_port, gateway.publisher.endpoints.events, gateway.worker_pid, flush=True)
gateway.run(lambda: False)
"""


def granted(gateway: Running, n_frames: int = 3) -> Client:
    """A client whose treatment is granted after `n_frames`."""
    mark = gateway.mark()
    client = gateway.connect()
    client.send(SCAN.opening())
    for n in range(n_frames):
        client.send_frame(SCAN, n)
    gateway.events.wait(lambda t, n: t == "permit" and n.state == "GRANTED", after=mark)
    return client


def verdict_of(gateway: Running, frame: int, mark: int):
    return gateway.events.wait(lambda t, n: t == "verdict" and n.frame_id == frame, after=mark)


@pytest.fixture
def treatment(tmp_path):
    with running(tmp_path, small_protocol(deadline_ms=1500.0)) as gateway:
        client = granted(gateway)
        yield gateway, client
        client.hang_up()


def test_a_killed_worker_is_a_latched_fault_and_the_treatment_goes_on(treatment):
    gateway, client = treatment
    mark = gateway.mark()
    first_pid = gateway.gateway.worker_pid
    client.send(*SCAN.frame(3)[:16])  # in mid-frame
    os.kill(first_pid, signal.SIGKILL)
    fault = verdict_of(gateway, 3, mark)
    assert fault.outcome == "FAULT"
    assert gateway.since(mark, "permit")[-1].state == "HELD"
    alert = gateway.events.wait(
        lambda t, n: t == "alert" and n.event == "fault.hold" and n.state == "raised", after=mark
    )
    assert alert.latched
    client.send(*SCAN.frame(3)[16:])
    # frames go on; those before the new worker is ready are LATE, then they are computed
    frame = 3
    verdict = fault
    while verdict.outcome != "COMPUTED":
        frame += 1
        client.send(*SCAN.frame(frame))
        verdict = verdict_of(gateway, frame, mark)
    assert gateway.gateway.worker_pid != first_pid
    assert "dose-interrupted" in [one.rule for one in verdict.findings]
    assert verdict.permit == "HELD"  # latched
    raised = {one.alert_id for one in gateway.since(mark, "alert")}
    for alert_id in raised:
        request = f'{{"type": "acknowledge", "alert_id": {alert_id}, "who": "test"}}'
        assert b"done" in gateway.ask(request.encode())[-1][0]
    for later in range(frame + 1, frame + 4):
        client.send(*SCAN.frame(later))
        verdict = verdict_of(gateway, later, mark)
    assert verdict.outcome == "COMPUTED"
    assert verdict.permit == "GRANTED"
    outcomes = [one.frame_id for one in gateway.since(mark, "verdict")]
    assert len(outcomes) == len(set(outcomes))
    client.send(close_message())
    client.read_to_end()
    assert client.is_closed
    assert any("worker process" in text for text in client.texts)


@pytest.mark.slow
def test_a_killed_worker_leaves_the_dose_of_each_of_many_slices(tmp_path):
    """Twenty slices: each is kept, however many there are."""
    scan = replace(SCAN, n_slices=20)
    with running(tmp_path, small_protocol()) as gateway:
        client = gateway.connect()
        client.send(scan.opening())
        mark = gateway.mark()

        def play(n: int, slice_: int):
            n_images = client.n_images + 3
            client.send(*scan.frame(n, rise_c=12.0 * (n > 1), slice_=slice_))
            client.read_until(lambda _: client.n_images >= n_images)
            verdict = verdict_of(gateway, 20 * n + slice_, mark)
            assert verdict.outcome == "COMPUTED"
            return verdict

        before = [play(n, slice_) for n in range(4) for slice_ in range(20)][-20:]
        mark = gateway.mark()
        client.send(*scan.frame(4)[:16])
        os.kill(gateway.gateway.worker_pid, signal.SIGKILL)
        assert verdict_of(gateway, 80, mark).outcome == "FAULT"
        client.send(*scan.frame(4)[16:])
        gateway.events.wait(  # the next worker is ready
            lambda t, n: t == "alert" and n.event == "fault.hold" and n.state == "cleared",
            after=mark,
        )
        for slice_, earlier in enumerate(before[1:], start=1):
            verdict = play(4, slice_)
            assert "dose-interrupted" in [one.rule for one in verdict.findings]
            dose_min = earlier.regions[0].dose_max_cem43_min
            assert dose_min > 1.0
            assert verdict.regions[0].dose_max_cem43_min == pytest.approx(dose_min, rel=0.05)
        client.hang_up()


def test_a_hung_worker_is_late_at_the_deadline_and_replaced(treatment, monkeypatch):
    gateway, client = treatment
    mark = gateway.mark()
    pid = gateway.gateway.worker_pid
    monkeypatch.setattr(worker_watch, "HUNG_FRAME_NS", 2_500_000_000)
    with frozen(pid):
        client.send(*SCAN.frame(3))
        verdict = verdict_of(gateway, 3, mark)
        assert verdict.outcome == "LATE"
        assert 1500 <= verdict.age_ms <= 1700  # the deadline, and a tick
        assert gateway.since(mark, "permit")[-1].state == "HELD"
        assert wait_gone(pid)
    gateway.events.wait(
        lambda t, n: t == "alert" and "does not answer" in n.text and n.latched, after=mark
    )
    frame = 3
    while verdict.outcome != "COMPUTED":
        frame += 1
        client.send(*SCAN.frame(frame))
        verdict = verdict_of(gateway, frame, mark)
    answered = [one.frame_id for one in gateway.since(mark, "verdict")]
    assert len(answered) == len(set(answered))


def test_the_run_folder_s_process_may_die(treatment):
    gateway, client = treatment
    mark = gateway.mark()
    scribe = gateway.gateway._scribe
    os.kill(scribe.pid, signal.SIGKILL)
    for frame in (3, 4):
        client.send_frame(SCAN, frame)
        assert verdict_of(gateway, frame, mark).permit == "GRANTED"
    gateway.events.wait(lambda t, n: t == "alert" and n.event == "journal.warn", after=mark)
    client.send(close_message())
    client.read_to_end()
    assert client.is_closed
    (folder,) = gateway.gateway.folders
    with h5py.File(folder / "maps.h5", "r", libver="latest", swmr=True) as maps:
        assert len(maps["magnitude"]) == 3
    assert open_recording(folder / "raw.mrd").header_xml == deidentified_xml(SCAN.header())


@pytest.fixture
def served(tmp_path):
    """A gateway in a process of its own; its stderr is kept."""
    errors = (tmp_path / "stderr").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path / "out")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
    )  # fmt: skip
    text = PROTOCOL.format(deadline_ms=4000.0, lease_ms=30_000.0, stall_ms=20_000.0)
    process.stdin.write(text.encode())
    process.stdin.close()
    port, events, _ = process.stdout.readline().decode().split()
    listener = Listener(events)
    yield process, int(port), listener, tmp_path
    listener.close()
    process.kill()
    process.wait()
    process.stdout.close()
    errors.close()


def test_a_killed_gateway_leaves_no_process_and_readable_files(served):
    process, port, events, tmp_path = served
    client = Client.to(port)
    client.send(SCAN.opening())
    for n in range(3):
        client.send_frame(SCAN, n)
    events.wait(lambda t, n: t == "map" and n.frame_id == 2)
    offspring = children(process.pid)
    assert len(offspring) == 3  # the worker, a spare one, the run folder's
    process.kill()
    process.wait()
    for pid in offspring:
        assert wait_gone(pid, timeout_s=10.0), Path(f"/proc/{pid}/cmdline").read_text()
    client.hang_up()
    (folder,) = [path.parent for path in (tmp_path / "out").rglob("raw.mrd")]
    recording = open_recording(folder / "raw.mrd")
    assert recording.header_xml == deidentified_xml(SCAN.header())
    with h5py.File(folder / "maps.h5", "r", libver="latest", swmr=True) as maps:
        assert len(maps["magnitude"]) == 3
    assert len((folder / "verdicts.csv").read_text().splitlines()) == 4


def test_no_bad_input_makes_a_traceback(served):
    """What tests/scenarios/test_bad_input.py sends, with an eye on stderr."""
    from tests.scenarios.test_bad_input import BAD, WHOLE

    process, port, _, tmp_path = served
    streams = [stream for _, stream, _ in BAD] + [WHOLE[:n] for n in range(0, len(WHOLE), 701)]
    for stream in streams:
        client = Client.to(port)
        client.send(stream)
        client.connection.shutdown(1)
        client.read_to_end()
        assert client.is_closed or not stream
        client.hang_up()
    client = Client.to(port)
    client.send(SCAN.opening())
    client.send_frame(SCAN, 0)
    client.send(close_message())
    client.read_to_end()
    client.hang_up()
    assert client.is_closed
    offspring = children(process.pid)
    process.terminate()
    process.wait(20)
    for pid in offspring:
        assert wait_gone(pid, timeout_s=10.0)
    said = (tmp_path / "stderr").read_text()
    assert not re.search(r"Traceback|Error", said), said
