"""Rules on the place that temperature is measured in, and on the baseline that belongs to it."""

import math

import numpy as np

from messages import Finding, Pose, TemperatureMap
from realtime.alerts.findings import finding
from realtime.alerts.limits import BaselineInvalid, Movement
from realtime.alerts.observation import Observation


def motion(limit: Movement, seen: Observation) -> Finding | None:
    """Find anatomy that has left the baseline in use, by whatever the method can tell of it."""
    temperature = seen.temperature
    if temperature.shift_px is not None:
        y_px, x_px = temperature.shift_px
        _, height_mm, width_mm = seen.voxel_mm
        shift_mm = math.hypot(y_px * height_mm, x_px * width_mm)
        shift_px = max(abs(y_px), abs(x_px))
        # written so that NaN holds
        if not (shift_mm < limit.max_shift_mm and shift_px < limit.max_shift_px):
            text = (
                f"anatomy moved by {shift_mm:.1f} mm ({shift_px:.1f} pixels), limits "
                f"{limit.max_shift_mm:g} mm and {limit.max_shift_px:g} pixels"
            )
            return finding(
                limit, "hold", text, value=shift_mm, reached=limit.max_shift_mm, unit="mm"
            )
    return _misfit(limit, temperature) or _unlike(limit, temperature.similarity)


def _misfit(limit: Movement, temperature: TemperatureMap) -> Finding | None:
    misfit = temperature.misfit_sigma
    # false for NaN, which tells nothing
    if not (misfit >= limit.max_misfit_sigma and temperature.valid.any()):
        return None
    noise_c = float(np.median(temperature.temperature_std_c[temperature.valid]))
    misfit_c = math.sqrt(max(misfit**2 - 1.0, 0.0)) * noise_c
    if misfit_c < limit.min_misfit_c:
        return None
    text = (
        f"no baseline explains the phase outside the heat: {misfit:.1f} times the noise, "
        f"{misfit_c:.1f} °C, limits {limit.max_misfit_sigma:g} and {limit.min_misfit_c:g} °C"
    )
    return finding(limit, "hold", text, value=misfit, reached=limit.max_misfit_sigma, unit="sigma")


def _unlike(limit: Movement, similarity: float) -> Finding | None:
    if limit.min_similarity is None or similarity > limit.min_similarity:
        return None
    if math.isnan(similarity):
        text = (
            "whether image and baseline are alike cannot be told: the method does not measure it, "
            "or noise rules so even an object; motion is watched by phase alone"
        )
        return finding(limit, "warn", text)
    text = (
        f"image and baseline are alike by {similarity:.3f}, least {limit.min_similarity:g}: "
        "has the patient moved?"
    )
    return finding(limit, "hold", text, value=similarity, reached=limit.min_similarity)


def baseline_invalid(limit: BaselineInvalid, seen: Observation) -> Finding | None:
    """Find that slice, table, frequency or shim are no longer those of the baseline."""
    found = moved(limit, seen.pose, seen.history.pose)
    if found is not None:
        return found
    last = seen.history.glances[-1:]
    jump_c = abs(seen.history.drift_jump_c)
    # false for NaN
    if not last or last[0].time_s != seen.time_s or jump_c < limit.max_drift_jump_c:
        return None
    text = (
        f"field changed by {jump_c:.1f} °C in a frame, limit {limit.max_drift_jump_c:g}: a new "
        "frequency or shim? Take a new baseline"
    )
    return finding(limit, "hold", text, value=jump_c, reached=limit.max_drift_jump_c, unit="°C")


def moved(limit: BaselineInvalid, now: Pose | None, then: Pose | None) -> Finding | None:
    """Find a slice or table that is not where it was when the baseline was taken."""
    if now is None or then is None or now is then:
        return None
    shift_mm, turn_deg = _shift_mm(now, then), _turn_deg(now, then)
    # written so that NaN holds
    if shift_mm < limit.max_shift_mm and turn_deg < limit.max_turn_deg:
        return None
    text = (
        f"slice or table moved by {shift_mm:.1f} mm and {turn_deg:.1f}° since the "
        f"baseline, limits {limit.max_shift_mm:g} mm and {limit.max_turn_deg:g}°"
    )
    return finding(limit, "hold", text, value=shift_mm, reached=limit.max_shift_mm, unit="mm")


def _shift_mm(now: Pose, then: Pose) -> float:
    moved = (
        math.dist(now.position_mm, then.position_mm),
        math.dist(now.patient_table_position, then.patient_table_position),
    )
    return float(np.max(moved))  # NaN if any is


def _turn_deg(now: Pose, then: Pose) -> float:
    """By the chord between the ends of two unit vectors; two headers without directions agree."""
    chords = (
        math.dist(getattr(now, name), getattr(then, name))
        for name in ("read_dir", "phase_dir", "slice_dir")
    )
    return float(np.max([2.0 * math.degrees(math.asin(min(1.0, one / 2.0))) for one in chords]))
