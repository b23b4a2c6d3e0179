"""Rules on temperature itself: the hottest pixel, the peak between frames, what blur hides."""

import math

import numpy as np
from numpy.typing import NDArray

from messages import Finding
from realtime.alerts.blur import hidden_share
from realtime.alerts.findings import above, finding, gravest
from realtime.alerts.limits import BlurGuard, TemperatureMax
from realtime.alerts.observation import Mask, Observation

_LEAST_SHOWN_C = 3.0  # below it a share of the rise says more of the noise than of the blur


def temperature_max(limit: TemperatureMax, seen: Observation) -> Finding | None:
    """Find the hottest believable pixel, or the peak between or after frames, at a limit."""
    return gravest(_shown(limit, seen), _between_frames(limit, seen), _ahead(limit, seen))


def _shown(limit: TemperatureMax, seen: Observation) -> Finding | None:
    inside = seen.believed(limit.region)
    if not inside.any():
        return None
    temperature_c = seen.temperature.temperature_c[inside]
    std_c = seen.temperature.temperature_std_c[inside]
    margin_c = _margin_c(limit, std_c)
    hottest_c = float((temperature_c + _side(limit) * margin_c).max())
    if limit.stop_by == "lower-bound":
        noise_c = _without(seen.temperature.scale_std_c, inside, std_c)
        hottest_c = float((temperature_c - _margin_c(limit, noise_c)).max())
    found = above(limit, "hottest pixel", hottest_c, unit="°C", hold=limit.stop_above_c, warn=None)
    upper_c = float((temperature_c + margin_c).max())
    # what may be over the limit is told, though it does not stop
    warn_c = limit.stop_above_c if limit.warn_above_c is None else limit.warn_above_c
    if found is not None or not upper_c >= warn_c:
        return found
    what = (
        "hottest pixel" if limit.noise_margin_sigma == 0.0 else "upper bound of the hottest pixel"
    )
    return above(limit, what, upper_c, unit="°C", hold=None, warn=warn_c)


def _between_frames(limit: TemperatureMax, seen: Observation) -> Finding | None:
    """Find a peak that no frame has shown, or that comes after shut-off.

    A peak stays in the forecast for good, so only one that is new since the frame before counts:
    otherwise an acknowledged one would end every later sonication.
    """
    forecast = seen.forecast
    if forecast is None or not forecast.is_trusted:
        return None
    mask = seen.masks[limit.region]
    margin_c = _margin_c(limit, forecast.peak_std_c[mask])
    peak_c = forecast.peak_c[mask] + _side(limit) * margin_c
    is_over = peak_c >= limit.stop_above_c
    if seen.previous_peak_c is not None:
        before_c = seen.previous_peak_c[mask] + _side(limit) * margin_c
        is_new = ~(before_c >= limit.stop_above_c) | (
            peak_c > before_c + _std_c(forecast.peak_std_c[mask])
        )
        is_over &= is_new
    if not is_over.any():
        return None
    highest_c = float(peak_c[is_over].max())
    text = (
        f"peak of {limit.region} between or after the frames at {highest_c:.4g} °C by the heat "
        f"model, limit {limit.stop_above_c:g}"
    )
    return finding(limit, "hold", text, value=highest_c, reached=limit.stop_above_c, unit="°C")


def _ahead(limit: TemperatureMax, seen: Observation) -> Finding | None:
    """Find heat that will have reached the limit before the next verdict tells.

    Under steady power a place in the beam warms ever more slowly, so that a straight line comes
    before the truth.
    """
    last = seen.history.of_region(limit.region)[-2:]
    if len(last) < 2 or last[-1][0] != seen.time_s or seen.power.now_w == 0.0:
        return None
    before_c, now_c = (glance.max_c + seen.body_temperature_c for _, glance in last)
    coming_c = now_c + limit.warn_ahead_frames * (now_c - before_c)
    if now_c <= before_c or not coming_c >= limit.stop_above_c:
        return None
    text = (
        f"hottest pixel of {limit.region} heads for {coming_c:.4g} °C before the next verdict, "
        f"limit {limit.stop_above_c:g}"
    )
    return finding(limit, "warn", text, value=coming_c, reached=limit.stop_above_c, unit="°C")


def _side(limit: TemperatureMax) -> int:
    return {"upper-bound": 1, "estimate": 0, "lower-bound": -1}[limit.stop_by]


def _margin_c(limit: TemperatureMax, std_c: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(limit.noise_margin_sigma) * _std_c(std_c)


def _std_c(std_c: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return no margin where none is known: the pixel still counts."""
    return np.where(np.isfinite(std_c), std_c, np.float32(0.0))


def _without(
    scale_std_c: NDArray[np.float32] | None, inside: Mask, std_c: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the noise alone, without what a wrong α makes.

    The lower bound keeps noise from stopping a treatment. A wrong α is no noise: it is the same in
    every pixel and frame, finds no maximum, and must not put off the stop the more the hotter it
    gets.
    """
    if scale_std_c is None:
        return std_c
    noise_c: NDArray[np.float32] = np.sqrt(
        np.maximum(std_c**2 - np.nan_to_num(scale_std_c[inside]) ** 2, np.float32(0.0))
    )
    return noise_c


def blur_guard(limit: BlurGuard, seen: Observation) -> Finding | None:
    """Find that voxel and frame time hide too much of the peak: by the heat model, else by size."""
    percent, by = _hidden_by_model(limit, seen), "by the heat model"
    if percent is None:
        frame_time_s = 0.0
        if seen.time_s is not None and seen.previous_time_s is not None:
            frame_time_s = max(seen.time_s - seen.previous_time_s, 0.0)
        share = hidden_share(limit.focus_fwhm_mm, seen.voxel_mm, frame_time_s=frame_time_s)
        percent, by = 100.0 * share.expected, "by the size of the focus"
    if percent < limit.max_hidden_percent:
        return None
    text = (
        f"voxel and frame time hide {percent:.0f} % of the peak's rise in {limit.region} ({by}), "
        f"limit {limit.max_hidden_percent:g} %"
    )
    return finding(limit, "warn", text, value=percent, reached=limit.max_hidden_percent, unit="%")


def _hidden_by_model(limit: BlurGuard, seen: Observation) -> float | None:
    forecast, inside = seen.forecast, seen.believed(limit.region)
    if forecast is None or not forecast.is_trusted or not inside.any():
        return None
    shown_c = float(seen.temperature.temperature_c[inside].max()) - seen.body_temperature_c
    if not math.isfinite(forecast.hidden_c) or shown_c < _LEAST_SHOWN_C:
        return None
    hidden_c = max(forecast.hidden_c, 0.0)
    return 100.0 * hidden_c / (shown_c + hidden_c)
