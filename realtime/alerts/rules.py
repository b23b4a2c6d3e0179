"""One rule for each hazard: (limit, what one frame showed) → a finding or none.

A limit is reached at the limit, not beyond it. Only valid pixels count, so a region that cannot be
seen never looks safe by itself: `invalid_fraction` holds for it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import replace
from typing import Any, cast

import numpy as np

from messages import Finding
from messages.verdict import Decision, Severity
from realtime.alerts.limits import (
    DoseLimit,
    DoseReached,
    Drift,
    HeatingResponse,
    InvalidFraction,
    Limit,
    Noise,
    StaleFrame,
    TemperatureMax,
    region_name,
    rule_name,
)
from realtime.alerts.observation import Observation, largest, read_regions
from realtime.protocol import Protocol
from realtime.protocol_sections import Therapy

__all__ = [
    "RULES",
    "Observation",
    "always",
    "decide",
    "judge",
    "limits_in_force",
    "read_regions",
    "unseen",
    "whole",
]

DEFAULT_MAX_INVALID_PERCENT = 50.0  # of each target and each region with an upper limit
DEFAULT_MAX_DRIFT_RESIDUAL_C = 2.0  # what noise may be at most (Chopra 2006), drift may not exceed
# One pixel in twenty may be an artefact; the response of a region is read past these.
_ARTEFACT_SHARE = 0.05


def temperature_max(limit: TemperatureMax, seen: Observation) -> Finding | None:
    """Find the hottest believable pixel, plus its noise margin, at or above a limit."""
    inside = seen.believed(limit.region)
    if not inside.any():
        return None
    bound_c = seen.temperature.temperature_c[inside]
    if limit.noise_margin_sigma > 0.0:
        # a pixel of unknown standard deviation still counts, without a margin
        std_c = np.nan_to_num(seen.temperature.temperature_std_c[inside], nan=0.0)
        bound_c = bound_c + limit.noise_margin_sigma * std_c
    hottest_c = float(bound_c.max())
    return _above(
        limit,
        "hottest pixel",
        hottest_c,
        unit="°C",
        stop=limit.stop_above_c,
        warn=limit.warn_above_c,
    )


def dose_reached(limit: DoseReached, seen: Observation) -> Finding | None:
    """Find the goal reached in enough of the believable pixels, by the interval's low side."""
    if seen.dose is None:
        return None
    inside = seen.believed(limit.region)
    n_valid = np.count_nonzero(inside)
    if n_valid == 0:
        return None
    # a NaN compares as not reached
    n_reached = np.count_nonzero(seen.dose.cem43_low_min[inside] >= limit.cem43_min)
    share = 100.0 * n_reached / n_valid
    if share < limit.percent_of_region:
        return None
    text = f"{limit.cem43_min:g} CEM43 min reached in {share:.0f} % of {limit.region}"
    return _finding(limit, limit.then, text, share, limit.percent_of_region, "%")


def dose_limit(limit: DoseLimit, seen: Observation) -> Finding | None:
    """Find the dose of any pixel at a limit: the estimate stops, the interval's high side warns.

    Pixels that are invalid now keep the dose they already have.
    """
    if seen.dose is None:
        return None
    inside = seen.masks[limit.region]
    stop, warn = limit.stop_above_cem43_min, limit.warn_above_cem43_min
    dose = largest(seen.dose.cem43_min[inside])
    if dose is not None and dose >= stop:
        return _above(limit, "dose", dose, unit="CEM43 min", stop=stop, warn=None)
    high = largest(seen.dose.cem43_high_min[inside])
    if warn is None or high is None or high < warn:
        return None
    text = f"dose may be {high:.4g} CEM43 min in {limit.region}, warning at {warn:g}"
    return _finding(limit, "warn", text, high, warn, "CEM43 min")


def heating_response(limit: HeatingResponse, seen: Observation) -> Finding | None:
    """Find a region that seems to cool, or that does not heat though power is on.

    Apparent cooling under heat is the sign of a wrong phase convention: the true temperature then
    runs the other way, unseen by every upper limit.
    """
    inside = seen.believed(limit.region)
    n_valid = int(np.count_nonzero(inside))
    if n_valid == 0:
        return None
    rise_c = seen.temperature.temperature_c[inside] - seen.body_temperature_c
    std_c = np.nan_to_num(seen.temperature.temperature_std_c[inside], nan=0.0)
    n_spared = min(int(_ARTEFACT_SHARE * n_valid), n_valid - 1)
    allowed_c = np.maximum(limit.max_wrong_sign_c, limit.sigma * std_c)
    if float(np.partition(rise_c + allowed_c, n_spared)[n_spared]) <= 0.0:
        coldest_c = float(np.partition(rise_c, n_spared)[n_spared])
        text = f"{limit.region} reads {coldest_c:.1f} °C against body temperature: wrong sign?"
        return _finding(limit, "hold", text, coldest_c, -limit.max_wrong_sign_c, "°C")
    return _no_heating(limit, seen, float(np.partition(rise_c, -1 - n_spared)[-1 - n_spared]))


def _no_heating(limit: HeatingResponse, seen: Observation, rise_c: float) -> Finding | None:
    if limit.expect_rise_c is None or limit.within_s is None:
        return None
    on_since_s = seen.power.on_since_s
    if seen.time_s is None or on_since_s is None:
        return None
    on_for_s = seen.time_s - on_since_s
    if on_for_s < limit.within_s or rise_c >= limit.expect_rise_c:
        return None
    text = (
        f"{limit.region} rose {rise_c:.1f} °C in {on_for_s:.1f} s of power, "
        f"expected {limit.expect_rise_c:g}: the heat may go elsewhere"
    )
    return _finding(limit, "hold", text, rise_c, limit.expect_rise_c, "°C")


def drift(limit: Drift, seen: Observation) -> Finding | None:
    """Find drift that could not be fitted, that the fit left behind, or that is large."""
    temperature = seen.temperature
    if not temperature.is_drift_trusted:
        text = "too few reference pixels to correct the field drift"
        return _finding(limit, "hold", text, None, None, "")
    residual_c, removed_c = temperature.drift_residual_c, temperature.drift_c
    # written so that NaN holds
    if limit.max_residual_c is not None and not residual_c < limit.max_residual_c:
        text = f"drift of {residual_c:.2f} °C left after correction, limit {limit.max_residual_c:g}"
        return _finding(limit, "hold", text, residual_c, limit.max_residual_c, "°C")
    if limit.max_drift_c is not None and not abs(removed_c) < limit.max_drift_c:
        text = f"drift of {removed_c:.2f} °C removed, limit {limit.max_drift_c:g}"
        return _finding(limit, "warn", text, removed_c, limit.max_drift_c, "°C")
    return None


def noise(limit: Noise, seen: Observation) -> Finding | None:
    """Find a region whose temperature is too uncertain, or of unknown uncertainty."""
    inside = seen.believed(limit.region)
    if not inside.any():
        return None
    std_c = float(np.median(seen.temperature.temperature_std_c[inside]))
    if std_c < limit.max_std_c:
        return None
    text = (
        f"temperature of {limit.region} is uncertain by {std_c:.2f} °C, limit {limit.max_std_c:g}"
    )
    return _finding(limit, "hold", text, std_c, limit.max_std_c, "°C")


def invalid_fraction(limit: InvalidFraction, seen: Observation) -> Finding | None:
    """Find a region of which too much cannot be seen."""
    n_pixels = np.count_nonzero(seen.masks[limit.region])
    n_believed = np.count_nonzero(seen.believed(limit.region))
    percent = 100.0 * (n_pixels - n_believed) / n_pixels
    if percent <= limit.max_percent and n_believed > 0:
        return None
    text = f"{percent:.0f} % of {limit.region} cannot be believed, limit {limit.max_percent:g} %"
    return _finding(limit, "hold", text, percent, limit.max_percent, "%")


def stale_frame(limit: StaleFrame, seen: Observation) -> Finding | None:
    """Find a gap in scanner time since the frame before."""
    if seen.time_s is None or seen.previous_time_s is None:
        return None
    gap_s = seen.time_s - seen.previous_time_s
    if gap_s < limit.max_gap_s:
        return None
    text = f"{gap_s:.2f} s since the frame before, limit {limit.max_gap_s:g}"
    return _finding(limit, "hold", text, gap_s, limit.max_gap_s, "s")


RULES: Mapping[type[Limit], Callable[[Any, Observation], Finding | None]] = {
    TemperatureMax: temperature_max,
    DoseReached: dose_reached,
    DoseLimit: dose_limit,
    HeatingResponse: heating_response,
    Drift: drift,
    Noise: noise,
    InvalidFraction: invalid_fraction,
    StaleFrame: stale_frame,
}
"""Limit to rule. A new rule: a struct in limits.py, a function and a line here, its events."""

_WHILE_BASELINE = (StaleFrame,)
# upper limits: a region without valid pixels is silent under them, so it must not be invisible
_BLIND_WHERE_INVALID = (TemperatureMax, DoseLimit)


def whole(*, is_complete: bool, is_finite: bool, is_calibrated: bool = True) -> tuple[Finding, ...]:
    """Return what an image is judged by, whether a temperature is measured from it or not."""
    findings = []
    if not is_calibrated:
        text = "calibration lines or navigators are missing: the image is aliased or ghosted"
        findings.append(Finding("incomplete-frame", "hold", text))
    elif not is_complete:
        findings.append(Finding("incomplete-frame", "hold", "lines of the frame are missing"))
    if not is_finite:
        findings.append(Finding("non-finite-data", "hold", "the image holds NaN or infinity"))
    return tuple(findings)


def unseen(protocol: Protocol, seen: Set[str]) -> tuple[Finding, ...]:
    """Return what holds while a region lies in no slice that was imaged so far."""
    missing = [region.name for region in protocol.region if region.name not in seen]
    if not missing:
        return ()
    text = f"{', '.join(missing)} lies in no slice imaged so far, so nobody watches it"
    return (Finding("region-unseen", "hold", text, missing[0]),)


def always(seen: Observation) -> tuple[Finding, ...]:
    """Return what every frame is judged by, whatever the protocol says."""
    findings = list(
        whole(
            is_complete=seen.is_complete,
            is_finite=seen.is_finite,
            is_calibrated=seen.is_calibrated,
        )
    )
    if seen.time_s is None or not math.isfinite(seen.time_s):
        findings.append(Finding("scanner-clock", "hold", "no scanner clock: the dose has no time"))
    elif seen.previous_time_s is not None and seen.time_s <= seen.previous_time_s:
        back_s = seen.previous_time_s - seen.time_s
        text = f"the scanner clock stepped back by {back_s:.3f} s"
        findings.append(Finding("scanner-clock", "hold", text, "", -back_s, 0.0, "s"))
    if seen.dose is not None and seen.dose.interrupted:
        text = "frames were lost to a restart: the dose is a lower bound"
        findings.append(Finding("dose-interrupted", "warn", text))
    findings.extend(_wrapped(seen))
    return tuple(findings)


def _wrapped(seen: Observation) -> Iterator[Finding]:
    """Find regions whose phase may have wrapped: from there on their temperature is not known."""
    ambiguous = seen.temperature.ambiguous
    for region, mask in seen.masks.items():
        n_pixels = 0 if ambiguous is None else int(np.count_nonzero(ambiguous & mask))
        if n_pixels:
            text = (
                f"{n_pixels} pixels of {region} moved by more than 0.8 π in one frame: "
                "their temperature may be wrong by a whole turn from here on"
            )
            yield Finding("phase-step", "hold", text, region, float(n_pixels), 0.0, "pixels")


def limits_in_force(protocol: Protocol) -> tuple[Limit, ...]:
    """Return the protocol's limits and, for what it leaves open, the limits that always hold."""
    limits = list(protocol.limit)
    if protocol.thermometry is None:
        return tuple(limits)
    watched = {region_name(limit) for limit in limits if isinstance(limit, _BLIND_WHERE_INVALID)}
    defaults: list[Limit] = []
    for region in protocol.region:
        if region.role == "target" or region.name in watched:
            defaults.append(
                InvalidFraction(region=region.name, max_percent=DEFAULT_MAX_INVALID_PERCENT)
            )
        if region.role == "target":
            defaults.append(HeatingResponse(region=region.name))
    for default in defaults:
        if not any(_is_same_rule(default, limit) for limit in limits):
            limits.append(default)
    if not any(isinstance(limit, Drift) for limit in limits):
        limits.append(Drift(max_residual_c=DEFAULT_MAX_DRIFT_RESIDUAL_C))
    return tuple(limits)


def judge(protocol: Protocol, observation: Observation) -> tuple[Finding, ...]:
    """Return the findings on one frame: those of every frame, then one a limit at most, in order.

    While the reference is gathered there is no temperature to judge.
    """
    seen = observation
    if protocol.thermometry is not None:
        seen = replace(seen, body_temperature_c=protocol.thermometry.body_temperature_c)
    findings = list(always(seen))
    for limit in limits_in_force(protocol):
        if seen.temperature.is_baseline and not isinstance(limit, _WHILE_BASELINE):
            continue
        if region_name(limit) and region_name(limit) not in seen.masks:
            continue  # it lies in another slice
        found = RULES[type(limit)](limit, seen)
        if found is not None:
            findings.append(found)
    return tuple(findings)


def decide(findings: tuple[Finding, ...], *, is_baseline: bool, therapy: Therapy) -> Decision:
    """Return GRANTED where nothing holds; only mrgfus is watched so far, so only it is granted."""
    if is_baseline or therapy != "mrgfus":
        return "HELD"
    return "HELD" if any(found.severity == "hold" for found in findings) else "GRANTED"


def _is_same_rule(first: Limit, second: Limit) -> bool:
    return type(first) is type(second) and region_name(first) == region_name(second)


def _above(
    limit: Limit, what: str, value: float, *, unit: str, stop: float, warn: float | None
) -> Finding | None:
    if value >= stop:
        severity, reached = "hold", stop
    elif warn is not None and value >= warn:
        severity, reached = "warn", warn
    else:
        return None
    text = f"{what} of {region_name(limit)} at {value:.4g} {unit}, limit {reached:g}"
    return _finding(limit, cast(Severity, severity), text, value, reached, unit)


def _finding(
    limit: Limit,
    severity: Severity,
    text: str,
    value: float | None,
    reached: float | None,
    unit: str,
) -> Finding:
    # JSON knows no infinity; the text still says it
    known = None if value is None or not math.isfinite(value) else float(value)
    return Finding(rule_name(limit), severity, text, region_name(limit), known, reached, unit)
