"""Last readout received → verdict published, stage by stage, on idle cores and with one loaded."""

import argparse
import csv
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
from _table import MeasurementError, Outcome, Table, Target, run
from numpy.typing import NDArray

Real = NDArray[np.float64]

MOST_OVER_KERNELS = 1.2
MOST_TAIL, MOST_LOADED_TAIL = 2.0, 4.0
KERNELS = ("absorb", "reconstruct", "measure", "judge")
N_WARM = 10  # frames that `mrmonitor latency` leaves out of its figures
FEWEST_FOR_TAIL = 1000  # of fewer frames p99.9 is their slowest, whatever they are
_PERCENTILES = (50, 99, 99.9, 100)
_LONGEST_S = 300.0


@dataclass(frozen=True, slots=True)
class Case:
    """What is played. rate_hz: so that a thousand frames take a minute or two."""

    matrix: int
    n_coils: int
    rate_hz: float
    spokes: int = 0
    has_heat_model: bool = True

    def options(self) -> list[str]:
        """Return the command's options."""
        asked = [f"--matrix={self.matrix}", f"--coils={self.n_coils}", f"--rate={self.rate_hz:g}"]
        asked += [] if self.has_heat_model else ["--no-heat-model"]
        return [*asked, "--trajectory=radial", f"--spokes={self.spokes}"] if self.spokes else asked

    @property
    def title(self) -> str:
        """What is played, in words."""
        sampling = f"{self.spokes} spokes" if self.spokes else "Cartesian"
        model = "" if self.has_heat_model else ", without heat model"
        return f"{self.matrix}² × {self.n_coils}, {sampling}, {self.rate_hz:g} frames/s{model}"


CASES = {
    "cartesian-128": Case(128, 8, 10.0),
    "cartesian-128-no-heat-model": Case(128, 8, 10.0, has_heat_model=False),
    "cartesian-256": Case(256, 32, 5.0),
    "radial-34": Case(128, 8, 20.0, spokes=34),
    "radial-89": Case(256, 8, 10.0, spokes=89),
}


@dataclass(frozen=True, slots=True, eq=False)
class Paced:
    """Latencies in ms by column of latency.csv, one value a frame. n_lost: without a result."""

    title: str
    is_loaded: bool
    columns: dict[str, Real]
    n_lost: int

    @property
    def age_ms(self) -> Real:
        """Last readout received → verdict published."""
        return self.columns["age"]

    @property
    def kernels_ms(self) -> float:
        """Sum of the kernels' own medians."""
        return float(sum(np.median(self.columns[name]) for name in KERNELS))


def paced(case: Case, *, n_frames: int, is_loaded: bool) -> Paced:
    """Run `mrmonitor latency`: sender, gateway and worker in three processes."""
    title = f"{case.title}, one core loaded" if is_loaded else case.title
    print(f"{title}: {n_frames} frames, {n_frames / case.rate_hz:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        options = [*case.options(), f"--frames={n_frames}", f"--load={int(is_loaded)}"]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "realtime.cli", "latency", *options, f"--out={out}"],
                capture_output=True,
                text=True,
                check=False,
                timeout=n_frames / case.rate_hz + _LONGEST_S,
            )
        except subprocess.TimeoutExpired as error:
            raise MeasurementError(f"{title}: did not end") from error
        path = out / "latency.csv"
        if not path.exists():
            said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            raise MeasurementError(f"{title}: {said[-1]}")
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.endswith("_ms")]
    columns = {
        name.removesuffix("_ms"): np.array([float(row[name]) for row in rows]) for name in names
    }
    return Paced(title, is_loaded, columns, n_frames - N_WARM - len(rows))


def stage_table(one: Paced) -> Table:
    labels = {
        "end_to_end": "last readout sent → verdict heard by a subscriber",
        "age": "**last readout received → verdict published**",
        "kernels": "kernels together",
    }
    rows = [
        (labels.get(name, name.replace("_", " ")), *_percentiles(values))
        for name, values in one.columns.items()
        if np.isfinite(values).all()
    ]
    lost = f" {one.n_lost} frames had no verdict in time." if one.n_lost else ""
    return Table(
        f"{one.title}, in ms",
        ("stage", "p50", "p99", "p99.9", "max"),
        tuple(rows),
        f"{one.age_ms.size} frames.{lost} Kernels: {', '.join(KERNELS)}; the sum of their medians "
        f"is {one.kernels_ms:.2f} ms. Absorb is the part of the work on arrival that was left "
        "after the last readout. Without recording and page, which `serve` has by default.",
    )


def _percentiles(values: Real) -> tuple[str, ...]:
    return tuple(f"{value:.2f}" for value in np.percentile(values, _PERCENTILES))


def targets_of(one: Paced) -> list[Target]:
    """Return what the issue asks of these frames; a frame without a result fails all of it."""
    median, tail = np.percentile(one.age_ms, (50, 99.9))
    over, length, n = median / one.kernels_ms, tail / median, one.age_ms.size
    most_tail = MOST_LOADED_TAIL if one.is_loaded else MOST_TAIL
    is_enough = n + one.n_lost >= FEWEST_FOR_TAIL
    lost = f", {one.n_lost} lost" if one.n_lost else ""
    ratio = Target(
        f"{one.title}: median at most {MOST_OVER_KERNELS} × the kernels' own sum"
        + (" (promised of idle cores)" if one.is_loaded else ""),
        f"{over:.2f} × ({median:.2f} ms of {one.kernels_ms:.2f} ms; {n} frames{lost})",
        None if one.is_loaded else bool(over <= MOST_OVER_KERNELS) and not one.n_lost,
    )
    return [
        ratio,
        Target(
            f"{one.title}: p99.9 at most {most_tail:.0f} × the median",
            f"{length:.2f} × ({tail:.2f} ms; {n} frames{lost})",
            bool(length <= most_tail) and not one.n_lost if is_enough else None,
        ),
    ]


def measure(arguments: argparse.Namespace) -> Outcome:
    """Measure every case, or the one that is asked for, idle and loaded."""
    names = list(CASES) if arguments.case is None else [arguments.case]
    n_frames = arguments.frames + N_WARM
    cases = [CASES[name] for name in names]
    if arguments.quick:
        cases, n_frames = [replace(CASES["cartesian-128"], rate_hz=5.0)], 20
    tables, targets = [], []
    for case in cases:
        for is_loaded in (False, True)[: 1 if arguments.quick else 2]:
            one = paced(case, n_frames=n_frames, is_loaded=is_loaded)
            tables.append(stage_table(one))
            targets += targets_of(one)
    return Outcome(tuple(targets), tuple(tables))


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--case", choices=list(CASES), help="one case alone")
    parser.add_argument(
        "--frames", type=int, default=1000, help="of each case, after the warm-up; 1000 by default"
    )


if __name__ == "__main__":
    sys.exit(run("latency", measure, about=__doc__, options=_options))
