"""How rules word what they found."""

import math

from messages import Finding
from messages.verdict import Severity
from realtime.alerts.limits import Limit, region_name, rule_name


def finding(
    limit: Limit,
    severity: Severity,
    text: str,
    *,
    value: float | None = None,
    reached: float | None = None,
    unit: str = "",
) -> Finding:
    """Return a finding under a limit, with its evidence: the value, and the limit it reached."""
    # JSON knows no infinity; the text still says it
    known = None if value is None or not math.isfinite(value) else float(value)
    return Finding(rule_name(limit), severity, text, region_name(limit), known, reached, unit)


def above(
    limit: Limit,
    what: str,
    value: float,
    *,
    unit: str,
    hold: float | None,
    warn: float | None,
) -> Finding | None:
    """Return the gravest finding on a value at or above its limits; NaN reaches none."""
    severity: Severity
    if hold is not None and value >= hold:
        severity, reached = "hold", hold
    elif warn is not None and value >= warn:
        severity, reached = "warn", warn
    else:
        return None
    text = f"{what} of {region_name(limit)} at {value:.4g} {unit}, limit {reached:g}"
    return finding(limit, severity, text, value=value, reached=reached, unit=unit)


def gravest(*found: Finding | None) -> Finding | None:
    """Return the first hold, else the first finding there is."""
    made = [one for one in found if one is not None]
    holds = [one for one in made if one.severity == "hold"]
    return next(iter([*holds, *made]), None)
