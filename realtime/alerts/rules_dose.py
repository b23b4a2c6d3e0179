"""Rules on thermal dose: its goal, its limit, and how probable it is to pass one."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from messages import Finding
from messages.verdict import Severity
from realtime.alerts.findings import above, finding
from realtime.alerts.limits import DoseLimit, DoseReached, DoseRisk
from realtime.alerts.observation import Observation, largest

_TWICE_Z_95 = 2.0 * 1.959964  # a 95 % interval spans so many standard deviations
# beyond any treatment's, within float32: their logarithms are numbers
_LEAST_DOSE, _MOST_DOSE = np.float32(1e-30), np.float32(1e30)

Doses = NDArray[np.float32]


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
    return finding(limit, limit.then, text, value=share, reached=limit.percent_of_region, unit="%")


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
        return above(limit, "dose", dose, unit="CEM43 min", hold=stop, warn=None)
    high = largest(seen.dose.cem43_high_min[inside])
    if warn is None or high is None or high < warn:
        return None
    text = f"dose may be {high:.4g} CEM43 min in {limit.region}, warning at {warn:g}"
    return finding(limit, "warn", text, value=high, reached=warn, unit="CEM43 min")


def dose_risk(limit: DoseRisk, seen: Observation) -> Finding | None:
    """Find a pixel that has more than a dose, or will have after the power is off, too probably.

    The greater of the two probabilities counts. Pixels that are invalid now keep the dose they
    have.
    """
    inside = seen.masks[limit.region]
    now = after = 0.0
    if seen.dose is not None:
        dose = seen.dose
        now = _most_probable(dose.cem43_low_min[inside], dose.cem43_high_min[inside], limit)
    forecast = seen.forecast
    if forecast is not None and forecast.is_trusted:
        low, high = forecast.final_low_cem43_min, forecast.final_high_cem43_min
        after = _most_probable(low[inside], high[inside], limit)
    percent = 100.0 * max(now, after)
    if percent < limit.warn_above_percent:
        return None
    is_hold = percent >= limit.hold_above_percent
    when = "has" if now >= after else "will have, when all heat is gone,"
    reached = limit.hold_above_percent if is_hold else limit.warn_above_percent
    text = (
        f"a pixel of {limit.region} {when} {limit.cem43_min:g} CEM43 min with a probability of "
        f"{percent:.0f} %, limit {reached:g} %"
    )
    severity: Severity = "hold" if is_hold else "warn"
    return finding(limit, severity, text, value=percent, reached=reached, unit="%")


def _most_probable(low: Doses, high: Doses, limit: DoseRisk) -> float:
    """Return the greatest probability of any pixel; its dose is log-normal about the interval."""
    # a side that is not known is where the other one is
    low, high = np.fmin(low, high), np.fmax(low, high)
    is_known = high > 0  # false for NaN: what is not known has no probability
    if not is_known.any():
        return 0.0
    low_log, high_log = (
        np.log(np.clip(side[is_known], _LEAST_DOSE, _MOST_DOSE)) for side in (low, high)
    )
    std = np.maximum((high_log - low_log) / _TWICE_Z_95, 1e-9)
    above_it = ((low_log + high_log) / 2.0 - math.log(limit.cem43_min)) / std
    return float(ndtr(above_it).max())
