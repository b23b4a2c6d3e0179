"""One run of the monitor with one step left out: `python _tails_case.py STEP CASE FRAMES OUT`."""

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
import msgspec
from _pressure import pressed

from realtime import worker_link
from realtime.cli.latency import Asked, measured, timings_of
from realtime.tuning import UNTUNED, Tuning

STEPS = {
    "nothing": Tuning(),
    "first": Tuning(is_first=False),
    "pinned": Tuning(is_pinned=False),
    "locked": Tuning(is_locked=False),
    "all-three": UNTUNED,
    "frozen-collector": Tuning(),
    "one-thread": Tuning(),
}


@dataclass(frozen=True, slots=True)
class Case:
    """Beside how many loads it runs, and whether memory is taken away meanwhile."""

    load: int = 0
    is_pressed: bool = False


CASES = {
    "idle": Case(),
    "loaded": Case(load=2),
    "pressed": Case(is_pressed=True),
}


def main(step: str, case: Case, n_frames: int, out: Path) -> None:
    """Measure, and write the ages (ms) of the frames into a file beside the run."""
    if step == "one-thread":
        worker_link.ONE_THREAD.clear()
    asked = Asked(128, 8, 20.0, n_frames, load=case.load)
    with pressed() if case.is_pressed else contextlib.nullcontext():
        heard, _ = measured(out, asked, tuning=STEPS[step])
    timings, _ = timings_of(out, heard)
    (out / "ages.json").write_bytes(msgspec.json.encode([one.age_ms for one in timings]))


if __name__ == "__main__":
    main(sys.argv[1], CASES[sys.argv[2]], int(sys.argv[3]), Path(sys.argv[4]))
