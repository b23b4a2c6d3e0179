"""Evenly spaced looks back and ahead: what a regression over time predicts from, and what."""

import math
from dataclasses import dataclass

import numpy as np

from motion.prediction.history import History, Real

LOOK_BACK_S = 3.5  # most of a breath
NEAR_S, FAR_PITCH_S = 1.0, 0.25  # finer than this, what is longer ago is averaged
FADING_S = 1.6  # belief that it counts falls by a factor e: Chen 2012, see Taps
PITCH_S = 0.125  # finer than this, neighbours say the same
SETTLING_S = 1.0  # of samples, before the pitch is told from them
PRODUCT_EVERY_S = 0.5
PRODUCT_SCALE_MM = 10.0  # of a breath: products then count about as much as the positions


_ONE = np.ones(1)


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """The times of a regression, in steps of pitch_s, and the origin (axis,) of its positions.

    A prediction is learned directly for each of n_ahead steps ahead; those between are
    interpolated. So the horizon may change from frame to frame and nothing is learned anew.
    Iterating a one-step model errs as much (0.81 against 0.82 mm at 250 ms, 1.40 against 1.41 mm at
    500 ms, both linear), knows whole steps only, and costs more.

    seen: (regressor, step), the linear regressors from the past n_back steps, newest first: the
        nearer ones themselves, means of the farther ones. The longer ago, the smaller a regressor
        is made, which draws its weight the more to zero: a diagonal kernel of regularization (Chen,
        Ohlsson and Ljung 2012, doi:10.1016/j.automatica.2012.05.026).

    product_every: steps between the products of an axis with itself (Volterra); 0 where there are
        none. Second order: the newest position and the one of product_every before with all past
        ones; third order: the squares of the newest three with the newest three. A breath is no
        linear motion: it is fast in the middle and rests at the end of exhalation.
    """

    pitch_s: float
    n_ahead: int
    origin_mm: Real
    seen: Real
    product_every: int = 0

    @property
    def n_back(self) -> int:
        """How many steps of the past a prediction is made of."""
        return int(self.seen.shape[1])

    @property
    def reach_s(self) -> float:
        """The farthest horizon."""
        return self.n_ahead * self.pitch_s

    @property
    def look_back_s(self) -> float:
        """How much past a prediction needs."""
        return (self.n_back - 1) * self.pitch_s

    @property
    def n_regressors(self) -> int:
        """How many numbers a prediction is made of, the constant included."""
        n_past = len(range(0, self.n_back, self.product_every)) if self.product_every else 0
        n_products = 2 * n_past + 9 if self.product_every else 0
        return (len(self.seen) + n_products) * len(self.origin_mm) + 1

    def holding(self) -> Real:
        """Return the weights (regressor, n_ahead · axis) of "stays where it is"."""
        n_axes = len(self.origin_mm)
        weights = np.zeros((self.n_regressors, self.n_ahead * n_axes))
        weights[:n_axes] = np.tile(np.eye(n_axes), self.n_ahead)
        return weights

    def regressor(self, history: History) -> Real:
        """Return the past seen from the newest sample, (regressor,)."""
        times = history.newest_s - self.pitch_s * np.arange(self.n_back, dtype=np.float64)
        return self._regressor(history.at(times) - self.origin_mm)

    def lesson(self, history: History, time_s: float) -> tuple[Real, Real]:
        """Return the past seen from `time_s`, and what came after it, (n_ahead · axis,)."""
        steps = np.arange(-self.n_ahead, self.n_back, dtype=np.float64)
        known = history.at(time_s - self.pitch_s * steps) - self.origin_mm
        return self._regressor(known[self.n_ahead :]), known[: self.n_ahead][::-1].ravel()

    def _regressor(self, past_mm: Real) -> Real:
        parts = [(self.seen @ past_mm).ravel(), _ONE]
        if self.product_every:
            coarse = past_mm[:: self.product_every] / PRODUCT_SCALE_MM
            new = coarse[:3, None]
            second, third = new[:2] * coarse, new * new * coarse[:3]
            parts += [PRODUCT_SCALE_MM * second.ravel(), PRODUCT_SCALE_MM * third.ravel()]
        return np.concatenate(parts)

    def lesson_time_s(self, history: History) -> float | None:
        """Return the latest sample whose future is known whole; None where its past is not."""
        slack_s = 0.1 * self.pitch_s
        latest_s = history.newest_s - self.reach_s + slack_s
        time_s = float(history.time_s[history.time_s.searchsorted(latest_s, side="right") - 1])
        if time_s > latest_s or time_s - self.look_back_s < history.time_s[0] - slack_s:
            return None
        return time_s

    def can_predict(self, history: History, horizon_s: float) -> bool:
        """Return whether the past is long enough and the horizon near enough."""
        is_near = horizon_s <= self.reach_s
        return is_near and history.span_s >= self.look_back_s - 0.1 * self.pitch_s

    def predicted(self, steps_mm: Real, history: History, horizon_s: float) -> Real:
        """Return the position (axis,) at the horizon by the parabola through the nearest steps.

        steps_mm: (n_ahead · axis,), of the regression.
        """
        ahead = steps_mm.reshape(self.n_ahead, -1) + self.origin_mm
        known = np.concatenate([history.newest_mm[None], ahead])
        at = horizon_s / self.pitch_s
        # the measured sample has its own noise: it is used only below the first predicted step
        lowest = 0 if at < 1 else 1
        first = min(max(round(at) - 1, lowest), max(len(known) - 3, 0))
        nodes = range(first, min(first + 3, len(known)))
        weights = [
            math.prod((at - other) / (node - other) for other in nodes if other != node)
            for node in nodes
        ]
        return np.asarray(np.array(weights) @ known[nodes.start : nodes.stop])


def settled_taps(history: History, horizon_s: float, *, has_products: bool) -> Taps | None:
    """Return the times for samples as they come; None until that is known."""
    if history.span_s < SETTLING_S:
        return None
    interval_s = float(np.median(np.diff(history.time_s)))
    pitch_s = interval_s * max(1, round(PITCH_S / interval_s))
    return Taps(
        pitch_s,
        n_ahead=max(2, math.ceil(1.5 * horizon_s / pitch_s) + 1),
        origin_mm=history.position_mm.mean(axis=0),
        seen=_seen(pitch_s),
        product_every=max(1, round(PRODUCT_EVERY_S / pitch_s)) if has_products else 0,
    )


def _seen(pitch_s: float) -> Real:
    n_near = max(1, round(NEAR_S / pitch_s))
    width = max(1, round(FAR_PITCH_S / pitch_s))
    n_far = max(1, round((LOOK_BACK_S - NEAR_S) / pitch_s / width))
    near, far = np.eye(n_near), np.kron(np.eye(n_far), np.full(width, 1.0 / width))
    seen = np.block([[near, np.zeros((n_near, far.shape[1]))], [np.zeros((n_far, n_near)), far]])
    ago_s = pitch_s * (seen @ np.arange(seen.shape[1]))
    # squared, it is what the belief falls by
    return np.asarray(np.exp(-0.5 * ago_s / FADING_S)[:, None] * seen)
