"""The figures of `mrmonitor latency`: one frame's times, and what a run of frames comes to."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from realtime.cli.latency_sender import Heard
from realtime.outputs.report_record import VerdictRow
from realtime.outputs.run_tables import STAGES

KERNELS = ("absorb", "reconstruct", "measure", "judge")
PERCENTILES = (50.0, 99.0, 99.9, 100.0)
SPANS = (
    ("age_ms", "last readout received → verdict published"),
    ("end_to_end_ms", "last readout sent → verdict event received"),
    ("first_image_ms", "last readout sent → first image back"),
    ("images_ms", "last readout sent → all images back"),
)
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Timing:
    """One frame. In ms: each stage, its age, and what the sender saw (NaN where it saw nothing).

    sent_ns, received_ns, heard_ns: of its last readout and of its verdict's event; 0: not known.
    """

    frame_id: int
    stage_ms: dict[str, float]
    age_ms: float
    end_to_end_ms: float = _NAN
    first_image_ms: float = _NAN
    images_ms: float = _NAN
    sent_ns: int = 0
    received_ns: int = 0
    heard_ns: int = 0

    @property
    def kernels_ms(self) -> float:
        """What the kernels alone took."""
        return sum(self.stage_ms.get(stage, 0.0) for stage in KERNELS)


@dataclass(frozen=True, slots=True)
class Ratios:
    """What the issue of tails comes down to.

    kernels_ms: sum of the kernels' own medians. median_ms, tail_ms: p50 and p99.9 of the age.
    """

    kernels_ms: float
    median_ms: float
    tail_ms: float
    n_frames: int

    @property
    def over_kernels(self) -> float:
        """Median of the age over the kernels' sum."""
        return self.median_ms / self.kernels_ms

    @property
    def tail_over_median(self) -> float:
        """p99.9 of the age over its median."""
        return self.tail_ms / self.median_ms


def timing_of(row: VerdictRow, heard: Heard) -> Timing:
    """Return the times of a frame that was computed."""
    frame = row.frame_id
    sent_ns, heard_ns = heard.sent_ns.get(frame), heard.heard_ns.get(frame)
    images_ns = heard.images_ns.get(frame, [])
    return Timing(
        frame,
        dict(row.stage_ms),
        row.age_ms,
        _between_ms(sent_ns, heard_ns),
        _between_ms(sent_ns, min(images_ns, default=None)),
        _between_ms(sent_ns, max(images_ns, default=None)),
        sent_ns or 0,
        heard.received_ns.get(frame, 0),
        heard_ns or 0,
    )


def _between_ms(begin_ns: int | None, end_ns: int | None) -> float:
    return _NAN if begin_ns is None or end_ns is None else (end_ns - begin_ns) / 1e6


def values_of(timings: Sequence[Timing], name: str) -> list[float]:
    """Return one span of all frames in which it was seen, in ms."""
    return [value for one in timings if np.isfinite(value := getattr(one, name))]


def ratios_of(timings: Sequence[Timing]) -> Ratios:
    """Return the ratios of a run."""
    kernels_ms = sum(float(np.median(_stage(timings, stage))) for stage in KERNELS)
    median_ms, tail_ms = np.percentile([one.age_ms for one in timings], (50, 99.9))
    return Ratios(kernels_ms, float(median_ms), float(tail_ms), len(timings))


def write_csv(path: Path, timings: Sequence[Timing]) -> None:
    """Write one row a frame."""
    names = tuple(name for name, _ in SPANS)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", *(f"{stage}_ms" for stage in STAGES), "kernels_ms", *names])
        for one in timings:
            stages = [one.stage_ms.get(stage, 0.0) for stage in STAGES]
            rest = [one.kernels_ms, *(getattr(one, name) for name in names)]
            writer.writerow([one.frame_id, *(f"{value:.3f}" for value in (*stages, *rest))])


def table_of(timings: Sequence[Timing], title: str) -> Table:
    """Return the percentiles of every stage and span."""
    table = Table("stage", "p50", "p99", "p99.9", "max", title=f"{title} (ms)")
    for column in table.columns[1:]:
        column.justify = "right"
    for stage in STAGES:
        _add(table, stage.replace("_", " "), _stage(timings, stage))
    table.add_section()
    for name, words in SPANS:
        values = values_of(timings, name)
        if values:
            _add(table, words, values)
    return table


def _stage(timings: Sequence[Timing], stage: str) -> list[float]:
    return [one.stage_ms.get(stage, 0.0) for one in timings]


def _add(table: Table, name: str, values: list[float]) -> None:
    table.add_row(name, *(f"{p:.3f}" for p in np.percentile(values, PERCENTILES)))
