"""Rules on where heat goes: beside its target, or into what lies on the way."""

import math

import numpy as np
from numpy.typing import NDArray

from messages import Finding, PowerLog
from messages.verdict import Severity
from realtime.alerts.findings import above, finding, gravest
from realtime.alerts.history import RegionGlance
from realtime.alerts.limits import FocusOffset, NearField
from realtime.alerts.observation import Observation

_MARGIN_SIGMA = 2.0  # a figure with an error of its own must be over its limit by so much
_HALF = 0.5  # of the hottest pixel's rise: the centroid is that of the spot above half maximum


def near_field(limit: NearField, seen: Observation) -> Finding | None:
    """Find heat on the way to the target, now or left over when the power came on again."""
    inside = seen.believed(limit.region)
    mean_c = math.nan
    if inside.any():
        mean_c = float(seen.temperature.temperature_c[inside].mean()) - seen.body_temperature_c
    now = above(
        limit, "mean rise", mean_c, unit="°C", hold=limit.hold_above_c, warn=limit.warn_above_c
    )
    return gravest(now, _left_over(limit, seen))


def _left_over(limit: NearField, seen: Observation) -> Finding | None:
    left: RegionGlance | None = seen.history.residual.get(limit.region)
    if left is None or seen.power.on_since_s is None:
        return None
    sure_c = left.mean_c - _MARGIN_SIGMA * left.mean_std_c
    if sure_c < limit.max_residual_c or _pause_s(seen.power) < limit.least_pause_s:
        return None
    text = (
        f"power came on while {limit.region} was still {left.mean_c:.1f} °C too warm from the "
        f"sonications before, limit {limit.max_residual_c:g}: let it cool"
    )
    return finding(limit, "warn", text, value=left.mean_c, reached=limit.max_residual_c, unit="°C")


def _pause_s(power: PowerLog) -> float:
    """Return how long the power was off before it came on last; infinite before the first time."""
    off = np.flatnonzero(power.watts <= 0)
    on_before = np.flatnonzero(power.watts[: off[-1]] > 0) if off.size else off
    if on_before.size == 0 or power.on_since_s is None:
        return math.inf
    return power.on_since_s - float(power.time_s[on_before[-1] + 1])


def focus_offset(limit: FocusOffset, seen: Observation) -> Finding | None:
    """Find the heat's centroid, or the focus by ARFI, too far from the target's centre."""
    voxel_mm = np.array(seen.voxel_mm)
    target_mm = np.argwhere(seen.masks[limit.region]).mean(axis=0) * voxel_mm
    found = _heat_mm(limit, seen, target_mm)
    by_heat = by_arfi = None
    if found is not None:
        at_mm, std_mm = found
        offset_mm = float(np.linalg.norm(at_mm - target_mm))
        by_heat = _offset(limit, "heat", offset_mm, std_mm)
    if seen.focus is not None:
        off_mm = np.array(seen.focus.at_px) * voxel_mm - target_mm
        std_mm = _along(off_mm, np.array(seen.focus.std_px) * voxel_mm)
        by_arfi = _offset(limit, "ARFI focus", float(np.linalg.norm(off_mm)), std_mm)
    return gravest(by_heat, by_arfi)


def _along(off_mm: NDArray[np.float64], std_mm: NDArray[np.float64]) -> float:
    """Return the standard deviation of an offset's length, by that of each axis."""
    length_mm = float(np.linalg.norm(off_mm))
    if length_mm == 0.0:
        return float(np.linalg.norm(std_mm))
    return float(np.linalg.norm(off_mm * std_mm)) / length_mm


def _offset(limit: FocusOffset, what: str, offset_mm: float, std_mm: float) -> Finding | None:
    sure_mm = offset_mm - _MARGIN_SIGMA * std_mm
    if sure_mm < limit.warn_above_mm:
        return None
    is_hold = not sure_mm < limit.hold_above_mm  # true for NaN
    reached = limit.hold_above_mm if is_hold else limit.warn_above_mm
    text = (
        f"{what} lies {offset_mm:.1f} ± {std_mm:.1f} mm from the centre of {limit.region}, "
        f"limit {reached:g}"
    )
    severity: Severity = "hold" if is_hold else "warn"
    return finding(limit, severity, text, value=offset_mm, reached=reached, unit="mm")


def _heat_mm(
    limit: FocusOffset, seen: Observation, target_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float] | None:
    """Return the centroid of the rise above half maximum, and its standard deviation.

    Weights w are the rise beyond half maximum: no pixel comes in or goes out with a step. With
    noise s at places r, the centroid c = Σwr / Σw has the variance Σs²|r - c|² / (Σw)² (first
    order). None where no rise is significant.
    """
    places = _around(target_mm, seen, limit.within_mm)
    temperature = seen.temperature
    rise_c = temperature.temperature_c[places] - np.float32(seen.body_temperature_c)
    std_c = temperature.temperature_std_c[places]
    is_hot = temperature.valid[places] & np.isfinite(rise_c) & (rise_c >= limit.min_rise_c)
    is_hot &= rise_c >= np.float32(limit.sigma) * std_c  # false for NaN
    if not is_hot.any():
        return None
    half_c = np.float32(_HALF * float(rise_c[is_hot].max()))
    is_hot &= rise_c > half_c
    starts = np.array([one.start for one in places])
    at_mm = (np.argwhere(is_hot) + starts) * np.array(seen.voxel_mm)
    weight, spread_c = (rise_c[is_hot] - half_c).astype(np.float64), std_c[is_hot]
    centre_mm = weight @ at_mm / weight.sum()
    distance_mm = np.linalg.norm(at_mm - centre_mm, axis=1)
    return centre_mm, float(np.linalg.norm(spread_c * distance_mm) / weight.sum())


def _around(
    centre_mm: NDArray[np.float64], seen: Observation, within_mm: float
) -> tuple[slice, slice, slice]:
    shape = seen.temperature.valid.shape
    z, y, x = (
        slice(max(0, math.ceil((at - within_mm) / size)), min(n, int((at + within_mm) / size) + 1))
        for at, size, n in zip(centre_mm, seen.voxel_mm, shape, strict=True)
    )
    return z, y, x
