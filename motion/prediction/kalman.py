"""A Kalman filter of position, velocity and an acceleration that dies away."""

import math
from dataclasses import dataclass

import numpy as np

from motion.prediction.history import History, Real

NOISE_MM = 0.3  # of one measured position
ACCELERATION_MM_S2 = 40.0  # twice 8 mm of amplitude in 4 s: patients are not all alike
DYING_S = 0.25  # after which a third of the acceleration is left: a breath turns
LEARNING_S = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """mean: (3, axis), position, velocity, acceleration. covariance: (3, 3), of each axis."""

    mean: Real
    covariance: Real
    time_s: float
    learned_s: float = 0.0


class Kalman:
    """Singer's model: acceleration is first-order noise of a given size and correlation time.

    Singer 1970, doi:10.1109/TAES.1970.310128; the longer DYING_S, the nearer to constant
    acceleration. It learns nothing about the patient.
    """

    span_s = 3.0

    def start(self) -> Motion | None:
        """Return the state before the first position."""
        return None

    def learn(self, state: Motion | None, history: History, _horizon_s: float) -> Motion | None:
        """Return the state after the newest sample; anew where the history begins."""
        newest_mm = history.newest_mm
        if state is None or len(history.time_s) == 1:
            mean = np.zeros((3, len(newest_mm)))
            mean[0] = newest_mm
            spread = np.diag([NOISE_MM**2, ACCELERATION_MM_S2**2, ACCELERATION_MM_S2**2])
            return Motion(mean, spread, history.newest_s)
        elapsed_s = history.newest_s - state.time_s
        moves = _moves(elapsed_s)
        mean = moves @ state.mean
        covariance = moves @ state.covariance @ moves.T + _unforeseen(elapsed_s)
        gain = covariance[:, :1] / (covariance[0, 0] + NOISE_MM**2)
        return Motion(
            mean + gain * (newest_mm - mean[0]),
            covariance - gain * covariance[:1],
            history.newest_s,
            state.learned_s + elapsed_s,
        )

    def predict(self, state: Motion | None, _history: History, horizon_s: float) -> Real | None:
        """Return the position at the horizon; None in the first seconds and after a gap."""
        if state is None or state.learned_s < LEARNING_S:
            return None
        return np.asarray(_moves(horizon_s)[0] @ state.mean)


def _moves(elapsed_s: float) -> Real:
    """Return the transition (3, 3)."""
    left = math.exp(-elapsed_s / DYING_S)
    speed_s = DYING_S * (1 - left)
    return np.array(
        [[1, elapsed_s, DYING_S * (elapsed_s - speed_s)], [0, 1, speed_s], [0, 0, left]]
    )


def _unforeseen(elapsed_s: float) -> Real:
    """Return what the acceleration's noise adds (3, 3), to first order in it over DYING_S."""
    density = 2 * ACCELERATION_MM_S2**2 / DYING_S
    t = elapsed_s
    return density * np.array(
        [
            [t**5 / 20, t**4 / 8, t**3 / 6],
            [t**4 / 8, t**3 / 3, t**2 / 2],
            [t**3 / 6, t**2 / 2, t],
        ]
    )
