"""The CSV files of a run folder: what each is called, its columns, and the rows of one verdict."""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from messages import StructureDose, Verdict

Row = Sequence[object]

STAGES = ("hand_over", "absorb", "reconstruct", "measure", "judge", "deliver", "hand_back")
DOSE_FIGURES = tuple(name for name in StructureDose.__slots__ if name not in ("name", "role"))
DOSE_TIMES = ("so_far", "planned", "forecast")


@dataclass(frozen=True, slots=True)
class Table:
    """One file. rows: of one verdict."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[Verdict], Iterable[Row]]


class TableFile:
    """A table on disk; every verdict's rows are flushed."""

    def __init__(self, folder: Path, table: Table) -> None:
        self._rows_of = table.rows
        self._file = (folder / table.name).open("w", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(table.columns)

    def write(self, verdict: Verdict) -> None:
        """Write the rows of a verdict."""
        self._writer.writerows(self._rows_of(verdict))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _cells(values: Sequence[float] | None, digits: int, *, n: int) -> list[str]:
    return [""] * n if values is None else [_cell(value, digits) for value in values]


def _verdict_rows(verdict: Verdict) -> Iterable[Row]:
    key, stage_ms = verdict.key, verdict.stage_ms or {}
    findings = "; ".join(f"{one.severity} {one.rule}: {one.text}" for one in verdict.findings)
    yield [
        verdict.frame_id, key.repetition, key.slice, key.contrast, _cell(verdict.time_s, 6),
        verdict.outcome, verdict.decision, verdict.permit, findings, f"{verdict.age_ms:.3f}",
        *(_cell(stage_ms.get(stage), 3) for stage in STAGES),
    ]  # fmt: skip


def _reading_rows(verdict: Verdict) -> Iterable[Row]:
    for one in verdict.regions:
        yield [
            verdict.frame_id, _cell(verdict.time_s, 6), one.name, one.role, one.n_pixels,
            one.n_valid, _cell(one.temperature_max_c, 3), _cell(one.temperature_mean_c, 3),
            _cell(one.temperature_std_c, 3), _cell(one.dose_max_cem43_min, 4),
            _cell(one.dose_min_cem43_min, 4), _cell(one.peak_c, 3), _cell(one.final_cem43_min, 4),
            _cell(one.final_high_cem43_min, 4),
        ]  # fmt: skip


def _motion_rows(verdict: Verdict) -> Iterable[Row]:
    """Return one row for each frame, empty where it was not computed."""
    head = [verdict.frame_id, verdict.key.slice]
    motion = verdict.motion
    if motion is None:
        unknown = [""] * (len(MOTION.columns) - len(head) - 2)
        yield [*head, _cell(verdict.time_s, 6), *unknown, verdict.permit]
        return
    is_training = verdict.baseline_frames < verdict.baseline_wanted
    beam = {None: "", True: "ON", False: "OFF"}[motion.is_beam_on]
    yield [
        *head, _cell(motion.time_s, 6), *_cells(motion.displacement_mm, 4, n=2),
        *_cells(motion.displacement_lps_mm, 4, n=3), _cell(motion.reference_frame, 0),
        _cell(motion.similarity, 5), _cell(motion.similarity_limit, 5), " ".join(motion.doubts),
        int(is_training), _cell(motion.area_mm2, 2), _cell(motion.volume_mm3, 1),
        _cell(motion.effect_time_s, 6), *_cells(motion.predicted_mm, 4, n=2),
        *_cells(motion.predicted_low_mm, 4, n=2), *_cells(motion.predicted_high_mm, 4, n=2),
        _cell(motion.outside_percent, 3), _cell(motion.predicted_outside_percent, 3),
        _cell(motion.probability, 4),
        *_cells(motion.gate_center_mm, 4, n=2), "OPEN" if motion.is_gate_open else "CLOSED", beam,
        verdict.permit,
    ]  # fmt: skip


def _dose_rows(verdict: Verdict) -> Iterable[Row]:
    """Return one row for each structure; planned and forecast are empty where they are not told."""
    dose = verdict.delivered
    if dose is None:
        return
    planned = {one.name: one for one in dose.planned}
    forecast = {one.name: one for one in dose.forecast}
    for one in dose.so_far:
        yield [
            verdict.frame_id, _cell(verdict.time_s, 6), one.name, one.role, f"{dose.mu:.3f}",
            f"{dose.planned_mu:.3f}", f"{dose.unplaced_mu:.3f}", int(dose.interrupted),
            *_figures(one), *_figures(planned.get(one.name)), *_figures(forecast.get(one.name)),
        ]  # fmt: skip


def _figures(dose: StructureDose | None) -> list[str]:
    if dose is None:
        return [""] * len(DOSE_FIGURES)
    return [_cell(getattr(dose, name), 4) for name in DOSE_FIGURES]


VERDICTS = Table(
    "verdicts.csv",
    ("frame", "repetition", "slice", "contrast", "scanner_time_s", "outcome", "decision",
     "permit", "findings", "age_ms", *(f"{stage}_ms" for stage in STAGES)),
    _verdict_rows,
)  # fmt: skip
READINGS = Table(
    "readings.csv",
    ("frame", "scanner_time_s", "region", "role", "n_pixels", "n_valid", "temperature_max_c",
     "temperature_mean_c", "temperature_std_c", "dose_max_cem43_min", "dose_min_cem43_min",
     "peak_c", "final_cem43_min", "final_high_cem43_min"),
    _reading_rows,
)  # fmt: skip
MOTION = Table(
    "motion.csv",
    ("frame", "slice", "scanner_time_s", "displacement_y_mm", "displacement_x_mm",
     "displacement_l_mm", "displacement_p_mm", "displacement_s_mm", "reference_frame",
     "similarity", "similarity_limit", "doubts", "training", "area_mm2", "volume_mm3",
     "effect_time_s",
     "predicted_y_mm", "predicted_x_mm", "predicted_low_y_mm", "predicted_low_x_mm",
     "predicted_high_y_mm", "predicted_high_x_mm", "outside_percent", "predicted_outside_percent",
     "probability", "gate_center_y_mm", "gate_center_x_mm", "gate", "beam", "permit"),
    _motion_rows,
)  # fmt: skip
DOSE = Table(
    "dose.csv",
    ("frame", "scanner_time_s", "structure", "role", "mu", "planned_mu", "unplaced_mu",
     "interrupted", *(f"{when}_{figure}" for when in DOSE_TIMES for figure in DOSE_FIGURES)),
    _dose_rows,
)  # fmt: skip
TABLES = {
    "mrgfus": (VERDICTS, READINGS),
    "imaging": (VERDICTS, READINGS),
    "mrlinac": (VERDICTS, MOTION, DOSE),
}
"""By therapy, the tables of a run folder."""
