"""Thermal dose: equivalent minutes at 43 °C, with the noise's bias removed and an interval.

Doses above about 50 °C double with every degree, so that a wrong α or a hot spot smaller than the
voxel weighs more than the noise: the interval covers noise only. It assumes that the rate runs
straight from one image to the next. Where a few images below 43 °C with 0.7 °C of noise or more
make the whole dose, the 95 % interval holds the truth in 87 to 90 %.
"""

from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from messages import TemperatureMap, ThermalDose
from thermometry.dose_rate import dose_rate

Volume = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)
Z_95: Final = np.float32(1.959964)  # two-sided 95 % of a Gaussian


@dataclass(frozen=True, slots=True, eq=False)
class DoseState:
    """Dose and its uncertainty so far; all arrays float64 (z, y, x).

    float64 because minutes sum in steps of 1e-6 and rates span 20 orders of magnitude.

    time_s: the latest scanner time accepted; -inf before the first.
    dose_min: CEM43. variance_min2: from the noise of single images. common_min: standard
        deviation from the noise of the reference, which all images share.
    last_*: each pixel's last valid sample: its time (NaN before the first), rate, and the rate's
        standard deviations, own and shared. last_half_s: half the interval that ended there.
    """

    time_s: float
    dose_min: Volume
    variance_min2: Volume
    common_min: Volume
    last_time_s: Volume
    last_rate: Volume
    last_own: Volume
    last_common: Volume
    last_half_s: Volume
    interrupted: bool = False


def start_dose(shape: tuple[int, int, int]) -> DoseState:
    """No dose yet; shape is (z, y, x)."""
    zeros = _frozen(np.zeros(shape))
    never = _frozen(np.full(shape, np.nan))
    return DoseState(-np.inf, zeros, zeros, zeros, never, zeros, zeros, zeros, zeros)


def interrupt(state: DoseState) -> DoseState:
    """Mark the dose as a lower bound after frames were lost to a restart.

    The gap adds nothing, because nobody knows what happened in it.
    """
    never = _frozen(np.full(state.dose_min.shape, np.nan))
    return replace(state, last_time_s=never, interrupted=True)


def accumulate_dose(state: DoseState, temperature: TemperatureMap) -> tuple[DoseState, ThermalDose]:
    """Dose after one more temperature map, by the trapezoid rule on scanner time.

    Each pixel integrates from its own last valid sample, so that a gap in its validity is bridged
    by a straight line. A pixel's first sample adds nothing. A map without a time, or not later than
    the one before, leaves the dose as it is. CEM43: Sapareto and Dewey 1984,
    doi:10.1016/0360-3016(84)90379-1.
    """
    time_s = temperature.time_s
    if np.isfinite(time_s) and time_s > state.time_s:
        state = _advance(state, temperature)
    return state, _dose_so_far(state, temperature)


def _advance(state: DoseState, temperature: TemperatureMap) -> DoseState:
    valid = temperature.valid & np.isfinite(temperature.temperature_c)
    if not valid.any():
        return replace(state, time_s=temperature.time_s)
    rate = dose_rate(
        np.where(valid, temperature.temperature_c, np.float32(0)),
        np.where(valid, temperature.temperature_std_c, np.float32(0)),
        common_std_c=np.where(valid, temperature.common_std_c, np.float32(0)),
    )
    # fmax turns the NaN of a pixel without an earlier sample into no time at all
    half_s = np.fmax(0.5 * (temperature.time_s - state.last_time_s), 0.0) * valid
    # a sample counts for half the interval before it and half the one after; only now is its
    # second half known, and the variance of its whole weight replaces that of the first half
    whole_s = state.last_half_s + half_s
    variance = (whole_s**2 - state.last_half_s**2) * np.square(state.last_own, dtype=np.float64)
    variance += state.variance_min2 + (half_s * rate.own_std) ** 2
    return replace(
        state,
        time_s=temperature.time_s,
        dose_min=_frozen(state.dose_min + half_s * (state.last_rate + rate.per_s)),
        variance_min2=_frozen(variance),
        common_min=_frozen(state.common_min + half_s * (state.last_common + rate.common_std)),
        last_time_s=_frozen(np.where(valid, temperature.time_s, state.last_time_s)),
        last_rate=_frozen(np.where(valid, rate.per_s, state.last_rate)),
        last_own=_frozen(np.where(valid, rate.own_std, state.last_own)),
        last_common=_frozen(np.where(valid, rate.common_std, state.last_common)),
        last_half_s=_frozen(np.where(valid, half_s, state.last_half_s)),
    )


def _dose_so_far(state: DoseState, temperature: TemperatureMap) -> ThermalDose:
    """Dose with its 95 % interval, log-normal because a rate is the exponential of a temperature.

    Errors of single images add in quadrature, those of the shared reference add up.
    """
    per_dose = 1.0 / np.where(state.dose_min > 0, state.dose_min, np.inf)
    own = (state.variance_min2 * (per_dose * per_dose)).astype(np.float32)
    common = (state.common_min * per_dose).astype(np.float32)
    # -log(1 - v) and not log(1 + v): exact for a single image, equal for many
    log_variance = common * common - np.log1p(-own)
    half_width = Z_95 * np.sqrt(log_variance)
    # an unbiased log-normal estimate has its median below the truth by half the log variance
    middle = np.float32(0.5) * log_variance
    dose = state.dose_min.astype(np.float32)
    return ThermalDose(
        frame_id=temperature.frame_id,
        time_s=temperature.time_s,
        cem43_min=_frozen(dose),
        cem43_low_min=_frozen(dose * np.exp(np.minimum(middle - half_width, np.float32(0)))),
        cem43_high_min=_frozen(dose * np.exp(middle + half_width)),
        interrupted=state.interrupted,
    )


def _frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    array.flags.writeable = False
    return array
