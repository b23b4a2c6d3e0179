"""Recursive least squares: a regression that is learned one lesson at a time."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]  # an inverse that is carried for an hour needs the digits


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


def start_fit(weights: Real, *, prior: float) -> Fit:
    """Return what is believed before any lesson, as strongly as one regressor of square `prior`."""
    n = len(weights)
    return Fit(weights, np.eye(n) / prior, n / prior)
