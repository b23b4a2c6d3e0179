"""What a batch leaves: one row for each recording and protocol, and which recording is which."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.batch.figures import Figures
from realtime.batch.planning import RUNS, Planned
from realtime.batch.table import Row

TABLE, WHICH = "batch.csv", "recordings.csv"
COMPARED = (
    "frames", "peak_c", "peak_std_c", "dose_cem43_min", "lesion_mm3", "gate_percent",
    "target_d98_gy", "target_d95_gy",
)  # fmt: skip
"""Of the run in whose folder a recording lies, the figures that stand beside the new ones."""
_HEAD = ("recording", "protocol", "protocol_hash", "state", "why", "run")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the result."""

    planned: Planned
    row: Row

    @property
    def is_done(self) -> bool:
        """Whether there is a result to be believed."""
        return self.row.state == "done"


def write_table(out: Path, lines: Sequence[Line]) -> Path:
    """Write batch.csv, replaced whole; nothing in it names a person or a folder of the archive."""
    columns = (*_HEAD, *Figures.__struct_fields__, *(f"earlier_{name}" for name in COMPARED))
    _write(out / TABLE, columns, [_cells(line) for line in lines], mode=0o644)
    return out / TABLE


def write_which(out: Path, lines: Sequence[Line]) -> None:
    """Write recordings.csv, which tells the archive's paths and is for its owner's eyes alone."""
    paths = dict.fromkeys((line.planned.recording, line.planned.path) for line in lines)
    _write(out / WHICH, ("recording", "path"), [list(one) for one in paths], mode=0o600)


def _cells(line: Line) -> list[str]:
    planned, row = line.planned, line.row
    figures, earlier = row.figures or Figures(), row.earlier
    run = "" if planned.job is None or row.figures is None else f"{RUNS}/{planned.job.name}"
    head = [
        planned.recording,
        planned.protocol_name,
        planned.protocol_hash,
        row.state,
        row.why,
        run,
    ]
    found = [
        "" if row.figures is None else _cell(getattr(figures, name))
        for name in Figures.__struct_fields__
    ]
    before = ["" if earlier is None else _cell(getattr(earlier, name)) for name in COMPARED]
    return [*head, *found, *before]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _write(path: Path, columns: Sequence[str], rows: list[list[str]], *, mode: int) -> None:
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", newline="", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    new.replace(path)
