"""Rate of thermal dose from a noisy temperature, unbiased away from the kink at 43 °C."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.compiled import compiled
from thermometry.phase import HALF, ZERO

Volume = NDArray[np.float32]

KINK_C: Final = 43.0
LN_R_ABOVE: Final = math.log(2.0)  # R = 0.5 from 43 °C on; Sapareto and Dewey 1984
LN_R_BELOW: Final = math.log(4.0)  # R = 0.25 below
# No dose below 37 °C, as k-Wave has it. The other custom, 39 °C, loses the mild heating of a long
# treatment; an hour at 37 °C counts 0.015 min either way.
LEAST_C: Final = 37.0
# The rate stops rising at 100 °C, where water boils; any threshold is passed in milliseconds there,
# and a wild pixel stays finite. Proteus caps at 68 °C.
MOST_C: Final = 100.0
# The correction stops growing here: at 4 °C it would divide by 5e6, and dose would seem absent
# where it is only unknown. Noisier pixels read too high.
MOST_STD_C: Final = 2.0
S_PER_MIN: Final = 60.0
NOTHING: Final = np.float32(-np.inf)  # logarithm of no dose at all


@dataclass(frozen=True, slots=True, eq=False)
class DoseRate:
    """Equivalent minutes at 43 °C per second, and how uncertain; float32 (pixel,).

    own_std: standard deviation from this image's noise, for sums of many images.
    common_std: first-order standard deviation from the noise of the reference.
    """

    per_s: Volume
    own_std: Volume
    common_std: Volume


def dose_rate(
    temperature_c: Volume,
    std_c: Volume,
    *,
    common_std_c: Volume,
    scale_std_c: Volume | None = None,
) -> DoseRate:
    """Rate R^(43 - T) / 60 per second, divided by the factor that noise of std_c adds on average.

    scale_std_c: the part of both standard deviations that α makes. It is no noise, so it widens the
    common deviation but is no reason to divide.

    The mean of an exponential exceeds the exponential of the mean: by exp((σ ln R)²/2). The
    division is exact for Gaussian noise except where noise reaches across 43 °C: there it leaves
    -12 % to +2 % at σ = 0.5 °C, -16 % to +10 % at 1 °C. No smooth correction does much better,
    because a kink cannot be unblurred. Chopra 2006 notes the same bias.
    """
    log_rate, log_own, log_common = _exponents(
        temperature_c,
        std_c,
        common_std_c,
        np.zeros_like(std_c) if scale_std_c is None else scale_std_c,
    )
    # not in the kernel: NumPy's exponentials are vectorised
    per_s = np.exp(log_rate, out=log_rate)
    per_s *= np.float32(1.0 / S_PER_MIN)
    own = np.expm1(log_own, out=log_own)
    np.negative(own, out=own)
    np.sqrt(own, out=own)
    own *= per_s
    log_common *= per_s
    return DoseRate(per_s, own, log_common)


@compiled
def _exponents(
    temperature_c: Volume, std_c: Volume, common_std_c: Volume, scale_std_c: Volume
) -> tuple[Volume, Volume, Volume]:
    """Logarithms of rate per minute and of 1 - own² / rate², and the common log deviation."""
    log_rate, log_own = np.empty_like(std_c), np.empty_like(std_c)
    log_common = np.empty_like(std_c)
    for i in range(std_c.size):
        above_c = min(temperature_c[i], np.float32(MOST_C)) - np.float32(KINK_C)
        ln_r = np.float32(LN_R_ABOVE) if above_c >= ZERO else np.float32(LN_R_BELOW)
        scale2 = scale_std_c[i] * scale_std_c[i]
        noise = np.sqrt(max(std_c[i] * std_c[i] - scale2, ZERO))
        log_std = ln_r * min(noise, np.float32(MOST_STD_C))
        shared = np.sqrt(max(common_std_c[i] * common_std_c[i] - scale2, ZERO))
        common = ln_r * min(shared, np.float32(MOST_STD_C))
        log_variance = log_std * log_std
        is_cold = above_c < np.float32(LEAST_C - KINK_C)
        log_rate[i] = NOTHING if is_cold else ln_r * above_c - HALF * log_variance
        # E[rate² (1 - exp(-s²))] is the variance of the corrected rate, s its own log deviation
        log_own[i] = min(common * common - log_variance, ZERO)
        log_common[i] = np.sqrt(common * common + ln_r * ln_r * scale2)
    return log_rate, log_own, log_common
