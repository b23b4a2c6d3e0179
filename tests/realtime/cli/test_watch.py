"""What a person sees of a running monitor in a terminal, and what a script reads of it."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console

from messages import (
    Alert,
    Finding,
    FrameKey,
    Heartbeat,
    LimitPlan,
    Permit,
    RegionReading,
    RunStart,
    Verdict,
)
from messages.codec import Envelope
from realtime.cli import main
from realtime.cli.watch_screen import screen
from realtime.cli.watch_seen import Seen
from tests.realtime.outputs.linac_run import frame_of
from tests.realtime.outputs.page.monitor import Monitor, alert

S = 1_000_000_000
LIMITS = (LimitPlan("temperature-max", "focus", "temperature_c", 57.0, 60.0, "°C"),)
START = RunStart(
    "run", "brain", "cafe", "mrgfus", "digest", "tcp", "now", "host", {}, (1, 32, 32),
    (64.0, 64.0, 5.0), 100.0, 4500.0, {}, limits=LIMITS,
)  # fmt: skip
FOCUS = RegionReading("focus", "target", 13, 13, 58.25, 55.5, 0.41, 12.5, 0.1)
HOT = Finding("temperature-max", "warn", "hottest pixel of focus at 58.25 °C, limit 57", "focus")


def verdict(frame_id, outcome="COMPUTED", **more):
    return Verdict(frame_id, FrameKey(), outcome, "GRANTED", age_ms=4.2, run_id="run", **more)


class Terminal:
    """A watcher to whom a test speaks, second by second."""

    def __init__(self):
        self.seen, self.now_ns, self._sequences = Seen(), S, {}

    def hear(self, *nouns):
        for noun in nouns:
            n = self._sequences[type(noun)] = self._sequences.get(type(noun), 0) + 1
            envelope = Envelope(1, "epoch", n, b"", self.now_ns / 1e6)
            self.seen.hear(envelope, noun, now_ns=self.now_ns)

    def shown(self, width=120, height=50):
        out = Console(width=width, color_system=None)
        with out.capture() as caught:
            out.print(screen(self.seen, now_ns=self.now_ns, width=width, height=height))
        return caught.get()


@pytest.fixture
def terminal():
    it = Terminal()
    it.hear(Heartbeat(0, "GRANTED", "run"), START, Permit("GRANTED", 4500.0, "", 0, "run"))
    it.hear(*(verdict(n, regions=(FOCUS,)) for n in range(9)))
    it.hear(verdict(9, regions=(FOCUS,), findings=(HOT,)))
    return it


def rows(text, title):
    """The cells of a table, line by line."""
    lines = [line.rstrip() for line in text.splitlines()]
    start = next(n for n, line in enumerate(lines) if line.startswith(title)) + 2
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines[start:]]
    assert set("".join(rows[0])) == {"─"}
    titles = ("Alerts", "Frames", "Regions", "Target", "Dose", "no alert")
    ends = (n for n, line in enumerate(lines[start:]) if line.startswith(titles))
    return rows[1 : next(ends, None)]


def test_permit_lease_run_frames_and_regions_are_shown(terminal):
    text = terminal.shown()
    assert text.startswith(" GRANTED   for another 4.5 s  ████████████████████")
    assert "run run  brain (mrgfus)  deadline 100 ms  last frame 0.0 s ago" in text
    frames = rows(text, "Frames")
    assert [one[0] for one in frames] == ["9", "8", "7", "6", "5", "4"]
    assert frames[0] == ["9", "4.2", "COMPUTED", "GRANTED", HOT.text]
    focus = ["focus", "target", "58.2", "55.5", "0.41", "12.50", "warn 57 stop 60 °C"]
    assert rows(text, "Regions") == [focus]
    assert "no alert is open" in text


def test_a_narrow_terminal_shows_less_and_breaks_nothing(terminal):
    text = terminal.shown(width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert rows(text, "Frames")[0] == ["9", "4.2", "COMPUTED", "GRANTED", "temperature-max"]
    assert rows(text, "Regions")[0][:3] == ["focus", "58.2", "12.50"]
    assert len(rows(terminal.shown(height=20), "Frames")) == 2


def test_a_lease_that_runs_out_is_held_and_a_silent_monitor_s_figures_are_gone(terminal):
    terminal.now_ns += 4 * S
    terminal.hear(Heartbeat(0, "GRANTED", "run"))
    assert " GRANTED   for another 0.5 s  ██░" in terminal.shown()
    terminal.now_ns += S
    text = terminal.shown()
    assert text.startswith(" HELD   monitor silent for 1.0 s")
    assert "58.2" not in text
    assert "it would be old" in text
    terminal.hear(Heartbeat(0, "GRANTED", "run"))
    assert terminal.shown().startswith(" HELD   the lease lapsed 0.5 s ago")


def test_alerts_that_cannot_be_had_are_told_of(terminal):
    terminal.hear(Heartbeat(1, "GRANTED", "run"))
    out = Console(width=120, color_system=None)
    with out.capture() as caught:
        out.print(screen(terminal.seen, now_ns=S, width=120, height=50, problem="no answer"))
    assert "alerts are missing here: no answer" in caught.get()
    assert json.loads(terminal.seen.as_json(S))["misses_alerts"] is True


def test_frames_of_another_run_are_not_mixed(terminal):
    terminal.hear(Heartbeat(0, "HELD", "next"), replace(verdict(0), run_id="next"))
    assert [one[0] for one in rows(terminal.shown(), "Frames")] == ["0"]
    assert "brain" not in terminal.shown()


def test_the_most_urgent_alert_comes_first(terminal):
    for number, priority in enumerate(("low", "high", "medium", "high")):
        terminal.hear(Alert(number, "drift.hold", priority, True, "raised", f"alert {number}"))
    order = [one[0] for one in rows(terminal.shown(), "Alerts")]
    assert order == ["3", "1", "2", "0"]


@pytest.mark.parametrize("width", [60, 120])
def test_of_an_mr_linac_place_gate_beam_and_dose_are_shown(terminal, width):
    told, _ = frame_of(40)
    terminal.hear(replace(told, run_id="run"))
    text = terminal.shown(width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "gate" in text
    assert "OFF" in text
    name = told.delivered.so_far[0].name
    (row,) = [one for one in rows(text, "Dose, Gy") if one[0] == name]
    assert row[1] == f"{told.delivered.so_far[0].d98_gy:.2f}"


def test_a_target_that_is_doubted_or_not_known_is_told_so(terminal):
    terminal.hear(replace(frame_of(61)[0], run_id="run"))
    assert "low-similarity" in terminal.shown()
    told, _ = frame_of(5)
    unknown = replace(told.motion, displacement_mm=None, is_beam_on=None, predicted_mm=None)
    terminal.hear(replace(told, motion=unknown, run_id="run"))
    (row,) = rows(terminal.shown(), "Target")[:1]
    assert (row[0], row[1], row[5]) == ("–", "–", "–")


def test_a_limit_that_was_told_before_the_watcher_came_is_a_dash():
    it = Terminal()
    it.hear(Heartbeat(0, "HELD", "run"), verdict(0, regions=(FOCUS,)))
    assert rows(it.shown(), "Regions")[0][-1] == "–"


@pytest.fixture(scope="module")
def monitor():
    it = Monitor()
    it.say(alert(0))
    yield it
    it.close()


def addresses(monitor):
    return [f"--events={monitor.endpoints.events}", f"--control={monitor.endpoints.control}"]


def test_once_says_what_stands_in_words_and_in_json(monitor):
    result = CliRunner().invoke(main, ["watch", "--once", *addresses(monitor)])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("permit HELD, run none")
    assert "alert 0" in result.output
    result = CliRunner().invoke(main, ["watch", "--once", "--json", *addresses(monitor)])
    told = json.loads(result.output)
    assert (told["permit"], told["run_id"], told["is_silent"]) == ("HELD", "", False)
    assert [one["text"] for one in told["alerts"]] == ["alert 0"]


def test_a_script_gets_a_line_a_change(monitor):
    command = [sys.executable, "-m", "realtime.cli", "watch", "--json", *addresses(monitor)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            while "alert 0" not in (line := process.stdout.readline()):
                assert json.loads(line)["permit"] == "HELD"
            monitor.say(alert(1))
            told = json.loads(process.stdout.readline())
            assert [one["alert_id"] for one in told["alerts"]] == [1, 0]
        finally:
            process.terminate()
