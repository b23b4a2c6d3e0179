"""Last readout received → verdict published, stage by stage, gateway and worker both running."""

import argparse
import csv
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
from _monitor_process import MonitorProcess
from _table import MeasurementError, Outcome, Table, Target, run
from numpy.typing import NDArray

from realtime.clock import MonotonicClock
from simulators.mrd import close_message, config_message, header_message
from simulators.simulator import TreatmentSimulator
from simulators.static_frames import static_frame_bytes
from simulators.treatment import Treatment

Real = NDArray[np.float64]

MOST_OVER_KERNELS = 1.5
MOST_TAIL = 3.0
KERNELS = ("absorb", "reconstruct", "measure", "judge")
N_WARM = 10  # frames that `mrmonitor latency` leaves out of its figures
N_SETTLING = 20  # reference frames, and the worker's first with a temperature
_PERCENTILES = (50, 99, 99.9, 100)


@dataclass(frozen=True, slots=True, eq=False)
class Paced:
    """Latencies in ms by column of latency.csv, one value a frame."""

    title: str
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


def paced(*, matrix: int, n_coils: int, rate_hz: float, n_frames: int) -> Paced:
    """Run `mrmonitor latency`: sender, gateway and worker in three processes."""
    title = f"{matrix} × {matrix}, {n_coils} coils, {rate_hz:g} frames/s"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        asked = {"matrix": matrix, "coils": n_coils, "rate": rate_hz, "frames": n_frames}
        options = [f"--{name}={value}" for name, value in asked.items()]
        done = subprocess.run(
            [sys.executable, "-m", "realtime.cli", "latency", *options, f"--out={out}"],
            capture_output=True,
            text=True,
            check=False,
        )
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
    return Paced(title, columns, n_frames - N_WARM - len(rows))


def unpaced_frames_per_s(treatment: Treatment, *, n_frames: int) -> float:
    """Send as fast as the monitor takes it, nothing dropped; return frames a second.

    Counted from the moment that the first frames are in to the CLOSE that answers the last.
    """
    header = TreatmentSimulator(treatment).header()
    clock = MonotonicClock()
    n_before = treatment.n_noise_readouts + N_SETTLING * treatment.sequence.matrix[1]
    began_ns = clock.now_ns()
    with MonitorProcess(is_lossless=True) as monitor:
        address = ("127.0.0.1", monitor.ports.mrd)
        with socket.create_connection(address, 10.0) as link:
            link.settimeout(60.0)
            drain = threading.Thread(target=_drain, args=(link,), daemon=True)
            drain.start()
            link.sendall(config_message("mrgfus-demo") + header_message(header))
            messages = static_frame_bytes(treatment, n_frames=N_SETTLING + n_frames)
            for index, (_, message) in enumerate(messages):
                if index == n_before:
                    began_ns = clock.now_ns()
                link.sendall(message)
            link.sendall(close_message())
            drain.join(120.0)
            if drain.is_alive():
                raise MeasurementError("the monitor did not answer the last frame")
    return n_frames / ((clock.now_ns() - began_ns) / 1e9)


def _drain(link: socket.socket) -> None:
    while link.recv(1 << 20):
        pass


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
        "after the last readout.",
    )


def _percentiles(values: Real) -> tuple[str, ...]:
    return tuple(f"{value:.2f}" for value in np.percentile(values, _PERCENTILES))


def _targets(one: Paced) -> list[Target]:
    median, tail = np.percentile(one.age_ms, (50, 99.9))
    over, length = median / one.kernels_ms, tail / median
    return [
        Target(
            f"{one.title}: median at most {MOST_OVER_KERNELS} × the kernels' medians",
            f"{over:.2f} × ({median:.2f} ms of {one.kernels_ms:.2f} ms)",
            bool(over <= MOST_OVER_KERNELS),
        ),
        Target(
            f"{one.title}: p99.9 at most {MOST_TAIL:.0f} × the median",
            f"{length:.2f} × ({tail:.2f} ms)",
            bool(length <= MOST_TAIL),
        ),
    ]


def measure(arguments: argparse.Namespace) -> Outcome:
    n_frames = 20 if arguments.quick else arguments.frames
    small = paced(matrix=128, n_coils=8, rate_hz=5.0, n_frames=n_frames)
    tables, targets = [stage_table(small)], _targets(small)
    if not arguments.quick:
        large = paced(matrix=256, n_coils=32, rate_hz=2.0, n_frames=40)
        tables.append(stage_table(large))
        targets += [
            Target(f"{one.promise} (not promised)", one.measured, None) for one in _targets(large)
        ]
    per_s = unpaced_frames_per_s(Treatment(), n_frames=20 if arguments.quick else 150)
    targets.append(
        Target(
            "128 × 128, 8 coils, as fast as it goes, nothing dropped",
            f"{per_s:.0f} frames/s, {per_s * 128:,.0f} readouts/s",
            None,
        )
    )
    return Outcome(tuple(targets), tuple(tables))


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=600, help="at 5 frames/s; 600 by default")


if __name__ == "__main__":
    sys.exit(run("latency", measure, about=__doc__, options=_options))
