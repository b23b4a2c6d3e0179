"""What a person reads of a running monitor; a terminal that stands still stops nobody."""

import os
import sys

from realtime.cli.teller import Teller


def test_lines_come_in_order(capsys):
    teller = Teller()
    for n in range(5):
        teller.say(f"line {n}")
    teller.close(timeout_s=20.0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == [f"line {n}" for n in range(5)]


def test_a_terminal_that_stands_still_holds_nobody_up(monkeypatch):
    reading, writing = os.pipe()  # that nobody reads, full after 64 KiB
    with os.fdopen(writing, "w") as terminal, os.fdopen(reading, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stdout", terminal)
        teller = Teller()
        for _ in range(5000):
            teller.say("x" * 200)  # it would wait here for ever
        teller.close(timeout_s=0.1)
        while teller.is_printing:  # it stood still, and goes on
            screen.read(1 << 16)
            teller.close(timeout_s=0.1)
