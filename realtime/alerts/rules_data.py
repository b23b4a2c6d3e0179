"""Rules on the data that everything else rests on: field, noise, signal, tissue, time."""

import numpy as np

from messages import Finding
from messages.verdict import Severity
from realtime.alerts.findings import finding
from realtime.alerts.limits import Drift, Fat, InvalidFraction, Noise, SignalVoid, StaleFrame
from realtime.alerts.observation import Mask, Observation
from realtime.alerts.observation_motion import MotionObservation

_RATE_SIGMA = 2.0  # a rate counts once it is over its limit by so many of its standard errors
_AROUND_PX = 6  # how far the surroundings of a region reach


def drift(limit: Drift, seen: Observation) -> Finding | None:
    """Find drift that could not be fitted, that the fit left behind, or that is large or fast."""
    temperature = seen.temperature
    if not temperature.is_drift_trusted:
        return finding(limit, "hold", "too few reference pixels to correct the field drift")
    residual_c, removed_c = temperature.drift_residual_c, temperature.drift_c
    # written so that NaN holds
    if limit.max_residual_c is not None and not residual_c < limit.max_residual_c:
        text = f"drift of {residual_c:.2f} °C left after correction, limit {limit.max_residual_c:g}"
        return finding(
            limit, "hold", text, value=residual_c, reached=limit.max_residual_c, unit="°C"
        )
    if limit.max_drift_c is not None and not abs(removed_c) < limit.max_drift_c:
        text = f"drift of {removed_c:.2f} °C removed, limit {limit.max_drift_c:g}"
        return finding(limit, "warn", text, value=removed_c, reached=limit.max_drift_c, unit="°C")
    return _fast(limit, seen)


def _fast(limit: Drift, seen: Observation) -> Finding | None:
    rate = seen.history.drift_rate_c_per_s()
    if rate is None or limit.max_rate_c_per_s is None:
        return None
    slope, error = abs(rate[0]), rate[1]
    if slope - _RATE_SIGMA * error < limit.max_rate_c_per_s:
        return None
    text = f"field drifts by {slope:.2f} °C/s, limit {limit.max_rate_c_per_s:g}"
    return finding(limit, "warn", text, value=slope, reached=limit.max_rate_c_per_s, unit="°C/s")


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
    return finding(limit, "hold", text, value=std_c, reached=limit.max_std_c, unit="°C")


def invalid_fraction(limit: InvalidFraction, seen: Observation) -> Finding | None:
    """Find a region of which too much cannot be seen."""
    n_pixels = np.count_nonzero(seen.masks[limit.region])
    n_believed = np.count_nonzero(seen.believed(limit.region))
    percent = 100.0 * (n_pixels - n_believed) / n_pixels
    if percent <= limit.max_percent and n_believed > 0:
        return None
    text = f"{percent:.0f} % of {limit.region} cannot be believed, limit {limit.max_percent:g} %"
    return finding(limit, "hold", text, value=percent, reached=limit.max_percent, unit="%")


def signal_void(limit: SignalVoid, seen: Observation) -> Finding | None:
    """Find pixels far darker than what lies around the region: implant, calcification, air."""
    if seen.magnitude is None:
        return None
    mask = seen.masks[limit.region]
    around = _box(mask)
    signal = seen.magnitude[around][~mask[around]]
    if signal.size == 0:
        return None
    usual = float(np.median(signal))
    # false where there is no signal around either, or none that is a number
    is_dark = seen.magnitude[mask] < limit.below_percent / 100.0 * usual
    percent = 100.0 * float(is_dark.mean())
    if percent <= limit.max_percent:
        return None
    text = (
        f"{percent:.0f} % of {limit.region} has less than {limit.below_percent:g} % of the signal "
        f"around it, limit {limit.max_percent:g} %: implant, calcification or air?"
    )
    return finding(limit, "hold", text, value=percent, reached=limit.max_percent, unit="%")


def _box(mask: Mask) -> tuple[slice, slice, slice]:
    """Return the region's slices, with a margin in the plane."""
    _, n_y, n_x = mask.shape
    z, y, x = (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    return (
        slice(int(z[0]), int(z[-1]) + 1),
        slice(max(0, int(y[0]) - _AROUND_PX), min(n_y, int(y[-1]) + 1 + _AROUND_PX)),
        slice(max(0, int(x[0]) - _AROUND_PX), min(n_x, int(x[-1]) + 1 + _AROUND_PX)),
    )


def fat(limit: Fat, seen: Observation) -> Finding | None:
    """Find fat in a region, as far as the method knows it; NaN is where it cannot tell."""
    if seen.temperature.fat_fraction is None:
        return None
    fraction = 100.0 * seen.temperature.fat_fraction[seen.masks[limit.region]]
    bounds: tuple[tuple[Severity, float], ...] = (
        ("hold", limit.hold_above_percent), ("warn", limit.warn_above_percent)
    )  # fmt: skip
    for severity, fat_percent in bounds:
        # where nothing is known of fat there may be some, which is worth a warning but no hold
        is_fat = fraction >= fat_percent if severity == "hold" else ~(fraction < fat_percent)
        percent = 100.0 * float(is_fat.mean())
        if percent > limit.max_percent:
            may_be = ", or may be," if np.isnan(fraction).any() else ""
            text = (
                f"{percent:.0f} % of {limit.region} is{may_be} fat by {fat_percent:g} % or more, "
                f"limit {limit.max_percent:g} %: its resonance does not follow temperature"
            )
            return finding(
                limit, severity, text, value=percent, reached=limit.max_percent, unit="%"
            )
    return None


def stale_frame(limit: StaleFrame, seen: Observation | MotionObservation) -> Finding | None:
    """Find a gap in scanner time since the frame before."""
    if seen.time_s is None or seen.previous_time_s is None:
        return None
    gap_s = seen.time_s - seen.previous_time_s
    if gap_s < limit.max_gap_s:
        return None
    text = f"{gap_s:.2f} s since the frame before, limit {limit.max_gap_s:g}"
    return finding(limit, "hold", text, value=gap_s, reached=limit.max_gap_s, unit="s")
