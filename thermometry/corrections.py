"""What every method's map goes through before anybody reads it: its place, and α's uncertainty."""

import math
from dataclasses import replace

import numpy as np

from messages import TemperatureMap
from thermometry.coil_images import frozen
from thermometry.off_resonance import displacement_px, moved_along_readout
from thermometry.plan import ThermometryPlan


def correct(plan: ThermometryPlan, temperature: TemperatureMap) -> TemperatureMap:
    """Return the map where it lies, with all that it is uncertain by.

    It is moved along the readout where the plan asks for that; its standard deviation then gains
    what α's makes of the rise, σ² + ((T - body)·σ_α / α)², in all frames alike. Which pixels are
    valid is left to the noise: the hottest are the most uncertain by α, and must be seen.
    """
    if temperature.is_baseline or not temperature.valid.any():
        return temperature
    if plan.off_resonance_shift and math.isfinite(plan.readout_bandwidth_hz_per_px):
        temperature = moved_along_readout(temperature, displacement_px(plan, temperature))
    share = plan.alpha_std_ppm_per_c / abs(plan.alpha_ppm_per_c)
    return with_scale(temperature, share=share, body_c=plan.body_temperature_c)


def with_scale(temperature: TemperatureMap, *, share: float, body_c: float) -> TemperatureMap:
    """Return the map with what an uncertain scale adds to its deviation: a share of the rise."""
    if share <= 0.0:
        return temperature
    rise_c = np.abs(temperature.temperature_c - np.float32(body_c))
    scale_std_c = rise_c * np.float32(share)
    return replace(
        temperature,
        temperature_std_c=frozen(np.hypot(temperature.temperature_std_c, scale_std_c)),
        common_std_c=frozen(np.hypot(temperature.common_std_c, scale_std_c)),
        scale_std_c=frozen(scale_std_c),
    )
