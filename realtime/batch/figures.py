"""The figures of a run that a batch compares: one row of its table."""

import math
from collections import Counter

import msgspec

from realtime.outputs.report_lesion import lesion_mm3
from realtime.outputs.report_linac_tables import last_dose
from realtime.outputs.report_motion_numbers import duty, prediction_error
from realtime.outputs.report_motion_series import motion_series
from realtime.outputs.report_numbers import (
    hottest,
    hottest_std_c,
    most_dose,
    pixel_of,
    raised_alerts,
)
from realtime.outputs.report_record import ReadingRow, RunRecord


class Figures(msgspec.Struct, frozen=True):
    """What a run came to; None where it has no such figure.

    held: frames after whose verdict the permit was held. alerts_*: that were raised, by priority;
    a gate's holds, one with each breath, are not counted.
    peak_c: the hottest reading of a target, or of any region without one; peak_std_c: its pixel's.
    dose_*: the most in a target, at the pixel that has it, with its 95 % interval.
    lesion_*: volume beyond 240 CEM43 min, all slices together, by the dose and both its ends.
    treated_s: after training. gate_percent, permit_percent, beam_percent: shares of it in which the
    gate was open, the permit granted, the beam on. outside_percent: of the target, on average.
    target_*: dose delivered to the first target. planned_*: with the same units to tissue at rest.
    """

    therapy: str = ""
    status: str = ""
    frames: int = 0
    computed: int = 0
    late: int = 0
    fault: int = 0
    incomplete: int = 0
    held: int = 0
    alerts_high: int = 0
    alerts_medium: int = 0
    alerts_low: int = 0
    peak_c: float | None = None
    peak_std_c: float | None = None
    dose_cem43_min: float | None = None
    dose_low_cem43_min: float | None = None
    dose_high_cem43_min: float | None = None
    lesion_mm3: float | None = None
    lesion_low_mm3: float | None = None
    lesion_high_mm3: float | None = None
    treated_s: float | None = None
    gate_percent: float | None = None
    permit_percent: float | None = None
    beam_percent: float | None = None
    outside_percent: float | None = None
    prediction_rms_mm: float | None = None
    mu: float | None = None
    target_d98_gy: float | None = None
    target_d95_gy: float | None = None
    target_mean_gy: float | None = None
    planned_d98_gy: float | None = None
    planned_d95_gy: float | None = None
    planned_mean_gy: float | None = None


def figures_of(run: RunRecord) -> Figures:
    """Return the figures of a run that has been read back."""
    found = _counts(run)
    found |= _motion(run) if run.therapy == "mrlinac" else _heat(run)
    return msgspec.convert({name: _plain(value) for name, value in found.items()}, Figures)


def _counts(run: RunRecord) -> dict[str, object]:
    outcomes = Counter(row.outcome for row in run.verdicts)
    priorities = Counter(alert.priority for alert in raised_alerts(run))
    return {
        "therapy": run.therapy,
        "status": run.status,
        "frames": len(run.verdicts),
        "computed": outcomes["COMPUTED"],
        "late": outcomes["LATE"],
        "fault": outcomes["FAULT"],
        "incomplete": 0 if run.stop is None else run.stop.n_incomplete,
        "held": sum(row.permit == "HELD" for row in run.verdicts),
        "alerts_high": priorities["high"],
        "alerts_medium": priorities["medium"],
        "alerts_low": priorities["low"],
    }


def _heat(run: RunRecord) -> dict[str, object]:
    peak, dose, lesion = hottest(run), most_dose(run), lesion_mm3(run)
    found: dict[str, object] = {}
    if peak is not None:
        found |= {"peak_c": peak.temperature_max_c, "peak_std_c": hottest_std_c(run, peak)}
    if dose is not None:
        low, high = _interval(run, dose)
        found |= {
            "dose_cem43_min": dose.dose_max_cem43_min,
            "dose_low_cem43_min": low,
            "dose_high_cem43_min": high,
        }
    if lesion is not None:
        found |= {
            "lesion_mm3": lesion.volume_mm3,
            "lesion_low_mm3": lesion.low_mm3,
            "lesion_high_mm3": lesion.high_mm3,
        }
    return found


def _interval(run: RunRecord, reading: ReadingRow) -> tuple[float | None, float | None]:
    """Return the ends of the interval at the pixel that has the reading's dose."""
    pixel = pixel_of(run, reading, "dose_cem43_min", reading.dose_max_cem43_min)
    if pixel is None or run.maps is None or not run.maps.has_interval:
        return None, None
    low, high = (
        run.maps.read(f"dose_{end}_cem43_min", pixel.row)[pixel.place] for end in ("low", "high")
    )
    return float(low), float(high)


def _motion(run: RunRecord) -> dict[str, object]:
    found: dict[str, object] = {}
    series = motion_series(run)
    used = None if series is None else duty(run, series)
    error = None if series is None else prediction_error(series)
    if used is not None and series is not None:
        found |= {
            "treated_s": used.treated if series.has_clock else None,
            "gate_percent": used.gate_percent,
            "permit_percent": used.permit_percent,
            "beam_percent": used.beam_percent,
            "outside_percent": used.outside_mean_percent,
        }
    if error is not None:
        found["prediction_rms_mm"] = error.rms_mm
    targets = [row for row in last_dose(run) if row.role == "target"]
    for row in targets[:1]:
        found["mu"] = row.mu
        for name in ("d98_gy", "d95_gy", "mean_gy"):
            found[f"target_{name}"], found[f"planned_{name}"] = row.so_far[name], row.planned[name]
    return found


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
