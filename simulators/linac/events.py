"""What happens to a patient in the beam besides breathing: coughs, shifts, fading, noise."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursion:
    """The target goes to displacement_mm (LPS) on top of its motion, stays and comes back.

    Smooth to the second derivative. stays_s infinite: it never comes back.
    """

    at_s: float
    displacement_mm: Vector
    rise_s: float
    stays_s: float
    fall_s: float

    def lps_mm(self, t_s: Real) -> Real:
        """Return the displacement (…, 3) at scanner times (…)."""
        t_s = np.asarray(t_s, np.float64) - self.at_s
        share = smooth_step(t_s, self.rise_s)
        if math.isfinite(self.stays_s):
            share = share - smooth_step(t_s - self.rise_s - self.stays_s, self.fall_s)
        return np.asarray(np.multiply.outer(share, self.displacement_mm))


def cough(
    at_s: float, *, displacement_mm: Vector = (0.0, -3.0, 9.0), lasts_s: float = 0.3
) -> Excursion:
    """Return a jerk up and forward that is over after lasts_s."""
    half_s = lasts_s / 2
    return Excursion(
        at_s=at_s, displacement_mm=displacement_mm, rise_s=half_s, stays_s=0.0, fall_s=half_s
    )


def deep_breath(
    at_s: float, *, displacement_mm: Vector = (0.0, -6.0, -22.0), lasts_s: float = 5.0
) -> Excursion:
    """Return a breath far deeper than the others."""
    return Excursion(
        at_s=at_s,
        displacement_mm=displacement_mm,
        rise_s=0.4 * lasts_s,
        stays_s=0.1 * lasts_s,
        fall_s=0.5 * lasts_s,
    )


def baseline_shift(at_s: float, *, displacement_mm: Vector, over_s: float = 0.0) -> Excursion:
    """Return a shift for good, at once or as a ramp."""
    return Excursion(
        at_s=at_s, displacement_mm=displacement_mm, rise_s=over_s, stays_s=math.inf, fall_s=0.0
    )


def out_of_plane(
    at_s: float, *, left_mm: float = 25.0, lasts_s: float = 3.0, over_s: float = 0.5
) -> Excursion:
    """Return a target that leaves a sagittal slice: it shrinks, vanishes and comes back."""
    return Excursion(
        at_s=at_s,
        displacement_mm=(left_mm, 0.0, 0.0),
        rise_s=over_s,
        stays_s=lasts_s - 2 * over_s,
        fall_s=over_s,
    )


def gas(
    at_s: float, *, displacement_mm: Vector = (0.0, -6.0, 3.0), lasts_s: float = 8.0
) -> Excursion:
    """Return a bubble that pushes the prostate forward and passes."""
    return Excursion(
        at_s=at_s,
        displacement_mm=displacement_mm,
        rise_s=0.8,
        stays_s=lasts_s - 3.8,
        fall_s=3.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fade:
    """Signal falls to a share of itself: of the target's contrast alone, or of everything.

    until_s: when it is whole again, infinite for never. over_s: how long each change takes.
    """

    at_s: float
    share: float = 0.0
    until_s: float = math.inf
    over_s: float = 1.0
    of_target: bool = True

    def factor(self, t_s: float) -> float:
        """Return what the signal is multiplied by."""
        now = np.array(t_s)
        gone = float(smooth_step(now - self.at_s, self.over_s))
        if math.isfinite(self.until_s):
            gone -= float(smooth_step(now - self.until_s, self.over_s))
        return 1 - (1 - self.share) * gone


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseBurst:
    """Interference: noise of `times` the receiver's standard deviation, added to its own."""

    at_s: float
    lasts_s: float = 0.3
    times: float = 20.0

    def is_on(self, t_s: float) -> bool:
        """Return whether it disturbs a readout."""
        return self.at_s <= t_s < self.at_s + self.lasts_s


def smooth_step(t_s: NDArray[Any], over_s: float) -> Real:
    """Return 0 before 0 and 1 after over_s, smooth to the second derivative between."""
    if over_s <= 0:
        return np.asarray(t_s >= 0, np.float64)
    u = np.clip(np.asarray(t_s, np.float64) / over_s, 0, 1)
    return np.asarray(u**3 * (10 - 15 * u + 6 * u**2))
