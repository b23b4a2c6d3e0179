"""The log tells what changed, in lines that a machine reads, and holds nobody up."""

import json
import os
import select
import signal
import subprocess
import sys

import pytest

from messages import MonitorError, Permit
from realtime.cli.companion import Place
from realtime.cli.log_process import LogProcess
from tests.harness import PATIENCE_S, Client, Scan, header_message, wait_gone
from tests.realtime.outputs.metrics.figures import START, STOP, verdict
from tests.realtime.outputs.page.monitor import Monitor, alert

MARK = "Zzyzx"


@pytest.fixture
def monitor():
    it = Monitor()
    yield it
    it.close()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_line(path, **wanted):
    """Read again until a line has these fields; the test's own time-out ends it."""
    while True:
        whole = path.read_text().rpartition("\n")[0].splitlines()
        for line in map(json.loads, whole):
            if all(line.get(key) == value for key, value in wanted.items()):
                return line


def test_each_change_is_a_line_and_a_good_frame_is_none(tmp_path, monitor):
    monitor.say(alert(0), is_lost=True)
    log = tmp_path / "log"
    log.write_text('{"event": "earlier"}\n')
    process = LogProcess(log, Place(monitor.endpoints, None, ("real-time priority",)))
    assert wait_line(log, event="alert", alert_id=0)["state"] == "raised"  # it had been missed
    monitor.run_id, monitor.permit_state = "run", "GRANTED"
    monitor.say(START)
    monitor.say(Permit("GRANTED", 60_000.0, "", 0, "run"))
    monitor.say(verdict(0))
    monitor.say(verdict(1, "LATE", 100.5))
    monitor.say(Permit("HELD", 0.0, "too late", 1, "run"))
    monitor.say(alert(1, priority="high", region="focus", value=61.0, limit=60.0, unit="°C"))
    monitor.say(STOP)
    wait_line(log, event="run-stop")
    monitor.is_beating = False
    wait_line(log, event="monitor-silent", level="error")
    process.hang_up()
    assert wait_gone(process.pid)
    process.close()
    told = lines(log)
    events = [one["event"] for one in told]
    assert events[:3] == ["earlier", "log-begins", "tuning-refused"]
    assert events[-1] == "log-ends"
    assert told[2]["text"] == "real-time priority"
    assert [one["state"] for one in told if one["event"] == "permit"] == ["GRANTED", "HELD"]
    (frame,) = [one for one in told if one["event"] == "frame"]
    assert (frame["frame"], frame["state"], frame["age_ms"]) == (1, "LATE", 100.5)
    high = next(one for one in told if one.get("alert_id") == 1)
    assert (high["level"], high["region"], high["value"]) == ("error", "focus", 61.0)
    start = next(one for one in told if one["event"] == "run-start")
    assert start["figures"]["protocol"] == "brain"
    assert all(one["time"].endswith("Z") for one in told[1:])


def test_a_disk_that_stands_still_loses_no_alert(tmp_path, monitor):
    log = tmp_path / "log"
    process = LogProcess(log, Place(monitor.endpoints, None))
    wait_line(log, event="log-begins")
    monitor.say(alert(0))
    wait_line(log, alert_id=0)
    os.kill(process.pid, signal.SIGSTOP)
    monitor.say(alert(1), is_lost=True)
    monitor.say(alert(2))
    os.kill(process.pid, signal.SIGCONT)
    wait_line(log, alert_id=2)
    assert wait_line(log, event="events-missed")["text"].startswith("1 events")
    process.close()
    told = [one["alert_id"] for one in lines(log) if one["event"] == "alert"]
    assert told == [0, 1, 2]


def test_a_new_log_is_for_this_user_alone(tmp_path, monitor):
    LogProcess(tmp_path / "log", Place(monitor.endpoints, None)).close()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_told_at_the_start(tmp_path, monitor):
    with pytest.raises(MonitorError, match=r"--log .*nowhere/log: No such file"):
        LogProcess(tmp_path / "nowhere" / "log", Place(monitor.endpoints, None))


def test_a_pipe_that_nobody_reads_is_told_not_waited_for(tmp_path, monitor):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MonitorError, match=r"--log .*pipe: No such device or address"):
        LogProcess(tmp_path / "pipe", Place(monitor.endpoints, None))


@pytest.mark.slow
def test_serve_logs_to_standard_output_and_tells_people_elsewhere(tmp_path):
    ports = [f"--{name}port=0" for name in ("", "zmq-", "events-", "control-", "page-", "metrics-")]
    command = [sys.executable, "-m", "realtime.cli", "serve", "--log=-", "--no-report"]
    process = subprocess.Popen(
        [*command, "--protocol=mrgfus-demo", f"--out={tmp_path}", *ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said = b""
    while b"run folders" not in said:
        assert select.select([process.stderr], [], [], PATIENCE_S)[0], said
        said += process.stderr.read1()
    where = {line.split("  ")[1].strip(): line.split()[-1] for line in said.decode().splitlines()}
    client = Client.to(int(where["MRD over TCP"].rsplit(":", 1)[1]))
    tag = b"<acquisitionSystemInformation>"
    person = f"<subjectInformation><patientName>{MARK}</patientName></subjectInformation>".encode()
    xml = Scan().header().replace(tag, person + tag, 1)
    client.send(header_message(xml.replace(b"cartesian", b"cartesian<x", 1)))  # refused, in words
    client.hang_up()
    out = b""
    while b'"event":"alert"' not in out:
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], out
        out += process.stdout.read1()
    process.terminate()
    rest, err = process.communicate(timeout=PATIENCE_S)
    out += rest
    assert process.returncode == 0, err
    told = [json.loads(line) for line in out.splitlines()]
    assert (told[0]["event"], told[-1]["event"]) == ("log-begins", "log-ends")
    assert b"stopped; the permit is held" in err
    assert MARK.encode() not in out + err + said
