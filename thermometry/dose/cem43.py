"""Thermal dose: equivalent minutes at 43 °C, with the noise's bias removed and an interval.

Doses double with every degree, so that a hot spot smaller than the voxel weighs more than the
noise: the interval covers noise and, where its uncertainty is given, α. It assumes that the rate
runs from one image to the next as `between_frames` has it. Where a few images make the whole dose,
the 95 % interval holds the truth in 93 % at 1 °C of noise above 43 °C and in 78 % below; at 2 °C in
82 to 88 % and in half. Beyond 2 °C the dose itself reads too high, by 2 to 12 times at 3 °C.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import TemperatureMap, ThermalDose
from thermometry.coil_images import frozen
from thermometry.compiled import compiled
from thermometry.dose.between_frames import Integration, mean_rate
from thermometry.dose.cem43_rate import dose_rate

Volume = NDArray[np.float64]
Single = NDArray[np.float32]
Z_95: Final = np.float32(1.959964)  # two-sided 95 % of a Gaussian
# Own variance over the dose squared stays below 1, but for the log-linear rule's linearisation.
MOST_OWN: Final = np.float32(1.0 - 1e-6)


@dataclass(frozen=True, slots=True, eq=False)
class DoseState:
    """Dose and its uncertainty so far; arrays (z, y, x), sums and times float64, rates float32.

    float64 because minutes sum in steps of 1e-6 and rates span 20 orders of magnitude.

    time_s: the latest scanner time accepted; -inf before the first.
    dose_min: CEM43. variance_min2: from the noise of single images. common_min: standard
        deviation from the noise of the reference, which all images share.
    last_*: each pixel's last valid sample: its time (NaN before the first), rate, and the rate's
        standard deviations, own and shared. last_weight_s: by how much the interval that ended
        there changed with it, half that interval by the trapezoid rule.
    """

    time_s: float
    dose_min: Volume
    variance_min2: Volume
    common_min: Volume
    last_time_s: Volume
    last_rate: Single
    last_own: Single
    last_common: Single
    last_weight_s: Volume
    integration: Integration = "trapezoid"
    interrupted: bool = False


def start_dose(shape: tuple[int, int, int], *, integration: Integration = "trapezoid") -> DoseState:
    """No dose yet; shape is (z, y, x)."""
    zeros = frozen(np.zeros(shape))
    never = frozen(np.full(shape, np.nan))
    cold = frozen(np.zeros(shape, np.float32))
    return DoseState(-np.inf, zeros, zeros, zeros, never, cold, cold, cold, zeros, integration)


def interrupt(state: DoseState) -> DoseState:
    """Mark the dose as a lower bound after frames were lost to a restart.

    The gap adds nothing, because nobody knows what happened in it.
    """
    never = frozen(np.full(state.dose_min.shape, np.nan))
    return replace(state, last_time_s=never, interrupted=True)


def take_over(state: DoseState, left: DoseState) -> DoseState:
    """Return a state at its start with the dose that another session left, on the same pixels.

    Its times are of another clock and stay behind. Another number of pixels takes nothing over.
    """
    if left.dose_min.shape != state.dose_min.shape:
        return state
    return replace(
        state,
        dose_min=left.dose_min,
        variance_min2=left.variance_min2,
        common_min=left.common_min,
    )


def accumulate_dose(state: DoseState, temperature: TemperatureMap) -> tuple[DoseState, ThermalDose]:
    """Dose after one more temperature map, on scanner time.

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
    scale_std_c = temperature.scale_std_c
    rate = dose_rate(
        temperature.temperature_c.ravel(),
        temperature.temperature_std_c.ravel(),
        common_std_c=temperature.common_std_c.ravel(),
        scale_std_c=None if scale_std_c is None else scale_std_c.ravel(),
    )
    valid = temperature.valid & np.isfinite(temperature.temperature_c)
    mean, by_last, by_now = mean_rate(
        state.last_rate.ravel(),
        rate.per_s,
        last_own=state.last_own.ravel(),
        own=rate.own_std,
        integration=state.integration,
    )
    dose, variance, common, last_time_s, weight_s, last_rate, last_own, last_common = _add(
        temperature.time_s,
        valid.ravel(),
        mean,
        by_last,
        by_now,
        rate.per_s,
        rate.own_std,
        rate.common_std,
        state.dose_min.ravel(),
        state.variance_min2.ravel(),
        state.common_min.ravel(),
        state.last_time_s.ravel(),
        state.last_weight_s.ravel(),
        state.last_rate.ravel(),
        state.last_own.ravel(),
        state.last_common.ravel(),
    )
    shape = state.dose_min.shape
    return replace(
        state,
        time_s=temperature.time_s,
        dose_min=frozen(dose.reshape(shape)),
        variance_min2=frozen(variance.reshape(shape)),
        common_min=frozen(common.reshape(shape)),
        last_time_s=frozen(last_time_s.reshape(shape)),
        last_weight_s=frozen(weight_s.reshape(shape)),
        last_rate=frozen(last_rate.reshape(shape)),
        last_own=frozen(last_own.reshape(shape)),
        last_common=frozen(last_common.reshape(shape)),
    )


@compiled
def _add(
    time_s: float,
    valid: NDArray[np.bool_],
    mean: Volume,
    by_last: Volume,
    by_now: Volume,
    per_s: Single,
    own_std: Single,
    common_std: Single,
    dose_min: Volume,
    variance_min2: Volume,
    common_min: Volume,
    last_time_s: Volume,
    last_weight_s: Volume,
    last_rate: Single,
    last_own: Single,
    last_common: Single,
) -> tuple[Volume, Volume, Volume, Volume, Volume, Single, Single, Single]:
    """Add one more sample of each pixel to the sums; (pixel,), results as the last 8 arguments."""
    dose, variance = np.empty_like(dose_min), np.empty_like(dose_min)
    common = np.empty_like(dose_min)
    then_s, weight_s = np.empty_like(dose_min), np.empty_like(dose_min)
    rate, own, shared = np.empty_like(per_s), np.empty_like(per_s), np.empty_like(per_s)
    for i in range(dose_min.size):
        rate[i] = per_s[i] if valid[i] else last_rate[i]
        own[i] = own_std[i] if valid[i] else last_own[i]
        shared[i] = common_std[i] if valid[i] else last_common[i]
        then_s[i] = time_s if valid[i] else last_time_s[i]
        # NaN, the time of a pixel without an earlier sample, is no time at all
        passed_s = time_s - last_time_s[i]
        elapsed_s = passed_s if valid[i] & (passed_s > 0.0) else 0.0
        before_s = elapsed_s * by_last[i] if elapsed_s > 0.0 else 0.0
        after_s = elapsed_s * by_now[i] if elapsed_s > 0.0 else 0.0
        weight_s[i] = after_s if valid[i] else last_weight_s[i]
        dose[i] = dose_min[i] + (elapsed_s * mean[i] if elapsed_s > 0.0 else 0.0)
        common[i] = common_min[i] + before_s * last_common[i] + after_s * shared[i]
        # a sample counts in the interval before it and in the one after; only now is the second
        # weight known, and the variance of its whole weight replaces that of the first
        known_s = last_weight_s[i]
        whole_s = known_s + before_s
        second = (whole_s * whole_s - known_s * known_s) * np.float64(last_own[i]) ** 2
        variance[i] = variance_min2[i] + second + (after_s * own[i]) ** 2
    return dose, variance, common, then_s, weight_s, rate, own, shared


def _dose_so_far(state: DoseState, temperature: TemperatureMap) -> ThermalDose:
    """Dose with its 95 % interval, log-normal because a rate is the exponential of a temperature.

    Errors of single images add in quadrature, those of the shared reference add up.
    """
    dose, log_variance = _relative_variance(
        state.dose_min.ravel(), state.variance_min2.ravel(), state.common_min.ravel()
    )
    half_width = Z_95 * np.sqrt(log_variance)
    # an unbiased log-normal estimate has its median below the truth by half the log variance
    middle = np.float32(0.5) * log_variance
    low = np.minimum(middle - half_width, np.float32(0))
    low = np.exp(low, out=low)
    high = np.exp(np.add(middle, half_width, out=middle), out=middle)
    shape = state.dose_min.shape
    return ThermalDose(
        frame_id=temperature.frame_id,
        time_s=temperature.time_s,
        cem43_min=frozen(dose.reshape(shape)),
        cem43_low_min=frozen((dose * low).reshape(shape)),
        cem43_high_min=frozen((dose * high).reshape(shape)),
        interrupted=state.interrupted,
    )


def _relative_variance(
    dose_min: Volume, variance_min2: Volume, common_min: Volume
) -> tuple[Single, Single]:
    """Dose in single precision, and the variance of its logarithm; (pixel,)."""
    dose, own, common2 = _relative(dose_min, variance_min2, common_min)
    # -log(1 - v) and not log(1 + v): exact for a single image, equal for many
    log_variance = np.log1p(own, out=own)
    return dose, np.subtract(common2, log_variance, out=log_variance)


@compiled
def _relative(
    dose_min: Volume, variance_min2: Volume, common_min: Volume
) -> tuple[Single, Single, Single]:
    """Dose; minus its own and plus its common variance, over the dose squared; 0 where no dose."""
    dose = np.empty(dose_min.shape, np.float32)
    own, common2 = np.empty_like(dose), np.empty_like(dose)
    for i in range(dose_min.size):
        per_dose = 1.0 / dose_min[i] if dose_min[i] > 0.0 else 0.0
        common = np.float32(common_min[i] * per_dose)
        dose[i] = np.float32(dose_min[i])
        own[i] = -min(np.float32(variance_min2[i] * (per_dose * per_dose)), MOST_OWN)
        common2[i] = common * common
    return dose, own, common2
