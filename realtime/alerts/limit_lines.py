"""Which limits of a protocol are lines in a chart, and of which of a verdict's figures."""

from collections.abc import Iterator

from messages import LimitPlan
from realtime.alerts.limits import (
    DoseForecast,
    DoseLimit,
    DoseReached,
    InvalidFraction,
    Limit,
    NearField,
    Noise,
    StaleFrame,
    TemperatureMax,
    region_name,
    rule_name,
)
from realtime.protocol import Protocol

Line = tuple[str, float | None, float | None, str]  # quantity, warn, stop, unit


def limit_lines(protocol: Protocol) -> tuple[LimitPlan, ...]:
    """Return the limits whose quantity a verdict tells frame by frame, the gate among them.

    Of a goal (`dose-reached`) stop is the dose that ends the heating, warn one that only tells. Of
    `d98_gy` the limit is the least that may be.
    """
    found = [
        LimitPlan(rule_name(limit), region_name(limit), *line)
        for limit in protocol.limit
        for line in _lines(limit, protocol)
    ]
    return (*found, *_gate(protocol))


def _lines(limit: Limit, protocol: Protocol) -> Iterator[Line]:
    if isinstance(limit, TemperatureMax):
        yield "temperature_c", limit.warn_above_c, limit.stop_above_c, "°C"
    elif isinstance(limit, DoseLimit):
        most = limit.stop_above_cem43_min
        yield "dose_cem43_min", limit.warn_above_cem43_min, most, "CEM43 min"
    elif isinstance(limit, DoseReached):
        ends = limit.then == "hold"
        goal = limit.cem43_min
        yield "dose_cem43_min", None if ends else goal, goal if ends else None, "CEM43 min"
    elif isinstance(limit, NearField) and protocol.thermometry is not None:
        body_c = protocol.thermometry.body_temperature_c
        rise_c = limit.warn_above_c, limit.hold_above_c
        yield "temperature_mean_c", body_c + rise_c[0], body_c + rise_c[1], "°C"
    elif isinstance(limit, Noise):
        yield "temperature_std_c", None, limit.max_std_c, "°C"
    elif isinstance(limit, InvalidFraction):
        yield "invalid_percent", None, limit.max_percent, "%"
    elif isinstance(limit, StaleFrame) and limit.max_age_ms is not None:
        yield "age_ms", None, limit.max_age_ms, "ms"
    elif isinstance(limit, DoseForecast):
        yield from _of_dose(limit, protocol)


def _of_dose(limit: DoseForecast, protocol: Protocol) -> Iterator[Line]:
    dose = protocol.document.dose
    prescription_gy = None if dose is None else dose.prescription_gy
    if limit.min_d98_percent is not None and prescription_gy is not None:
        yield "d98_gy", None, limit.min_d98_percent / 100.0 * prescription_gy, "Gy"
    if limit.max_d003cc_gy is not None:
        yield "d003cc_gy", None, limit.max_d003cc_gy, "Gy"
    if limit.max_mean_gy is not None:
        yield "mean_gy", None, limit.max_mean_gy, "Gy"


def _gate(protocol: Protocol) -> Iterator[LimitPlan]:
    """Give what the gate asks for; the displacement counts from the gate's own centre."""
    settings = protocol.motion
    if settings is None or settings.gate_margin_mm is None:
        return
    target = next((one.name for one in protocol.region if one.role in ("tracked", "target")), "")
    yield LimitPlan("gate", target, "displacement_mm", None, settings.gate_margin_mm, "mm")
    most = settings.max_outside_percent or 0.0
    yield LimitPlan("gate", target, "outside_percent", None, most, "%")
