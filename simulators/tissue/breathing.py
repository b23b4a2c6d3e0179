"""Breathing: where the organs are pushed, and how the lungs lag behind."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breathing:
    """Organs slide along +y (to the feet) as they are breathed in, and are squeezed on the way.

    Lujan et al. 1999, doi:10.1118/1.598577: the drive is 1 - cos⁴(πt/T), 0 breathed out and 1
    breathed in. A material point at rest at y is moved by reach_mm · drive · share(y), where share
    falls linearly from 1 at `full_mm` to `end_share` at `end_mm` and is constant beyond: a
    compression between them.

    across_mm: movement along x, which follows late and so makes the path a loop (hysteresis).
    lag_s: how late movement across and the lungs' field follow the drive.
    depth_varies: relative, how much the depth changes from breath to breath, by slow sines of no
        common period. shifts_mm_per_min: how fast the resting place slips away.
    trace: times (s) and drive values, instead of the closed form; the first and last hold on.
    holds: the breath is held from `hold_from_s` on, at the drive of that moment.
    """

    reach_mm: float = 12.0
    period_s: float = 4.0
    full_mm: float = -60.0
    end_mm: float = 90.0
    end_share: float = 0.5
    across_mm: float = 0.0
    lag_s: float = 0.0
    depth_varies: float = 0.0
    shifts_mm_per_min: float = 0.0
    trace: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    hold_from_s: float = math.inf

    def __post_init__(self) -> None:
        squeezed = self.reach_mm * (1 - self.end_share) * (1 + self.depth_varies)
        if self.end_mm <= self.full_mm or squeezed >= self.end_mm - self.full_mm:
            raise ValueError(f"reach_mm {self.reach_mm:g} folds the tissue, expected less")

    def drive(self, t_s: float) -> float:
        """Return how far it is breathed in, about 0 to 1."""
        t_s = min(t_s, self.hold_from_s)
        if self.trace is not None:
            return float(np.interp(t_s, *self.trace))
        breath = 1 - math.cos(math.pi * t_s / self.period_s) ** 4
        slow = math.sin(0.41 * t_s / self.period_s) + math.sin(1.13 * t_s / self.period_s + 1)
        return breath * (1 + self.depth_varies * slow / 2)

    def field_drive(self, t_s: float) -> float:
        """Return the drive that the lungs' field and movement across follow."""
        return self.drive(t_s - self.lag_s)

    def along_mm(self, y_mm: Real, t_s: float) -> Real:
        """Return the movement along y of material points that rest at y."""
        slip_mm = self.shifts_mm_per_min / 60 * t_s
        return np.asarray(self.reach_mm * self.drive(t_s) * self.share(y_mm) + slip_mm)

    def across_now_mm(self, t_s: float) -> float:
        """Return the movement along x, the same everywhere."""
        return self.across_mm * self.field_drive(t_s)

    def share(self, y_mm: Real) -> Real:
        """Return the part of the reach that reaches y."""
        way = np.clip((y_mm - self.full_mm) / (self.end_mm - self.full_mm), 0, 1)
        return np.asarray(1 - (1 - self.end_share) * way)

    def resting_mm(self, y_mm: Real, t_s: float) -> Real:
        """Return where material points that are at y now lie at rest: the inverse of the movement.

        The movement is linear in three pieces and monotone, so interpolation between the corners
        is exact.
        """
        low, high = min(self.full_mm, float(np.min(y_mm))), max(self.end_mm, float(np.max(y_mm)))
        far = 4 * abs(self.reach_mm) + abs(self.shifts_mm_per_min / 60 * t_s) + 1
        rest = np.array([low - far, self.full_mm, self.end_mm, high + far])
        return np.asarray(np.interp(y_mm, rest + self.along_mm(rest, t_s), rest))
