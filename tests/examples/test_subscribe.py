"""The subscriber of the examples tells what a running monitor says, and its silence as HELD."""

import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "subscribe.py"


@pytest.fixture
def listen():
    opened = []

    def one(address):
        opened.append(
            subprocess.Popen(
                [sys.executable, SCRIPT, address], stdout=subprocess.PIPE, text=True, bufsize=1
            )
        )
        return opened[-1].stdout

    yield one
    for process in opened:
        process.kill()
        process.wait()
        process.stdout.close()


def until(lines, part):
    """The first line with this part."""
    return next(line for line in lines if part in line)


def test_it_tells_permit_frames_and_alerts(listen, shared_gateway, scan):
    lines = listen(shared_gateway.gateway.publisher.endpoints.events)
    client = shared_gateway.connect()
    with client.connection:
        treat(client, scan, lines)


def treat(client, scan, lines):
    client.send(scan.opening())
    n = 0
    while not select.select([lines], [], [], 0)[0]:  # a subscriber is some frames late
        client.send_frame(scan, n)
        n += 1
    for more in range(n, n + 4):
        client.send_frame(scan, more)
    assert re.match(r"GRANTED for \d+ ms", until(lines, "GRANTED for"))
    assert "GRANTED {'focus': 3" in until(lines, "frame")
    client.send(*scan.frame(n + 4, rise_c=40.0))
    assert "focus" in until(lines, "high raised")


def test_silence_is_told_as_held(listen):
    assert until(listen("tcp://127.0.0.1:9"), "HELD") == "HELD: the monitor is silent\n"
