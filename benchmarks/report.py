"""`mrmonitor report` of finished runs, as a fresh process: how long, and where the time goes."""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
from _table import ROOT, MeasurementError, Outcome, Table, Target, run

from realtime.clock import MonotonicClock

MOST_S = 10.0
_PATIENCE_S = 600.0
_STAGES = ("import", "read", "compose, pictures drawn", "write HTML", "write PDF")
# each stage by itself, in a process that does nothing else
_INSIDE = """
import sys
from realtime.clock import MonotonicClock
clock, at = MonotonicClock(), []
at.append(clock.now_ns())
from pathlib import Path
from realtime.outputs.report import report_of
from realtime.outputs.report_html import html
from realtime.outputs.report_pdf import write_pdf
from realtime.outputs.report_record import read_run
at.append(clock.now_ns())
run = read_run(Path(sys.argv[1]))
at.append(clock.now_ns())
report = report_of(run)
at.append(clock.now_ns())
Path(sys.argv[2], "report.html").write_text(html(report), encoding="utf-8")
at.append(clock.now_ns())
write_pdf(report, Path(sys.argv[2], "report.pdf"))
at.append(clock.now_ns())
print(*((b - a) / 1e9 for a, b in zip(at, at[1:])))
"""


def measure(arguments: argparse.Namespace) -> Outcome:
    n_frames, n_times = (12, 1) if arguments.quick else (arguments.frames, arguments.times)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        runs = {f"mrgfus, {n_frames} frames of 128²": _heated(folder, n_frames)}
        if not arguments.quick:
            runs[f"mrlinac, {n_frames} frames of 128²"] = _linac(folder, n_frames)
        wholes = {name: _whole_s(path, n_times) for name, path in runs.items()}
        stages = {name: _stages_s(path, folder) for name, path in runs.items()}
        sizes = {name: _sizes(path) for name, path in runs.items()}
    rows = tuple(
        (name, f"{statistics.median(wholes[name]):.2f} s", f"{max(wholes[name]):.2f} s",
         *(f"{one:.2f} s" for one in stages[name]), *sizes[name])
        for name in runs
    )  # fmt: skip
    columns = ("run", "command, median", "slowest", *_STAGES, "report.html", "report.pdf")
    note = (
        f"The command `mrmonitor report RUN` in a fresh process, {n_times} times; then its stages, "
        "once, in a process of their own. The files of the run lie in the page cache."
    )
    targets = tuple(
        Target(
            f"report (HTML and PDF) of a run, {name}: under {MOST_S:g} s",
            f"{max(wholes[name]):.2f} s at most",
            max(wholes[name]) < MOST_S,
        )
        for name in runs
    )
    return Outcome(targets, (Table("The report of a run", columns, rows, note),))


def _heated(folder: Path, n_frames: int) -> Path:
    recording, out = folder / "treatment.mrd", folder / "mrgfus"
    _mrmonitor("simulate", f"--to={recording}", f"--frames={n_frames}")
    _mrmonitor(
        "replay", str(recording), "--protocol=mrgfus-demo", f"--out={out}", "--no-report",
        "--no-record",
    )  # fmt: skip
    return out


def _linac(folder: Path, n_frames: int) -> Path:
    out = folder / "mrlinac"
    _mrmonitor(
        "demo", "mrlinac", f"--frames={n_frames}", "--speed=max", "--no-browser", f"--out={out}"
    )
    return out


def _whole_s(out: Path, n_times: int) -> list[float]:
    clock, found = MonotonicClock(), []
    for _ in range(n_times):
        began_ns = clock.now_ns()
        _mrmonitor("report", str(out))
        found.append((clock.now_ns() - began_ns) / 1e9)
    return found


def _stages_s(out: Path, folder: Path) -> list[float]:
    told = _python("-c", _INSIDE, str(out), str(folder))
    return [float(one) for one in told.split()]


def _sizes(out: Path) -> tuple[str, str]:
    html, pdf = ((out / f"report.{kind}").stat().st_size for kind in ("html", "pdf"))
    return f"{html / 1e6:.1f} MB", f"{pdf / 1e6:.1f} MB"


def _mrmonitor(*arguments: str) -> str:
    print("mrmonitor", *arguments, file=sys.stderr, flush=True)
    return _python("-m", "realtime.cli", *arguments)


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=_PATIENCE_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise MeasurementError(f"{arguments[1:3]}: {done.stderr.strip()[-400:]}")
    return done.stdout


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=200, help="of each run; 200 by default")
    parser.add_argument("--times", type=int, default=5, help="each command; 5 by default")


if __name__ == "__main__":
    sys.exit(run("report", measure, about=__doc__, options=_options))
