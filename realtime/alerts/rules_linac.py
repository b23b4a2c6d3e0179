"""All rules of mrlinac over one frame, as `rules.judge` is of mrgfus."""

from collections.abc import Callable, Mapping
from typing import Any

from messages import Finding
from realtime.alerts.limits import (
    Avoidance,
    BaselineInvalid,
    BaselineShift,
    BeamDespiteHold,
    BreathExcursion,
    DoseForecast,
    IntervalWidth,
    Limit,
    PeriodChange,
    StaleFrame,
    SurrogateDisagreement,
    TargetVolume,
)
from realtime.alerts.observation_motion import MotionObservation
from realtime.alerts.rules_always import clock, whole
from realtime.alerts.rules_data import stale_frame
from realtime.alerts.rules_delivery import beam_despite_hold, dose_forecast, uncounted
from realtime.alerts.rules_gate import avoidance, gate, prediction_interval
from realtime.alerts.rules_motion import moved
from realtime.alerts.rules_tracking import (
    baseline_shift,
    breath_excursion,
    period_change,
    reference_lost,
    surrogate,
    target_volume,
    tracking,
    training,
)
from realtime.protocol import Protocol

MOST_FRAME_PERIODS = 1.5  # between two frames, where a protocol sets no max_gap_s


def _moved(limit: BaselineInvalid, seen: MotionObservation) -> Finding | None:
    return moved(limit, seen.pose, seen.first_pose)


RULES: Mapping[type[Limit], Callable[[Any, MotionObservation], Finding | None]] = {
    Avoidance: avoidance,
    BreathExcursion: breath_excursion,
    BaselineShift: baseline_shift,
    PeriodChange: period_change,
    TargetVolume: target_volume,
    SurrogateDisagreement: surrogate,
    IntervalWidth: prediction_interval,
    BeamDespiteHold: beam_despite_hold,
    DoseForecast: dose_forecast,
    BaselineInvalid: _moved,
    StaleFrame: stale_frame,
}
"""Limit to rule. A new rule: a struct of a limit, a function and a line here, its events."""


def motion_limits_in_force(
    protocol: Protocol, *, frame_period_s: float | None = None
) -> tuple[Limit, ...]:
    """Return the protocol's limits and, for what it leaves open, the limits that always hold.

    Baseline shift: the gating margin over three breaths. Frames: 1.5 of their periods apart, where
    the period is known.
    """
    settings = protocol.motion
    if settings is None or settings.gate_margin_mm is None:
        raise ValueError("rules of motion need a protocol with [motion] and gate_margin_mm")
    limits = list(protocol.limit)
    defaults: list[Limit] = [
        BaselineShift(max_mm=settings.gate_margin_mm),
        BeamDespiteHold(),
        BaselineInvalid(),
    ]
    if frame_period_s is not None and frame_period_s > 0.0:
        defaults.append(StaleFrame(max_gap_s=MOST_FRAME_PERIODS * frame_period_s))
    for default in defaults:
        if not any(type(default) is type(limit) for limit in limits):
            limits.append(default)
    return tuple(limits)


def target_of(protocol: Protocol) -> str:
    """Return what the protocol calls the target that is followed, or what is followed for it."""
    for role in ("tracked", "target"):
        for region in protocol.region:
            if region.role == role:
                return region.name
    return "the target"


def judge_place(protocol: Protocol, seen: MotionObservation) -> tuple[Finding, ...]:
    """Return the findings on whether the target is followed at all, whatever the therapy."""
    target = target_of(protocol)
    found = (rule(target, seen) for rule in (reference_lost, training, tracking))
    return tuple(one for one in found if one is not None)


def judge_motion(protocol: Protocol, observation: MotionObservation) -> tuple[Finding, ...]:
    """Return the findings on one frame: those of every frame, then one a limit, in order."""
    seen, settings = observation, protocol.motion
    if settings is None:
        raise ValueError("rules of motion need a protocol with [motion]")
    target = target_of(protocol)
    findings = [
        *whole(
            is_complete=seen.is_complete,
            is_finite=seen.is_finite,
            is_calibrated=seen.is_calibrated,
        ),
        *clock(seen.time_s, seen.previous_time_s),
        *uncounted(seen.delivered, seen.pose),
    ]
    findings += judge_place(protocol, seen)
    found = [gate(settings, target, seen)]
    for limit in motion_limits_in_force(protocol, frame_period_s=seen.frame_period_s):
        found.append(RULES[type(limit)](limit, seen))
    return (*findings, *(one for one in found if one is not None))
