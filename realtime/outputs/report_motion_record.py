"""motion.csv and dose.csv of a run folder, row by row; what was not known is NaN."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from realtime.outputs.run_tables import DOSE_FIGURES, DOSE_TIMES

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class MotionRow:
    """One row of motion.csv; pairs are (y, x), lps_mm is (L, P, S).

    reference_frame: that the displacement counts from, None before there is one.
    is_beam_on: None where the accelerator has said nothing. is_followed: the frame was computed and
    a target looked for, found or not.
    """

    frame_id: int
    slice: int
    time_s: float
    displacement_mm: Pair
    lps_mm: tuple[float, float, float]
    reference_frame: int | None
    similarity: float
    similarity_limit: float
    doubts: tuple[str, ...]
    area_mm2: float
    volume_mm3: float
    effect_time_s: float
    predicted_mm: Pair
    low_mm: Pair
    high_mm: Pair
    outside_percent: float
    predicted_outside_percent: float
    probability: float
    gate_center_mm: Pair
    is_gate_open: bool
    is_beam_on: bool | None
    is_granted: bool
    is_followed: bool
    is_training: bool

    @property
    def is_tracked(self) -> bool:
        """Whether the target's place was known and believed."""
        return not self.doubts and not math.isnan(self.displacement_mm[0])


@dataclass(frozen=True, slots=True)
class DoseRow:
    """One row of dose.csv. so_far, planned, forecast: by the figure's name, NaN where not told."""

    frame_id: int
    time_s: float
    structure: str
    role: str
    mu: float
    planned_mu: float
    unplaced_mu: float
    is_interrupted: bool
    so_far: Mapping[str, float]
    planned: Mapping[str, float]
    forecast: Mapping[str, float]


def motion_row(row: dict[str, str]) -> MotionRow:
    """Return a row of motion.csv. Raises KeyError, ValueError where it is none."""

    def pair(name: str) -> Pair:
        return _number(row[f"{name}_y_mm"]), _number(row[f"{name}_x_mm"])

    left, posterior, superior = (_number(row[f"displacement_{axis}_mm"]) for axis in "lps")
    return MotionRow(
        frame_id=int(row["frame"]),
        slice=int(row["slice"]),
        time_s=_number(row["scanner_time_s"]),
        displacement_mm=pair("displacement"),
        lps_mm=(left, posterior, superior),
        reference_frame=int(row["reference_frame"]) if row["reference_frame"] else None,
        similarity=_number(row["similarity"]),
        similarity_limit=_number(row["similarity_limit"]),
        doubts=tuple(row["doubts"].split()),
        area_mm2=_number(row["area_mm2"]),
        volume_mm3=_number(row["volume_mm3"]),
        effect_time_s=_number(row["effect_time_s"]),
        predicted_mm=pair("predicted"),
        low_mm=pair("predicted_low"),
        high_mm=pair("predicted_high"),
        outside_percent=_number(row["outside_percent"]),
        predicted_outside_percent=_number(row["predicted_outside_percent"]),
        probability=_number(row["probability"]),
        gate_center_mm=pair("gate_center"),
        is_gate_open=row["gate"] == "OPEN",
        is_beam_on={"": None, "ON": True, "OFF": False}[row["beam"]],
        is_granted=row["permit"] == "GRANTED",
        is_followed=bool(row["gate"]),
        is_training=row["training"] == "1",
    )


def dose_row(row: dict[str, str]) -> DoseRow:
    """Return a row of dose.csv. Raises KeyError, ValueError where it is none."""
    so_far, planned, forecast = (
        {name: _number(row[f"{when}_{name}"]) for name in DOSE_FIGURES} for when in DOSE_TIMES
    )
    return DoseRow(
        int(row["frame"]), _number(row["scanner_time_s"]), row["structure"], row["role"],
        float(row["mu"]), float(row["planned_mu"]), float(row["unplaced_mu"]),
        row["interrupted"] == "1", so_far, planned, forecast,
    )  # fmt: skip


def _number(text: str) -> float:
    return float(text) if text else math.nan
