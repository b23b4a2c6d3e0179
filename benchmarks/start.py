"""How long a person waits: for the first picture of the demo in a browser, and for `--help`."""

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import _path  # noqa: F401 - first of all that is not Python's own
from _chromium import Tab, chromium, is_here
from _table import MeasurementError, Outcome, Table, Target, run

from realtime.clock import MonotonicClock

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MOST_S = 10.0
MOST_HELP_S = 0.3
_PATIENCE_S = 60.0
_ANNOUNCED = "live page: "
_PROGRAM = [sys.executable, "-m", "realtime.cli"]
_TEMPERATURE = "#regions tbody td:text-matches('[0-9]')"


def measure(arguments: argparse.Namespace) -> Outcome:
    n = 1 if arguments.quick else arguments.times
    help_s = [_help_s() for _ in range(3 * n)]
    half = statistics.median(help_s)
    measured = f"{half:.2f} s, median of {len(help_s)}"
    target = Target(f"--help under {MOST_HELP_S:g} s", measured, half < MOST_HELP_S)
    rows: list[tuple[str, ...]] = [("--help", "", f"{half:.2f} s", f"{max(help_s):.2f} s")]
    targets = [target]
    if not is_here():
        print("no Chromium or no playwright here: the demo is not looked at", file=sys.stderr)
    else:
        with chromium() as browser:
            waits = [list(_first_pictures(browser, is_quick=arguments.quick)) for _ in range(n)]
        for name, seconds in _by_name(waits).items():
            rows.append(
                (
                    "demo mrgfus",
                    name,
                    f"{statistics.median(seconds):.1f} s",
                    f"{max(seconds):.1f} s",
                )
            )
        first = max(_by_name(waits)["first picture, live"])
        promise = f"first usable picture within {MOST_S:g} s of the start of `demo`"
        targets.append(Target(promise, f"{first:.1f} s, the slowest of {n}", first < MOST_S))
    columns = ("command", "until", "median", "slowest")
    note = f"Counted from the start of the command's process; {n} starts of the demo."
    return Outcome(tuple(targets), (Table("From start to sight", columns, tuple(rows), note),))


def _by_name(waits: list[list[tuple[str, float]]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for one in waits:
        for name, seconds in one:
            found.setdefault(name, []).append(seconds)
    return found


def _help_s() -> float:
    clock = MonotonicClock()
    began_ns = clock.now_ns()
    subprocess.run([*_PROGRAM, "--help"], check=True, capture_output=True)
    return (clock.now_ns() - began_ns) / 1e9


def _first_pictures(browser: "Browser", *, is_quick: bool) -> Iterator[tuple[str, float]]:
    """Yield what was waited for, and how long, in s since the command was started."""
    print("demo mrgfus …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder, _demo(Path(folder)) as (address, began_ms):
        yield "address is told", _since(began_ms)
        with contextlib.closing(Tab(browser, address)) as tab:
            tab.wait_for_a_picture(_PATIENCE_S)
            drawn_ms, live_ms = tab.drawn_ms()[0][1], tab.moment_ms("liveAt")
            if live_ms is None:
                raise MeasurementError("a picture was drawn on a page that was never live")
            yield "first picture, live", (max(drawn_ms, live_ms) - began_ms) / 1e3
            if not is_quick:
                tab.page.wait_for_selector(_TEMPERATURE, timeout=_PATIENCE_S * 1e3)
                yield "first temperature", _since(began_ms)


def _since(began_ms: float) -> float:
    return MonotonicClock().now_ns() / 1e9 - began_ms / 1e3


@contextlib.contextmanager
def _demo(folder: Path) -> Iterator[tuple[str, float]]:
    """Start the demo; give the address of its page and the moment, by the monotonic clock."""
    began_ms = MonotonicClock().now_ns() / 1e6
    demo = subprocess.Popen(
        [*_PROGRAM, "demo", "mrgfus", "--no-browser", "--out", str(folder / "demo")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with demo:
        try:
            lines = iter(demo.stdout.readline, "") if demo.stdout else ()
            told = next((one for one in lines if one.startswith(_ANNOUNCED)), "")
            if not told:
                raise MeasurementError("the demo ended without a live page")
            yield told.removeprefix(_ANNOUNCED).strip(), began_ms
        finally:
            demo.terminate()


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--times", type=int, default=5, help="starts of the demo; 5 by default")


if __name__ == "__main__":
    sys.exit(run("start", measure, about=__doc__, options=_options))
