"""Worker hung, stuck or killed at random moments: how long until HELD must be read."""

import argparse
import random
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
import zmq
from _hiccups import watched
from _strikes import Strike, Ward
from _table import MeasurementError, Outcome, Table, Target, run
from numpy.typing import NDArray

from realtime.tuning import SCANNER_LEVEL, go_first
from tests.soak.monitor import Monitor

DEADLINE_MS = 100.0
KINDS = ("hung", "stuck", "killed")
_ONE_KILL_IN, _ONE_STUCK_IN = 20, 10
_STUCK = Path(__file__).resolve().parent / "_stuck"
_START_MS = 30_000
_BINS_MS = (-np.inf, 0.0, 50.0, 90.0, 100.0, 101.0, 102.0, 105.0, 110.0, 120.0, 150.0, np.inf)
_BAR = 40


def struck(n: int, *, seed: int) -> tuple[list[Strike], Ward]:
    """Strike n times; return each strike, and the ward with its counts."""
    rng = random.Random(seed)
    strikes: list[Strike] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        monitor = Monitor(Path(folder), deadline_ms=DEADLINE_MS, python_path=_STUCK)
        monitor.start()
        ward = Ward(monitor, rng)
        try:
            _await_heartbeat(monitor)
            for index in range(n):
                strikes.append(ward.strike(_kind(index)))
                if (index + 1) % 50 == 0:
                    print(f"  {index + 1} of {n}", file=sys.stderr, flush=True)
            ward.end_session()
        finally:
            ward.close()
            monitor.stop()
    return strikes, ward


def _kind(index: int) -> str:
    if index % _ONE_KILL_IN == _ONE_KILL_IN // 2:
        return "killed"
    return "stuck" if index % _ONE_STUCK_IN == _ONE_STUCK_IN - 1 else "hung"


def _await_heartbeat(monitor: Monitor) -> None:
    with zmq.Context() as context, context.socket(zmq.SUB) as events:
        events.setsockopt(zmq.SUBSCRIBE, b"heartbeat")
        events.setsockopt(zmq.LINGER, 0)
        events.connect(monitor.events)
        if not events.poll(_START_MS):
            raise MeasurementError(f"the monitor did not start: {monitor.log[-300:]}")


def _figures(values: NDArray[np.float64]) -> tuple[str, ...]:
    return tuple(f"{one:.1f}" for one in np.percentile(values, (0, 50, 99, 99.9, 100)))


def _distribution(strikes: list[Strike]) -> Table:
    rows = []
    for kind in KINDS:
        of_kind = [one for one in strikes if one.kind == kind]
        if not of_kind:
            continue
        ways = {
            "last readout → read as HELD": [one.from_readout_ms for one in of_kind],
            "strike → read as HELD": [one.from_strike_ms for one in of_kind],
            "last readout → permit HELD heard": [one.permit_ms for one in of_kind],
            "last readout → LATE or FAULT heard": [one.verdict_ms for one in of_kind],
        }
        for way, values in ways.items():
            came = np.array(values)[np.isfinite(values)]
            if came.size:
                rows.append((kind, way, str(came.size), *_figures(came)))
    return Table(
        "From the last readout of the struck frame, and from the strike, in ms",
        ("worker", "what", "times", "min", "p50", "p99", "p99.9", "max"),
        tuple(rows),
        f"Deadline {DEADLINE_MS:.0f} ms. Hung: SIGSTOP. Stuck: half a "
        "second in one call that keeps the interpreter lock. Killed: SIGKILL. Each at a moment "
        "drawn evenly from the 100 ms of a frame's cycle; 70 ms pass from first to last readout. "
        "A strike between frames counts by the next frame; a negative time is before that "
        "frame's last readout. Sender and subscriber are one process; its own "
        "delays count against the monitor.",
    )


def _histogram(strikes: list[Strike]) -> Table:
    values = {kind: [one.from_readout_ms for one in strikes if one.kind == kind] for kind in KINDS}
    counts = {kind: np.histogram(of_kind, _BINS_MS)[0] for kind, of_kind in values.items()}
    total = np.sum(list(counts.values()), axis=0)
    rows = [
        (
            f"{low:g} to {high:g}",
            *(str(counts[kind][n]) for kind in KINDS),
            "█" * int(np.ceil(_BAR * total[n] / max(total.max(), 1))),
        )
        for n, (low, high) in enumerate(pairwise(_BINS_MS))
    ]
    return Table("Last readout → read as HELD", ("ms", *KINDS, "all"), tuple(rows))


def _strike_phases(strikes: list[Strike]) -> str:
    phases = [one.phase for one in strikes]
    counts = np.histogram(phases, 10, (0.0, 1.0))[0]
    return " ".join(str(n) for n in counts)


def measure(arguments: argparse.Namespace) -> Outcome:
    go_first(SCANNER_LEVEL)  # who watches stands in another machine
    n = 20 if arguments.quick else arguments.strikes
    with watched() as hiccups:
        strikes, ward = struck(n, seed=arguments.seed)
    late_ms = np.array([one.from_readout_ms for one in strikes]) - DEADLINE_MS
    n_ten, n_fifty = int((late_ms <= 10).sum()), int((late_ms <= 50).sum())
    allowed = n // 1000
    targets = (
        Target(
            f"held within deadline + 10 ms in at least 999 of 1000 (here {n - allowed} of {n})",
            f"{n_ten} of {n}",
            n_ten >= n - allowed,
        ),
        Target("held within deadline + 50 ms in all", f"{n_fifty} of {n}", n_fifty == n),
        Target(
            "0 frames unanswered", f"{ward.n_unanswered} of {ward.n_frames}", not ward.n_unanswered
        ),
        Target("0 frames answered twice", f"{ward.n_twice} of {ward.n_frames}", not ward.n_twice),
        Target("the machine itself put off the most urgent thread", str(hiccups), None),
        Target("strikes by tenth of the frame's cycle", _strike_phases(strikes), None),
    )
    return Outcome(targets, (_distribution(strikes), _histogram(strikes)))


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strikes", type=int, default=1000, help="1000 by default")
    parser.add_argument("--seed", type=int, default=6, help="of the moments; 6 by default")


if __name__ == "__main__":
    sys.exit(run("watchdog", measure, about=__doc__, options=_options))
