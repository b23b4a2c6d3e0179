"""Recursive least squares: a regression that is learned one lesson at a time."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]  # an inverse that is carried for an hour needs the digits

MEMORY_S = 60.0  # of what images teach
ERROR_MEMORY_S = 10.0  # of how well it came true
LONGEST_STEP_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Weights by recursive least squares with exponential forgetting.

    Haykin 2014, Adaptive Filter Theory, 5th ed., table 10.1, with several outputs. The covariance
    never grows beyond its start: what is not excited is neither learned nor forgotten.

    weights: (regressor, output). covariance: (regressor, regressor), inverse of the weighted sum
    of the regressors' squares. most: trace of the covariance at the start.
    """

    weights: Real
    covariance: Real
    most: float

    def learned(self, regressor: Real, target: Real, *, forgetting: float) -> "Fit":
        """Return it after one more lesson: what came, (output,), of regressor (regressor,).

        forgetting: what the past still counts, ≤ 1. FloatingPointError where it has blown up.
        """
        seen = self.covariance @ regressor
        scale = forgetting + float(regressor @ seen)
        if not forgetting <= scale < math.inf:
            raise FloatingPointError(f"recursive least squares: {scale} is no scale of a gain")
        gain = seen / scale
        weights = self.weights + gain[:, None] * (target - regressor @ self.weights)
        covariance = self.covariance - seen[:, None] * gain
        if covariance.trace() <= forgetting * self.most:
            covariance /= forgetting
        return Fit(weights, covariance, self.most)


class Pace(NamedTuple):
    """How much one more image counts to what is learned from image to image.

    learned_s: the time learned from, this image's included. share: by which a running mean goes to
    its newest value; a plain mean until ERROR_MEMORY_S are over. forgetting: of a `Fit`.
    """

    learned_s: float
    share: float
    forgetting: float


def pace(*, since_s: float, now_s: float, learned_s: float) -> Pace:
    """Return it for an image at now_s, the one before at since_s; a gap counts as LONGEST_STEP_S.

    learned_s: the time learned from before.
    """
    elapsed_s = min(max(now_s - since_s, 0.0), LONGEST_STEP_S)
    learned_s += elapsed_s
    share = elapsed_s / min(max(learned_s, 0.1), ERROR_MEMORY_S)
    return Pace(learned_s, share, math.exp(-elapsed_s / MEMORY_S))


def start_fit(weights: Real, *, prior: float) -> Fit:
    """Return what is believed before any lesson, as strongly as one regressor of square `prior`."""
    n = len(weights)
    return Fit(weights, np.eye(n) / prior, n / prior)
