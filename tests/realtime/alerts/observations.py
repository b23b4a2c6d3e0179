"""What a frame showed, made up: maps, doses, forecasts and the history of a few frames."""

import math
from dataclasses import replace

import numpy as np

from messages import Forecast, FrameKey, PowerLog, TemperatureMap, ThermalDose
from realtime.alerts.history import History
from realtime.alerts.observation import Observation
from realtime.alerts.remembering import remember
from realtime.alerts.rules import RULES

SHAPE = (1, 16, 16)
FOCUS = (0, slice(4, 8), slice(4, 8))  # 16 pixels
BODY_C = 37.0


def full(value):
    return np.full(SHAPE, value, np.float32)


def focus_mask():
    mask = np.zeros(SHAPE, np.bool_)
    mask[FOCUS] = True
    return mask


def temperature_map(temperature_c=None, *, std_c=None, valid=None, **other):
    temperature_c = full(BODY_C) if temperature_c is None else temperature_c
    valid = np.ones(SHAPE, np.bool_) if valid is None else valid
    return TemperatureMap(
        frame_id=1,
        key=FrameKey(),
        time_s=10.0,
        temperature_c=np.where(valid, temperature_c, np.nan).astype(np.float32),
        temperature_std_c=np.where(valid, full(0.5) if std_c is None else std_c, np.nan),
        common_std_c=full(0.1),
        valid=valid,
        **{"is_baseline": False, "baseline_frames": 5, **other},
    )


def dose_map(estimate, *, low=None, high=None, interrupted=False):
    low = estimate if low is None else low
    high = estimate if high is None else high
    return ThermalDose(1, 10.0, estimate, low, high, interrupted)


def seen(temperature=None, *, dose=None, **other):
    known = {"time_s": 10.0, "previous_time_s": 9.8, **other}
    masks = {"focus": focus_mask()}
    return Observation(temperature or temperature_map(), dose, masks, **known)


def with_focus(values):
    array = full(BODY_C)
    array[FOCUS] = values
    return array


def one_pixel(value, *, elsewhere=BODY_C):
    array = full(elsewhere)
    array[0, 5, 5] = value
    return array


def find(limit, observation):
    return RULES[type(limit)](limit, observation)


def severity(limit, observation):
    found = find(limit, observation)
    return None if found is None else found.severity


def forecast(**changes):
    nothing = full(np.nan)
    known = {
        "temperature_c": full(BODY_C),
        "temperature_std_c": full(0.5),
        "peak_c": full(BODY_C),
        "peak_std_c": full(0.5),
        "final_cem43_min": nothing,
        "final_low_cem43_min": nothing,
        "final_high_cem43_min": nothing,
        "hidden_c": math.nan,
        "expected_rise_c": math.nan,
        "rise_z": math.nan,
        "is_trusted": True,
    }
    return Forecast(1, 10.0, **{**known, **changes})


def power(*steps):
    time_s, watts = np.array(steps, np.float64).reshape(-1, 2).T
    return PowerLog(time_s, watts)


def told(observations, *, history=None):
    """Return the last of several observations with the history of all of them."""
    history = History() if history is None else history
    for one in observations:
        before = history
        history = remember(history, one)
    return replace(observations[-1], history=history, previous_peak_c=before.peak_c)


def frames(*rises_c, steps=(), step_s=2.0, std_c=0.3, **changes):
    return [
        seen(
            temperature_map(with_focus(BODY_C + rise_c), std_c=full(std_c)),
            time_s=step_s * (n + 1),
            power=power(*[one for one in steps if one[0] <= step_s * (n + 1)]),
            **changes,
        )
        for n, rise_c in enumerate(rises_c)
    ]
