"""One run of the monitor with one step left out: `python _tails_case.py STEP LOAD FRAMES OUT`."""

import sys
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
import msgspec

from realtime import worker_link
from realtime.cli.latency import Asked, measured, timings_of
from realtime.tuning import UNTUNED, Tuning

STEPS = {
    "nothing": Tuning(),
    "first": Tuning(is_first=False),
    "pinned": Tuning(is_pinned=False),
    "locked": Tuning(is_locked=False),
    "kept-memory": Tuning(keeps_memory=False),
    "all-four": UNTUNED,
    "frozen-collector": Tuning(),
    "one-thread": Tuning(),
}


def main(step: str, load: int, n_frames: int, out: Path) -> None:
    """Measure, and write the ages (ms) of the frames into a file beside the run."""
    if step == "one-thread":
        worker_link.ONE_THREAD.clear()
    asked = Asked(128, 8, 20.0, n_frames, load=load)
    heard, _ = measured(out, asked, tuning=STEPS[step])
    timings, _ = timings_of(out, heard)
    (out / "ages.json").write_bytes(msgspec.json.encode([one.age_ms for one in timings]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
