"""One rule for each hazard: (limit, what one frame showed) → a finding or none.

A limit is reached at the limit, not beyond it. Only valid pixels count, so a region that cannot be
seen never looks safe by itself: `invalid_fraction` holds for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from messages import Finding
from messages.verdict import Decision
from realtime.alerts.limits import (
    BaselineInvalid,
    BlurGuard,
    DoseLimit,
    DoseReached,
    DoseRisk,
    Drift,
    Fat,
    FocusOffset,
    HeatingRate,
    HeatingResponse,
    InvalidFraction,
    Limit,
    Movement,
    NearField,
    Noise,
    SignalVoid,
    StaleFrame,
    TemperatureMax,
    region_name,
)
from realtime.alerts.observation import Observation, read_regions
from realtime.alerts.rules_always import always, unseen, whole
from realtime.alerts.rules_data import (
    drift,
    fat,
    invalid_fraction,
    noise,
    signal_void,
    stale_frame,
)
from realtime.alerts.rules_dose import dose_limit, dose_reached, dose_risk
from realtime.alerts.rules_heating import heating_rate, heating_response
from realtime.alerts.rules_motion import baseline_invalid, motion
from realtime.alerts.rules_place import focus_offset, near_field
from realtime.alerts.rules_temperature import blur_guard, temperature_max
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

RULES: Mapping[type[Limit], Callable[[Any, Observation], Finding | None]] = {
    TemperatureMax: temperature_max,
    DoseReached: dose_reached,
    DoseLimit: dose_limit,
    DoseRisk: dose_risk,
    NearField: near_field,
    FocusOffset: focus_offset,
    HeatingResponse: heating_response,
    HeatingRate: heating_rate,
    BlurGuard: blur_guard,
    Movement: motion,
    Drift: drift,
    Noise: noise,
    InvalidFraction: invalid_fraction,
    SignalVoid: signal_void,
    Fat: fat,
    BaselineInvalid: baseline_invalid,
    StaleFrame: stale_frame,
}
"""Limit to rule. A new rule: a struct of a limit, a function and a line here, its events."""

_WHILE_BASELINE = (StaleFrame, BaselineInvalid)
# a region without valid pixels is silent under them, so it must not be invisible
_BLIND_WHERE_INVALID = (
    TemperatureMax, DoseLimit, DoseRisk, NearField, FocusOffset, HeatingResponse, HeatingRate, Noise
)  # fmt: skip


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
            defaults += [HeatingResponse(region=region.name), HeatingRate(region=region.name)]
    defaults += [
        Drift(max_residual_c=DEFAULT_MAX_DRIFT_RESIDUAL_C), Movement(), BaselineInvalid()
    ]  # fmt: skip
    for default in defaults:
        if not any(_is_same_rule(default, limit) for limit in limits):
            limits.append(default)
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


def decide(
    findings: tuple[Finding, ...],
    *,
    is_baseline: bool,
    therapy: Therapy,
    is_gate_open: bool = False,
) -> Decision:
    """Return GRANTED where nothing holds; mrlinac needs an open gate too, imaging has no permit.

    is_baseline: baseline or templates are being gathered, so that nothing is measured yet.
    """
    if is_baseline or therapy == "imaging" or (therapy == "mrlinac" and not is_gate_open):
        return "HELD"
    return "HELD" if any(found.severity == "hold" for found in findings) else "GRANTED"


def _is_same_rule(first: Limit, second: Limit) -> bool:
    return type(first) is type(second) and region_name(first) == region_name(second)
