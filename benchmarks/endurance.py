"""Whether memory and descriptors stay flat over a million frames: the fold, then all processes."""

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import _path  # noqa: F401 - first of all that is not Python's own
from _endless_scan import breathing, heated
from _endurance_fold import Course
from _endurance_fold import play as play_fold
from _endurance_memory import PER_FRAMES, Sample, Slope, settled, slope_of
from _endurance_processes import play as play_processes
from _endurance_protocols import FUS, LINAC
from _table import Outcome, Table, Target, run

MOST_MB = 1.0  # per 100 000 frames
SURE = 2.0  # standard errors
N_TOLD = 10  # lines of progress a run
QUICK_FRAMES = 2000


@dataclass(frozen=True, slots=True)
class Case:
    """One fold. share: of the frames asked for; slower ones run through fewer."""

    name: str
    n_pixels: int
    protocol: str
    share: float


CASES = (
    Case("mrgfus: single-baseline, dose, Arrhenius", 16, FUS.format(heat_model="false"), 1.0),
    Case("mrlinac: ncc, rls, gate, delivered dose", 32, LINAC, 0.06),
    Case("mrgfus with the heat model", 16, FUS.format(heat_model="true"), 0.02),
)


def fold(case: Case, n_frames: int) -> Course:
    """Run one case; in a process of its own, which begins with nothing of the others'."""
    scan = breathing(case.n_pixels, 2) if case.protocol is LINAC else heated(case.n_pixels, 2)
    return play_fold(scan, case.protocol, n_frames, _Progress(case.name))


class _Progress:
    def __init__(self, name: str) -> None:
        self._name, self._n_told = name, 0

    def __call__(self, n_frames: int, seen: Sample) -> None:
        if seen.frame * N_TOLD >= n_frames * (self._n_told + 1):
            self._n_told = seen.frame * N_TOLD // n_frames
            held = seen.resident_bytes / 1e6
            print(
                f"  {self._name}: {seen.frame:,} of {n_frames:,} frames, {held:.1f} MB", flush=True
            )


def measure(arguments: argparse.Namespace) -> Outcome:
    n_frames, n_through = arguments.frames, arguments.through
    if arguments.quick:
        n_frames, n_through = QUICK_FRAMES, QUICK_FRAMES // 4
    courses = _folds(n_frames)
    targets, rows = [], []
    for case, course in courses:
        told = f"{case.name}, {course.samples[-1].frame:,} frames through the fold"
        targets += _targets(told, course.samples, is_judged=not arguments.quick)
        rows.append(_fold_row(case.name, course))
    processes = []
    for is_lossless in (True, False):
        name = "lossless, all computed" if is_lossless else "live, newest wins, recorded"
        scan = heated(16, 1)
        by_role = play_processes(
            scan, CASES[0].protocol, n_through, _Progress(name), is_lossless=is_lossless
        )
        for role, samples in by_role.items():
            told = f"{role}, {name}, {n_through:,} frames"
            targets += _targets(told, samples, is_judged=not arguments.quick)
            processes.append((f"{role}, {name}", *_cells(samples, slope_of(samples))))
    return Outcome(tuple(targets), (_fold_table(rows), _process_table(processes)))


def _folds(n_frames: int) -> list[tuple[Case, Course]]:
    """Run the cases two at a time, each in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context, max_tasks_per_child=1) as pool:
        running = [
            (case, pool.submit(fold, case, max(QUICK_FRAMES // 4, round(case.share * n_frames))))
            for case in CASES
        ]
        return [(case, one.result()) for case, one in running]


def _targets(told: str, samples: list[Sample], *, is_judged: bool) -> list[Target]:
    found, kept = slope_of(samples), settled(samples)
    counts = sorted({one.n_descriptors for one in kept})
    is_flat = found.mb + SURE * found.error_mb < MOST_MB
    return [
        Target(
            f"{told}: resident memory grows by less than {MOST_MB:g} MB per {PER_FRAMES:,} frames "
            f"({SURE:g} standard errors included)",
            str(found),
            is_flat if is_judged else None,
        ),
        Target(
            f"{told}: descriptors do not grow",
            " or ".join(map(str, counts)),
            kept[-1].n_descriptors <= kept[0].n_descriptors if is_judged else None,
        ),
    ]


def _fold_row(name: str, course: Course) -> tuple[str, ...]:
    (state, state_end), (kept, kept_end) = course.state_bytes, course.checkpoint_bytes
    return (
        name,
        *_cells(course.samples, slope_of(course.samples)),
        f"{state / 1e3:.1f} → {state_end / 1e3:.1f} kB",
        f"{kept / 1e3:.0f} → {kept_end / 1e3:.0f} kB",
        f"{course.us_per_frame:.0f} µs",
    )


def _cells(samples: list[Sample], found: Slope) -> tuple[str, ...]:
    kept = settled(samples)
    counts = [one.n_descriptors for one in kept]
    return (
        f"{samples[-1].frame:,}",
        f"{kept[0].resident_bytes / 1e6:.1f} → {kept[-1].resident_bytes / 1e6:.1f} MB",
        str(found),
        f"{min(counts)} – {max(counts)}",
    )


_COLUMNS = ("frames", "resident", f"slope per {PER_FRAMES:,} frames", "descriptors")


def _fold_table(rows: list[tuple[str, ...]]) -> Table:
    return Table(
        "The fold in one process",
        ("what", *_COLUMNS, "pickled state", "checkpoint", "a frame took"),
        tuple(rows),
        "Reconstruct, measure, conclude, maps and verdict into shared memory, the gateway's answer "
        "with permit and alerts encoded, the checkpoint saved. Limits are crossed in every period. "
        "Figures are from a fifth of the frames on; the slope is the median of all pairs of a "
        "dozen stretches, its error their scatter.",
    )


def _process_table(rows: list[tuple[str, ...]]) -> Table:
    return Table(
        "Each process of the whole monitor, fed over TCP as fast as it takes it",
        ("process", *_COLUMNS),
        tuple(rows),
        "16 × 16, one coil. Live, the gateway sees every readout, the worker the frames that it "
        "has time for.",
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=1_000_000, help="through the fold")
    parser.add_argument("--through", type=int, default=20_000, help="through all processes")


if __name__ == "__main__":
    sys.exit(run("endurance", measure, about=__doc__, options=_options))
