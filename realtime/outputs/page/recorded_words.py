"""A run folder's rows as the verdicts that they were written from, as far as they tell."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from messages import (
    DeliveredDose,
    FrameKey,
    MotionReading,
    RegionReading,
    StructureDose,
    Verdict,
)
from realtime.outputs.report_motion_record import DoseRow, MotionRow
from realtime.outputs.report_record import ReadingRow, RunRecord, VerdictRow


def recorded_verdicts(run: RunRecord) -> list[Verdict]:
    """Return a verdict for each frame, by its number; of a folder without any, for each picture."""
    readings: dict[int, list[RegionReading]] = defaultdict(list)
    for row in run.readings:
        readings[row.frame_id].append(_reading(row))
    motions = {row.frame_id: _motion(row) for row in run.motion if row.is_followed}
    doses: dict[int, list[DoseRow]] = defaultdict(list)
    for dose in run.dose:
        doses[dose.frame_id].append(dose)
    rows = {row.frame_id: row for row in run.verdicts}
    if not rows and run.maps is not None:
        rows = {frame: _unknown(frame) for frame in run.maps.frame.tolist()}
    return [
        _verdict(row, tuple(readings[frame]), motions.get(frame), _delivered(doses.get(frame, ())))
        for frame, row in sorted(rows.items())
    ]


def _verdict(
    row: VerdictRow,
    regions: tuple[RegionReading, ...],
    motion: MotionReading | None,
    delivered: DeliveredDose | None,
) -> Verdict:
    outcome = row.outcome if row.outcome in ("COMPUTED", "LATE", "FAULT") else "FAULT"
    return Verdict(
        row.frame_id,
        FrameKey(row.frame_id),
        outcome,  # type: ignore[arg-type]  # one of the three
        "GRANTED" if row.decision == "GRANTED" else "HELD",
        _number(row.time_s),
        regions=regions,
        age_ms=row.age_ms if math.isfinite(row.age_ms) else 0.0,
        stage_ms=dict(row.stage_ms),
        permit="GRANTED" if row.permit == "GRANTED" else "HELD",
        motion=motion,
        delivered=delivered,
    )


def _unknown(frame: int) -> VerdictRow:
    return VerdictRow(frame, None, "FAULT", "HELD", "HELD", "", 0.0, {})


def _reading(row: ReadingRow) -> RegionReading:
    return RegionReading(
        row.region,
        row.role,
        row.n_pixels,
        row.n_valid,
        _number(row.temperature_max_c),
        _number(row.temperature_mean_c),
        _number(row.temperature_std_c),
        _number(row.dose_max_cem43_min),
    )


def _motion(row: MotionRow) -> MotionReading:
    left, posterior, superior = row.lps_mm
    return MotionReading(
        time_s=_number(row.time_s),
        displacement_mm=_pair(row.displacement_mm),
        displacement_lps_mm=None if math.isnan(left) else (left, posterior, superior),
        similarity=_number(row.similarity),
        similarity_limit=_number(row.similarity_limit),
        area_mm2=_number(row.area_mm2),
        volume_mm3=_number(row.volume_mm3),
        doubts=row.doubts,
        effect_time_s=_number(row.effect_time_s),
        predicted_mm=_pair(row.predicted_mm),
        predicted_low_mm=_pair(row.low_mm),
        predicted_high_mm=_pair(row.high_mm),
        outside_percent=_number(row.outside_percent),
        predicted_outside_percent=_number(row.predicted_outside_percent),
        probability=_number(row.probability),
        is_gate_open=row.is_gate_open,
        is_beam_on=row.is_beam_on,
        gate_center_mm=_pair(row.gate_center_mm),
        reference_frame=row.reference_frame,
    )


def _delivered(rows: Sequence[DoseRow]) -> DeliveredDose | None:
    if not rows:
        return None
    first = rows[0]
    so_far, planned, forecast = (
        tuple(
            _structure(row, getattr(row, when))
            for row in rows
            if math.isfinite(getattr(row, when)["d98_gy"])
        )
        for when in ("so_far", "planned", "forecast")
    )
    return DeliveredDose(
        first.mu, first.planned_mu, so_far, planned, forecast, first.unplaced_mu,
        first.is_interrupted,
    )  # fmt: skip


def _structure(row: DoseRow, figures: Mapping[str, float]) -> StructureDose:
    unknown = {name: None for name in ("v95_percent", "v100_percent") if math.isnan(figures[name])}
    return StructureDose(row.structure, row.role, **{**figures, **unknown})  # type: ignore[arg-type]


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _pair(values: tuple[float, float]) -> tuple[float, float] | None:
    return values if all(map(math.isfinite, values)) else None
