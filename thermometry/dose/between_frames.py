"""How the rate of thermal dose runs between two images, so that their dose can be integrated."""

import math
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from thermometry.compiled import compiled

Integration = Literal["trapezoid", "log-linear"]
INTEGRATIONS: Final[tuple[Integration, ...]] = ("trapezoid", "log-linear")

Volume = NDArray[np.float64]
Single = NDArray[np.float32]

LN_2: Final = math.log(2.0)  # of R above 43 °C, where the rate passes one minute a minute
LN_4: Final = math.log(4.0)  # of R below
# 37 °C: below it there is no dose, hence no logarithm; the temperature is taken to run from there.
LEAST_PER_MIN: Final = 4.0 ** (37.0 - 43.0)
S_PER_MIN: Final = 60.0
# Two rates that differ by less make a quotient of rounding errors.
NEARLY_EQUAL: Final = 1e-3


def mean_rate(
    last: Single, now: Single, *, last_own: Single, own: Single, integration: Integration
) -> tuple[Volume, Volume, Volume]:
    """Mean rate of CEM43 between two samples, and how it changes with either; float64 (pixel,).

    last, now: equivalent minutes a second, unbiased. last_own, own: their standard deviations.
    trapezoid: the rate runs straight. log-linear: the temperature does, so that the rate bends at
    43 °C; exact for a ramp, and low where heating slows down between two images.
    Returns the mean and its derivatives with respect to `last` and `now`.
    """
    if integration == "trapezoid":
        half = np.full(now.shape, 0.5)
        return half * (last.astype(np.float64) + now), half, half
    return _log_mean(last, now, last_own, own)


@compiled
def _log_mean(
    last: Single, now: Single, last_own: Single, own: Single
) -> tuple[Volume, Volume, Volume]:
    mean, by_last, by_now = np.empty(now.size), np.empty(now.size), np.empty(now.size)
    for i in range(now.size):
        x = max(np.float64(last[i]) * S_PER_MIN, LEAST_PER_MIN)
        y = max(np.float64(now[i]) * S_PER_MIN, LEAST_PER_MIN)
        # distance from 43 °C, in degrees, and the degrees of one unit of rate
        rate_x, rate_y = (LN_2 if x >= 1.0 else LN_4), (LN_2 if y >= 1.0 else LN_4)
        a, b = math.log(x) / rate_x, math.log(y) / rate_y
        span = b - a
        if abs(span) < NEARLY_EQUAL:
            value, d_x, d_y = 0.5 * (x + y), 0.5, 0.5
        else:
            # ∫ of the rate over temperature from one end to the other, by way of 43 °C
            area = (y - 1.0) / rate_y - (x - 1.0) / rate_x
            value = area / span
            d_x = (value / x - 1.0) / (rate_x * span)
            d_y = (1.0 - value / y) / (rate_y * span)
        # a point of the line is less noisy than its ends, whose bias was taken out of it: at the
        # share u of the way u(1 - u)(s² + t²) / 2 too much, a twelfth of s² + t² on average
        s2 = (np.float64(last_own[i]) / last[i]) ** 2 if last[i] > 0.0 else 0.0
        t2 = (np.float64(own[i]) / now[i]) ** 2 if now[i] > 0.0 else 0.0
        restored = math.exp((s2 + t2) / 12.0)
        is_cold = last[i] <= 0.0 and now[i] <= 0.0
        mean[i] = 0.0 if is_cold else value * restored / S_PER_MIN
        by_last[i], by_now[i] = d_x * restored, d_y * restored
    return mean, by_last, by_now
