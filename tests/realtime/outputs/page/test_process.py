"""The page beside a gateway: its life, its death, and what a real monitor's alerts do there."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
import zmq
from click.testing import CliRunner

from messages import Alert, MonitorError, Permit
from realtime.cli import main
from realtime.cli.companion import Place
from realtime.cli.page_process import PageProcess, refuse_open_page
from realtime.outputs.publisher import Addresses
from realtime.security.keys import new_pair
from tests.harness import Client, Listener, Scan, running, wait_gone
from tests.realtime.outputs.page.monitor import PATIENCE_S, Browser, get

SERVE = [sys.executable, "-m", "realtime.cli", "serve", "--no-report", "--protocol=mrgfus-demo"]
NOWHERE = Addresses("tcp://127.0.0.1:9", "tcp://127.0.0.1:9")


@pytest.fixture
def gateway(tmp_path):
    with running(tmp_path / "runs") as it:
        yield it


@pytest.fixture
def page(gateway):
    process = PageProcess("127.0.0.1", 0, Place(gateway.gateway.publisher.endpoints, None))
    yield process
    process.close()


@pytest.fixture
def treatment(gateway, page, scan):
    """A client in mid-treatment and a browser that saw it begin to be granted."""
    first = Browser(page.where)
    first.wait_live()
    first.close()
    client = gateway.connect()
    client.send(scan.opening())
    for n in range(4):
        client.send_frame(scan, n)
    browser = Browser(page.where)
    while browser.wait("permit")["state"] != "GRANTED":
        pass
    yield client, browser
    browser.close()
    client.hang_up()


def acknowledge(browser, alert_id, request, *, epoch):
    word = {"type": "acknowledge", "request": request, "epoch": epoch, "alert_id": alert_id}
    browser.say({**word, "who": "Ada"})
    return browser.wait("acknowledged", request=request)


def test_a_treatment_is_shown_and_an_alert_acknowledged_once_and_again(gateway, treatment):
    client, browser = treatment
    assert browser.wait("picture")["run_id"]
    assert browser.wait("beat")["frame"]["regions"]
    client.hang_up()  # in mid-scan
    told = browser.wait("alert")["alert"]
    assert (told["event"], told["priority"]) == ("stream-lost.hold", "high")
    number = told["alert_id"]
    epoch = gateway.gateway.epoch
    # one that waited while the monitor was started anew meets no other alert
    stale = acknowledge(browser, number, 0, epoch="another life")
    assert stale["status"] == "refused"
    assert "another life" in stale["text"]
    assert acknowledge(browser, number, 1, epoch=epoch)["status"] == "done"
    gateway.events.wait(lambda t, n: t == "alert" and n.acknowledged_by == "Ada")
    # again, and of one that never was: answered, and nothing else happens
    assert acknowledge(browser, number, 2, epoch=epoch)["status"] in ("done", "refused")
    never = acknowledge(browser, 999, 3, epoch=epoch)
    assert never["status"] == "refused"
    assert "no open alert 999" in never["text"]
    permits = [n for n in gateway.events.all("permit") if isinstance(n, Permit)]
    assert permits[-1].state == "HELD"


def test_a_page_ends_with_whoever_started_it(gateway):
    process = PageProcess("127.0.0.1", 0, Place(gateway.gateway.publisher.endpoints, None))
    assert get(process.where, "/").status == 200
    process.hang_up()
    assert wait_gone(process.pid)
    process.close()


def test_a_page_that_hears_nobody_says_so(tmp_path):
    process = PageProcess("127.0.0.1", 0, Place(NOWHERE, None))
    browser = Browser(process.where)
    beat = browser.wait("beat")
    assert beat["silent_ms"] is None
    assert beat["permit"]["state"] == "HELD"
    browser.close()
    process.close()


def test_a_page_that_was_frozen_never_shows_what_was_granted_before(gateway, page, treatment):
    client, browser = treatment
    browser.wait("beat")
    os.kill(page.pid, signal.SIGSTOP)
    mark = gateway.mark()
    client.hang_up()
    gateway.events.wait(lambda t, n: t == "permit" and n.state == "HELD", after=mark)
    os.kill(page.pid, signal.SIGCONT)
    browser.wait("alert")
    assert browser.wait("beat")["permit"]["state"] == "HELD"
    assert [one["state"] for one in browser.heard if one["type"] == "permit"][-1] == "HELD"


@pytest.mark.slow
def test_a_frozen_page_is_let_go_by_the_gateway_and_comes_back(gateway, page):
    # a subscriber that is not let go has a thousand events of megabytes waiting for it
    browser = Browser(page.where)
    browser.wait_live()
    browser.close()
    monitor = gateway.gateway.publisher._events.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    os.kill(page.pid, signal.SIGSTOP)
    try:
        assert monitor.poll(PATIENCE_S * 1000)
    finally:
        os.kill(page.pid, signal.SIGCONT)
        gateway.gateway.publisher._events.disable_monitor()
        monitor.close(linger=0)
    back = Browser(page.where)
    while (beat := back.wait("beat"))["silent_ms"] is None or beat["silent_ms"] > 500:
        pass
    back.close()


@pytest.mark.slow
def test_its_death_is_told_once_and_the_treatment_goes_on(tmp_path):
    process, said = _served(tmp_path)
    try:
        events = Listener(said["events"])
        events.topic("heartbeat")
        page = _pid_of_page(process.pid)
        os.kill(page, signal.SIGKILL)
        events.wait(lambda t, n: t == "alert" and n.event == "output-lost.warn")
        client = Client.to(int(said["MRD over TCP"].rsplit(":", 1)[1]))
        client.send(Scan().opening())
        client.hang_up()
        mark = events.n_seen
        for _ in range(20):  # beats, two seconds of them
            events.topic("heartbeat", after=mark)
            mark = events.n_seen
        told = [n for n in events.all("alert") if isinstance(n, Alert)]
        assert [n.event for n in told].count("output-lost.warn") == 1
        with pytest.raises(ConnectionRefusedError):
            get(said["live page"], "/")
        events.close()
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        process.stdout.close()


@pytest.mark.slow
def test_a_frozen_page_and_a_frozen_browser_do_not_keep_serve_from_ending(tmp_path):
    process, said = _served(tmp_path)
    page = _pid_of_page(process.pid)
    host, port = said["live page"].removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), PATIENCE_S):
        os.kill(page, signal.SIGSTOP)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert wait_gone(page)
    process.stdout.close()


@pytest.mark.slow
def test_the_page_dies_with_a_killed_gateway(tmp_path):
    process, _ = _served(tmp_path)
    page = _pid_of_page(process.pid)
    process.kill()
    process.wait()
    assert wait_gone(page)
    process.stdout.close()


def _served(tmp_path):
    ports = [f"--{name}=0" for name in ("port", "zmq-port", "events-port", "control-port")]
    process = subprocess.Popen(
        [*SERVE, "--page-port=0", "--no-metrics", f"--out={tmp_path / 'runs'}", *ports],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    lines = [process.stdout.readline() for _ in range(7)]
    said = dict(re.split(r"\s{2,}", line.strip())[1:3] for line in lines if "//" in line)
    return process, said


def _pid_of_page(parent):
    found = subprocess.run(
        ["ps", "--ppid", str(parent), "-o", "pid=,args="],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in found.stdout.splitlines() if "realtime.outputs.page" in line]
    return int(line.split()[0])


def test_with_keys_the_page_has_its_own_and_is_let_in(tmp_path, scan):
    keys = tmp_path / "keys"
    new_pair(keys)
    with running(tmp_path / "runs", keys=keys) as gateway:
        process = PageProcess("127.0.0.1", 0, Place(gateway.gateway.publisher.endpoints, keys))
        browser = Browser(process.where)
        browser.wait_live()
        told = acknowledge(browser, 5, 1, epoch=gateway.gateway.epoch)
        assert "no open alert" in told["text"]
        browser.close()
        process.close()
    assert (keys / "allowed" / "mrmonitor-page.key").exists()
    assert (keys / "page" / "own.key_secret").read_text() != (keys / "own.key_secret").read_text()


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::", "console.hospital"])
def test_an_address_of_other_machines_wants_a_written_word(host):
    with pytest.raises(MonitorError, match="unencrypted"):
        refuse_open_page(host, is_unencrypted=False)
    refuse_open_page(host, is_unencrypted=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.3", "::1", "localhost"])
def test_this_machine_alone_does_not(host):
    refuse_open_page(host, is_unencrypted=False)


def test_all_addresses_at_once_have_no_name():
    with pytest.raises(MonitorError, match="name the one"):
        PageProcess("0.0.0.0", 0, Place(NOWHERE, None))


def test_serve_refuses_an_open_page_in_a_line(tmp_path):
    result = CliRunner().invoke(main, ["serve", f"--out={tmp_path}", "--page-host=192.0.2.1"])
    assert result.exit_code == 1
    assert "--page-host 192.0.2.1" in result.stderr
    assert not (tmp_path / "journal.sqlite").exists()


def test_a_busy_port_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(MonitorError, match=f"page 127.0.0.1:{port}.*choose another port"):
            PageProcess("127.0.0.1", port, Place(NOWHERE, None))


def test_the_web_server_is_loaded_by_nobody_else():
    # that of serve brings the gateway's modules too
    code = (
        "import sys, realtime.cli.serve\n"
        "print({'starlette', 'uvicorn', 'websockets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
