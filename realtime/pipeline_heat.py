"""The heat model in the fold: what follows if the power ends now, and dose along its course."""

from dataclasses import replace
from typing import Final

import numpy as np

from messages import Frame, PowerLog
from realtime.pipeline_state import Measured, Pipeline

# A hot spot of three to five pixels shows in the middle third of the lines of k-space, so that a
# frame on a grid looks at it for about that part of its time; each spoke and arm shows it whole.
EXPOSURE_ON_GRID: Final = 0.35
MOST_STEPS: Final = 4096  # of the power log that is remembered


def foresee(pipeline: Pipeline, measured: Measured, frame: Frame, power: PowerLog) -> Measured:
    """Return the frame with its forecast, and with the model's dose where the protocol wants it.

    A frame without a believable pixel is bridged by the model. Steps of the power that came with a
    lost frame come again with the next ones; what is known is merged.
    """
    slice_state, temperature = measured.slice, measured.temperature
    settings = pipeline.protocol.thermometry
    if temperature is None or settings is None:
        return measured
    known = slice_state.power.merged(power)
    known = PowerLog(known.time_s[-MOST_STEPS:], known.watts[-MOST_STEPS:])
    slice_state = replace(slice_state, power=known)
    forecaster = slice_state.forecaster
    if forecaster is None:
        return replace(measured, slice=slice_state)
    times_s = frame.readouts["time_s"]
    times_s = times_s[np.isfinite(times_s)]
    now_s = float(times_s.max()) if times_s.size else temperature.time_s
    duration_s = float(np.ptp(times_s)) if times_s.size else 0.0
    is_on_grid = pipeline.header.encodings[0].is_on_grid
    state, forecast = forecaster.step(
        slice_state.forecasts,
        temperature,
        known,
        exposure_s=duration_s * (EXPOSURE_ON_GRID if is_on_grid else 1.0),
        now_s=now_s,
    )
    dose = measured.dose
    if dose is not None and settings.dose_integration == "model":
        dose = forecaster.dose(state, dose)
    slice_state = replace(slice_state, forecasts=state)
    return replace(measured, slice=slice_state, dose=dose, forecast=forecast)
