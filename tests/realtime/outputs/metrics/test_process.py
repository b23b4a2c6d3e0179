"""The process that answers Prometheus: what it hears, whom it answers, whom it lets go."""

import os
import signal
import socket

import pytest

from messages import MonitorError, Permit
from realtime.cli.companion import Place
from realtime.cli.metrics_process import (
    MetricsProcess,
    listen_for_scrapes,
    refuse_open_metrics,
)
from realtime.outputs.metrics import door
from tests.harness import wait_gone
from tests.realtime.outputs.metrics.figures import START, samples, verdict
from tests.realtime.outputs.page.monitor import PATIENCE_S, Monitor, alert, get


@pytest.fixture(scope="module")
def monitor():
    it = Monitor()
    it.say(alert(0), is_lost=True)  # before the process begins to hear
    it.run_id = "run"
    yield it
    it.close()


@pytest.fixture(scope="module")
def process(monitor):
    it = started(monitor)
    yield it
    it.close()


def started(monitor):
    return MetricsProcess(listen_for_scrapes("127.0.0.1", 0), Place(monitor.endpoints, None))


def scrape(process):
    answer = get(process.where.removesuffix("metrics"), "/metrics")
    assert answer.status == 200
    assert answer.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    return samples(answer.text.decode())


def wait_for(process, wanted):
    """Ask until all of `wanted` stands there; the test's own time-out ends it."""
    while True:
        told = scrape(process)
        if all(told.get(key) == value for key, value in wanted.items()):
            return told


def speak(process, words):
    """Send bytes as they are; return all that is answered."""
    host, port = process.where.removeprefix("http://").split("/")[0].rsplit(":", 1)
    with socket.create_connection((host, int(port)), PATIENCE_S) as line:
        line.sendall(words.replace(b"HOST", f"{host}:{port}".encode()))
        answer = b""
        while chunk := line.recv(1 << 16):
            answer += chunk
    return answer


def test_what_the_monitor_says_is_told_and_missed_alerts_are_asked_for(process, monitor):
    told = wait_for(process, {("mrmonitor_up",): 1, ("mrmonitor_alert_changes_behind",): 0})
    assert told["mrmonitor_alerts_raised_total", "drift.warn", "medium"] == 1
    monitor.say(START)
    monitor.permit_state = "GRANTED"
    monitor.say(Permit("GRANTED", 60_000.0, "", 0, "run"))
    monitor.say(verdict(0))
    wanted = {("mrmonitor_permit_granted",): 1, ("mrmonitor_frames_total", "COMPUTED"): 1}
    told = wait_for(process, wanted)
    assert told["mrmonitor_run_info", "brain", "cafe"] == 1
    assert told["mrmonitor_resident_memory_bytes", "gateway"] > 10e6  # this test is its starter


def test_a_monitor_that_falls_silent_is_seen(process, monitor):
    wait_for(process, {("mrmonitor_up",): 1})
    monitor.is_beating = False
    told = wait_for(process, {("mrmonitor_up",): 0})
    assert told["mrmonitor_permit_granted",] == 0
    assert told["mrmonitor_last_word_age_seconds",] > 0.5
    monitor.is_beating = True
    wait_for(process, {("mrmonitor_up",): 1})


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: HOST\r\n\r\n", b"200"),
        (b"HEAD /metrics HTTP/1.0\r\nhost:HOST\r\n\r\n", b"200"),
        (b"GET /metrics?a=b HTTP/1.1\r\nHost: HOST\r\n\r\n", b"200"),
        (b"GET / HTTP/1.1\r\nHost: HOST\r\n\r\n", b"404"),
        (b"GET /metrics/../etc HTTP/1.1\r\nHost: HOST\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nHost: HOST\r\n\r\n", b"405"),
        (b"GET /metrics HTTP/1.1\r\nHost: other.site\r\n\r\n", b"403"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"403"),
        (b"GET /metrics HTTP/1.1\r\nHost: HOST\r\nHost: other\r\n\r\n", b"403"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"\x16\x03\x01\xff\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 9000, b"431"),
        (b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 4000 + b"\r\n", b"431"),
    ],
)  # fmt: skip
def test_only_a_get_of_the_metrics_by_our_own_name_is_answered(process, words, status):
    answer = speak(process, words)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:80]
    assert (b"mrmonitor_up" in answer) == (status == b"200" and not words.startswith(b"HEAD"))


@pytest.mark.slow
def test_who_idles_gives_way_to_who_asks_and_is_gone_in_seconds(process):
    host, port = process.where.removeprefix("http://").split("/")[0].rsplit(":", 1)
    idle = [
        socket.create_connection((host, int(port)), PATIENCE_S)
        for _ in range(2 * door.MOST_VISITORS)
    ]
    for one in idle:
        one.settimeout(PATIENCE_S)
    assert scrape(process)["mrmonitor_up",] in (0, 1)
    assert idle[0].recv(1) == b""
    idle[-1].sendall(b"GET /metrics HTTP/1.1\r\n")  # slowly
    assert idle[-1].recv(1) == b""  # after five seconds
    for one in idle:
        one.close()


def test_one_who_does_not_read_the_answer_holds_nobody_up(process):
    host, port = process.where.removeprefix("http://").split("/")[0].rsplit(":", 1)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect((host, int(port)))
        deaf.sendall(f"GET /metrics HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        assert scrape(process)


def test_it_ends_with_whoever_started_it(monitor):
    process = started(monitor)
    scrape(process)
    process.hang_up()
    assert wait_gone(process.pid)
    process.close()


def test_one_that_was_frozen_believes_nothing_that_it_hears_late(monitor):
    process = started(monitor)
    monitor.permit_state = "GRANTED"
    monitor.say(Permit("GRANTED", 60_000.0, "", 0, "run"))
    wait_for(process, {("mrmonitor_up",): 1})
    os.kill(process.pid, signal.SIGSTOP)
    monitor.permit_state = "HELD"
    monitor.say(Permit("HELD", 0.0, "too hot", 1, "run"))
    os.kill(process.pid, signal.SIGCONT)
    wait_for(process, {("mrmonitor_up",): 1, ("mrmonitor_permit_granted",): 0})
    process.close()


def test_the_usual_port_is_gone_on_without_and_one_that_was_asked_for_is_not(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        monkeypatch.setattr("realtime.cli.metrics_process.USUAL_PORT", port)
        told = listen_for_scrapes("127.0.0.1", None)
        assert f"metrics 127.0.0.1:{port}" in told
        assert "--metrics-port" in told
        with pytest.raises(MonitorError, match=f"metrics 127.0.0.1:{port}.*choose another port"):
            listen_for_scrapes("127.0.0.1", port)


def test_an_address_of_other_machines_wants_a_written_word():
    with pytest.raises(MonitorError, match=r"--metrics-host 192\.0\.2\.1.*unencrypted"):
        refuse_open_metrics("192.0.2.1", is_unencrypted=False)
    refuse_open_metrics("192.0.2.1", is_unencrypted=True)
    refuse_open_metrics("127.0.0.1", is_unencrypted=False)


def test_every_address_at_once_has_no_name(monitor):
    with pytest.raises(MonitorError, match="name the one"):
        MetricsProcess(listen_for_scrapes("0.0.0.0", 0), Place(monitor.endpoints, None))
