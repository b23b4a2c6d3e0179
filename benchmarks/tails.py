"""What each step against slow frames gains: the same run with one of them left out."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
from _pressure import is_possible
from _table import MeasurementError, Outcome, Table, Target, run
from numpy.typing import NDArray

_HERE = Path(__file__).resolve().parent
WORDS = {
    "nothing": "with all of them",
    "first": "without SCHED_FIFO for gateway and worker",
    "pinned": "without a core of its own for the worker",
    "locked": "without mlockall",
    "all-three": "without any of these three (`serve` where nothing is permitted)",
    "frozen-collector": "all three, garbage collector not frozen",
    "one-thread": "all three, thread pools as wide as the libraries like",
}


# cases in which these steps alone have something to gain
OWN_CASES = {"pressed": ("nothing", "locked")}
CASE_WORDS = {"pressed": "its memory sent to the swap twice a second"}


def ages_ms(step: str, case: str, *, n_frames: int) -> NDArray[np.float64]:
    """Run the monitor in processes of their own; return the age of each verdict."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        out.mkdir()
        paths = [str(_HERE / "_without"), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "TAILS_WITHOUT": step,
            "PYTHONPATH": os.pathsep.join(one for one in paths if one),
        }
        done = subprocess.run(
            [sys.executable, str(_HERE / "_tails_case.py"), step, case, str(n_frames), out],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            raise MeasurementError(f"{step}: {said[-1]}")
        return np.array(json.loads((out / "ages.json").read_text()))


def measure(arguments: argparse.Namespace) -> Outcome:
    n_frames, n_rounds = (40, 1) if arguments.quick else (arguments.frames, arguments.rounds)
    steps = ("nothing",) if arguments.quick else tuple(WORDS)
    plan = [(step, case) for step in steps for case in ("idle", "loaded")]
    if not arguments.quick:
        plan += [(step, case) for case, own in OWN_CASES.items() for step in own]
    if not is_possible():
        plan = [(step, case) for step, case in plan if case != "pressed"]
    found: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    for _ in range(n_rounds):
        for step, case in plan:
            ages = ages_ms(step, case, n_frames=n_frames)
            found.setdefault((step, case), []).append(ages)
            print(f"{step}, {case}: median {np.median(ages):.2f} ms", flush=True)
    rows = []
    for step in steps:
        cells = []
        for case in ("idle", "loaded"):
            ages = np.concatenate(found[step, case])
            cells += _percentiles(ages)
        rows.append((WORDS[step], *cells))
    columns = ("steps", "p50", "p99", "max", "loaded: p50", "p99", "max")
    table = Table(
        "Last readout received → verdict (ms), 128² × 8, 20 frames/s",
        columns,
        tuple(rows),
        f"{n_rounds} rounds of {n_frames} frames each, all cases in turn. Loaded: as many "
        "processes as there are cores compute without a pause, at normal priority. A step that "
        "shows no gain beyond the spread between rounds is not promised to gain anything.",
    )
    return Outcome((_gain(found),), (table, _own_table(found)))


def _own_table(found: dict[tuple[str, str], list[NDArray[np.float64]]]) -> Table:
    rows = [
        (CASE_WORDS[case], WORDS[step], *_percentiles(np.concatenate(found[step, case])))
        for case, own in OWN_CASES.items()
        for step in own
        if (step, case) in found
    ]
    note = "" if is_possible() else " This machine has no swap: locked memory was not tried."
    return Table(
        "Where a step has more to gain (ms)",
        ("what", "steps", "p50", "p99", "max"),
        tuple(rows),
        f"The same, on an idle machine.{note}",
    )


def _percentiles(ages: NDArray[np.float64]) -> list[str]:
    return [f"{one:.2f}" for one in np.percentile(ages, (50, 99, 100))]


def _gain(found: dict[tuple[str, str], list[NDArray[np.float64]]]) -> Target:
    """Return what all three steps gain where every core is loaded; nothing was promised of it."""
    worst = {
        step: np.percentile(np.concatenate(found[step, "loaded"]), 99)
        for step in ("nothing", "all-three")
        if (step, "loaded") in found
    }
    told = ", ".join(f"{WORDS[step]} {ms:.1f} ms" for step, ms in worst.items())
    return Target("p99 with every core loaded", told, None)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=300, help="of each case and round")
    parser.add_argument("--rounds", type=int, default=2)


if __name__ == "__main__":
    sys.exit(run("tails", measure, about=__doc__, options=_options))
