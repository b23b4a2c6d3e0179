"""An archive computed again: two processes against one, and against replays one after another.

One simulated treatment, written as many times under headers that differ by a comment, so that each
file is a recording of its own and all cost the same. Times are those of the whole command, its
start, its table and its picture with it.
"""

import argparse
import csv
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import _path  # noqa: F401 - the repository first
import h5py
from _table import MeasurementError, Outcome, Table, Target, run

from realtime.cli.open_loop import OpenLoop
from realtime.clock import MonotonicClock
from realtime.streams import mrd_layout as layout
from simulators import Treatment, TreatmentSimulator
from simulators.mrd import header_message

LEAST_GAIN = 1.7
PROTOCOL = "mrgfus-demo"
MRMONITOR = [sys.executable, "-m", "realtime.cli"]
_PATIENCE_S = 1800


def write_archive(folder: Path, *, n_recordings: int, n_frames: int) -> int:
    """Write the recordings; return the bytes of one."""
    simulator = TreatmentSimulator(Treatment(n_frames=n_frames))
    played = OpenLoop(simulator, heat=True)
    files = [(folder / f"{n:03d}.mrd").open("wb") for n in range(n_recordings)]
    for message in played.messages():
        for number, file in enumerate(files):
            data = message.data
            if message.kind == layout.HEADER:
                data = header_message(played.header_xml + f"<!-- {number} -->".encode())
            file.write(data)
    for file in files:
        file.close()
    return (folder / "000.mrd").stat().st_size


@dataclass(frozen=True, slots=True)
class Took:
    """What a command took: by the clock, and of all its processes together."""

    wall_s: float
    cpu_s: float


def timed(*commands: list[str]) -> Took:
    """Run commands of ours, all at once; return what they took until the last had ended."""
    clock = MonotonicClock()
    began_ns, cpu_s = clock.now_ns(), _children_s()
    running = [
        subprocess.Popen(
            [*MRMONITOR, *each], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for each in commands
    ]
    for command, process in zip(commands, running, strict=True):
        _, said = process.communicate(timeout=_PATIENCE_S)
        if process.returncode:
            raise MeasurementError(f"{command[0]}: {said.strip().splitlines()[-1:]}")
    return Took((clock.now_ns() - began_ns) / 1e9, _children_s() - cpu_s)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def batch(archive: Path, out: Path, n_jobs: int) -> Took:
    """Compute the archive; return what it took."""
    print(f"batch --jobs {n_jobs} …", file=sys.stderr, flush=True)
    return timed(_batch(archive, out, n_jobs))


def two_commands(archive: Path, out: Path) -> Took:
    """Compute each half of the archive by a command of its own: what this machine allows."""
    print("two commands at once …", file=sys.stderr, flush=True)
    files = sorted(archive.iterdir())
    commands = []
    for turn in (0, 1):
        half = out / f"half{turn}"
        half.mkdir(parents=True)
        for file in files[turn::2]:
            os.link(file, half / file.name)
        commands.append(_batch(half, out / f"out{turn}", 1))
    return timed(*commands)


def _batch(archive: Path, out: Path, n_jobs: int) -> list[str]:
    where = [str(archive), f"--protocol={PROTOCOL}", f"--out={out}"]
    return ["batch", *where, f"--jobs={n_jobs}"]


def replay(file: Path, out: Path) -> Took:
    """Replay a recording; return what it took."""
    print(f"replay {file.name} …", file=sys.stderr, flush=True)
    arguments = ["replay", str(file), f"--protocol={PROTOCOL}", f"--out={out}"]
    return timed([*arguments, "--no-report", "--no-record"])


def n_differences(one: Path, two: Path) -> int:
    """Return how many datasets of maps.h5, and columns of verdicts.csv, differ; times apart."""
    with h5py.File(one / "maps.h5") as left, h5py.File(two / "maps.h5") as right:
        names = set(left) | set(right)
        maps = sum(
            name not in left
            or name not in right
            or left[name][:].tobytes() != right[name][:].tobytes()
            for name in names
        )
    first, second = (_verdicts(folder) for folder in (one, two))
    return maps + sum(first[name] != second.get(name) for name in first)


def _verdicts(folder: Path) -> dict[str, list[str]]:
    with (folder / "verdicts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0] if not name.endswith("_ms")}


def measure(arguments: argparse.Namespace) -> Outcome:
    n_recordings, n_frames, n_times = (
        (2, 3, 1) if arguments.quick else (arguments.recordings, arguments.frames, arguments.times)
    )
    with tempfile.TemporaryDirectory(prefix="batch-") as name:
        folder, archive = Path(name), Path(name) / "archive"
        archive.mkdir()
        print(f"{n_recordings} recordings of {n_frames} frames …", file=sys.stderr, flush=True)
        n_bytes = write_archive(archive, n_recordings=n_recordings, n_frames=n_frames)
        first = archive / "000.mrd"
        replayed = [replay(first, folder / f"replay{n}") for n in range(1 if n_times == 1 else 3)]
        took: dict[int, list[Took]] = {1: [], 2: []}
        apart: list[Took] = []
        for turn in range(n_times):
            for n_jobs, times in took.items():
                times.append(batch(archive, folder / f"{n_jobs}-{turn}", n_jobs))
                if turn:  # the first are compared
                    shutil.rmtree(folder / f"{n_jobs}-{turn}")
            apart.append(two_commands(archive, folder / "apart"))
            shutil.rmtree(folder / "apart")
        runs = [sorted((folder / f"{n_jobs}-0" / "runs").iterdir()) for n_jobs in took]
        n_differ = sum(n_differences(one, two) for one, two in zip(*runs, strict=True))
        # all recordings hold the same samples, so each must be the replay of the first
        n_differ += sum(n_differences(folder / "replay0", one) for one in runs[1])
    return _outcome(took, apart, replayed, n_differ, n_recordings, n_frames, n_bytes)


def _outcome(
    took: dict[int, list[Took]],
    apart: list[Took],
    replayed: list[Took],
    n_differ: int,
    n_recordings: int,
    n_frames: int,
    n_bytes: int,
) -> Outcome:
    one_s, two_s = (_wall_s(times) for times in took.values())
    each_s = _wall_s(replayed)
    rows = [("replay, one after another", replayed, n_recordings)]
    rows += [(f"batch --jobs {n}", times, 1) for n, times in took.items()]
    rows.append(("two batches of one process at once, half of it each", apart, 1))
    table = Table(
        f"{n_recordings} recordings of {n_frames} frames, 128 × 128, 8 coils, "
        f"{n_bytes / 2**20:.0f} MiB each",
        ("command", "median", "a recording", "frames/s", "CPU", "measured"),
        tuple(
            (
                what,
                f"{n * _wall_s(times):.1f} s",
                f"{n * _wall_s(times) / n_recordings:.2f} s",
                f"{n_recordings * n_frames / (n * _wall_s(times)):.0f}",
                f"{n * statistics.median(one.cpu_s for one in times):.0f} s",
                " ".join(f"{one.wall_s:.1f}" for one in times),
            )
            for what, times, n in rows
        ),
        f"Whole commands on {os.cpu_count()} cores. Replay: the median of {len(replayed)}, times "
        "the number of recordings; its gateway, worker, player and run folder are four processes, "
        "a process of the batch is one.",
    )
    targets = (
        Target(
            f"batch on two processes at least {LEAST_GAIN} × one",
            f"{one_s / two_s:.2f} ×",
            one_s / two_s >= LEAST_GAIN,
        ),
        Target(
            "two batches at once that share nothing but the machine, against one",
            f"{one_s / _wall_s(apart):.2f} ×",
            None,
        ),
        Target(
            "one process, two and `replay` give the same maps and verdicts, bit for bit",
            f"{n_differ} datasets or columns differ",
            n_differ == 0,
        ),
        Target(
            "two processes against replays one after another",
            f"{each_s * n_recordings / two_s:.1f} ×",
            None,
        ),
    )
    return Outcome(targets, (table,))


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recordings", type=int, default=24, help="24 by default")
    parser.add_argument("--frames", type=int, default=60, help="of each; 60 by default")
    parser.add_argument("--times", type=int, default=3, help="how often; 3 by default")


def _wall_s(times: list[Took]) -> float:
    return statistics.median(one.wall_s for one in times)


if __name__ == "__main__":
    sys.exit(run("batch", measure, about=__doc__, options=_options))
