"""(history, what one frame showed) → history."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from realtime.alerts.history import (
    DRIFT_STEP_S,
    DRIFT_WINDOW_S,
    LEAST_DRIFTS,
    MOST_GLANCES,
    Glance,
    History,
    RegionGlance,
)
from realtime.alerts.observation import Observation, n_spared

_DARK_SHARE = 0.1
_LEAST_DARK = 4  # pixels whose mean the noise does not rule


def remember(history: History, seen: Observation) -> History:
    """Return the history with one more frame. A new baseline begins a new history.

    A frame that measures nothing, or has no time, leaves no trace.
    """
    temperature = seen.temperature
    if temperature.is_baseline:
        is_anew = bool(history.glances) or history.pose is None
        return History(pose=seen.pose) if is_anew else history
    if history.pose is None:
        history = replace(history, pose=seen.pose)
    if seen.time_s is None or not math.isfinite(seen.time_s) or not temperature.valid.any():
        return history
    earlier = (one for one in history.glances if one.time_s < seen.time_s)
    history = replace(
        history,
        glances=(*earlier, _glance(seen, seen.time_s))[-MOST_GLANCES:],
        drift_c=temperature.drift_c,
        drift_jump_c=temperature.drift_c - history.drift_c,
        drifts=_drifts(history, seen, seen.time_s),
    )
    if seen.forecast is not None and seen.forecast.is_trusted:
        history = replace(history, peak_c=seen.forecast.peak_c)
    return _power(history, seen)


def _glance(seen: Observation, time_s: float) -> Glance:
    forecast = seen.forecast
    if forecast is None:
        return Glance(time_s, math.nan, False, dict(_regions(seen)))
    return Glance(time_s, forecast.rise_z, forecast.is_trusted, dict(_regions(seen)))


def _regions(seen: Observation) -> Iterator[tuple[str, RegionGlance]]:
    for name, mask in seen.masks.items():
        inside = seen.believed(name)
        n_valid = int(np.count_nonzero(inside))
        if n_valid == 0:
            continue
        rise_c = seen.temperature.temperature_c[inside] - seen.body_temperature_c
        std_c = np.nan_to_num(seen.temperature.temperature_std_c[inside], nan=0.0)
        typical_c = math.sqrt(float(np.mean(std_c**2)))
        spared = n_spared(n_valid)
        yield (
            name,
            RegionGlance(
                mean_c=float(rise_c.mean()),
                mean_std_c=typical_c / math.sqrt(n_valid),
                max_c=float(rise_c.max()),
                hot_c=float(np.partition(rise_c, -1 - spared)[-1 - spared]),
                hot_std_c=typical_c,
                dark_ratio=_dark_ratio(seen, mask),
            ),
        )


def _dark_ratio(seen: Observation, mask: np.ndarray) -> float:
    """Mean of the darkest pixels: they need not be believed, for no signal is no temperature."""
    if seen.temperature.magnitude_ratio is None:
        return math.nan
    ratio = seen.temperature.magnitude_ratio[mask]
    ratio = ratio[np.isfinite(ratio)]
    n_dark = max(_LEAST_DARK, int(_DARK_SHARE * ratio.size))
    if ratio.size < n_dark:
        return math.nan
    return float(np.partition(ratio, n_dark - 1)[:n_dark].mean())


def _drifts(history: History, seen: Observation, time_s: float) -> tuple[tuple[float, float], ...]:
    earlier = tuple(one for one in history.drifts if one[0] < time_s)
    in_window = tuple(one for one in earlier if one[0] >= time_s - DRIFT_WINDOW_S)
    # slow frames: as many as a rate needs, however long they take
    kept = max(in_window, earlier[1 - LEAST_DRIFTS :], key=len)
    is_due = not kept or time_s >= kept[-1][0] + DRIFT_STEP_S
    if not is_due or not seen.temperature.is_drift_trusted:
        return kept
    return (*kept, (time_s, seen.temperature.drift_c))


def _power(history: History, seen: Observation) -> History:
    """Note what was left of the heat when the power came on."""
    on_since_s = seen.power.on_since_s
    if on_since_s is None or on_since_s == history.on_since_s:
        return history
    before = [one.regions for one in history.glances if one.time_s <= on_since_s]
    return replace(history, on_since_s=on_since_s, residual=before[-1] if before else {})
