"""How a tumour moves: closed forms, and traces recorded in patients. All in patient LPS."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Real = NDArray[np.float64]
Vector = tuple[float, float, float]


class Motion(Protocol):
    """Where the target is."""

    def lps_mm(self, t_s: Real) -> Real:
        """Return the displacement (…, 3) at scanner times (…) from where it rests."""


@dataclass(frozen=True, slots=True)
class Still:
    """Nothing moves."""

    def lps_mm(self, t_s: Real) -> Real:
        """Return the displacement (…, 3) at scanner times (…)."""
        return np.zeros((*np.shape(t_s), 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class CosFour:
    """Breathing by Lujan et al. 1999, doi:10.1118/1.598577: sin⁴(π t/T), 0 and long breathed out.

    depth_mm: LPS displacement when breathed in. lag_s: how late movement along L and P follows that
    along S, which makes the path a loop (hysteresis).
    depth_varies, period_varies: relative, by slow sines of no common period.
    """

    depth_mm: Vector = (0.0, -3.5, -14.0)
    period_s: float = 4.0
    lag_s: float = 0.25
    depth_varies: float = 0.0
    period_varies: float = 0.0

    def lps_mm(self, t_s: Real) -> Real:
        """Return the displacement (…, 3) at scanner times (…)."""
        t_s = np.asarray(t_s, np.float64)
        late, prompt = self.drive(t_s - self.lag_s), self.drive(t_s)
        left, back, up = self.depth_mm
        return np.stack([left * late, back * late, up * prompt], axis=-1)

    def drive(self, t_s: Real) -> Real:
        """Return how far it is breathed in, about 0 to 1."""
        breaths = t_s / self.period_s
        # the rate of breaths swings by period_varies about its mean
        rate = 2 * math.pi * 0.083
        breaths = breaths + self.period_varies / rate * np.sin(rate * breaths)
        slow = (np.sin(0.41 * breaths) + np.sin(1.13 * breaths + 1)) / 2
        return np.asarray(np.sin(np.pi * breaths) ** 4 * (1 + self.depth_varies * slow))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sinusoid:
    """amplitude_mm · sin(2π t/T + phase): for measuring latency by phase."""

    amplitude_mm: Vector = (0.0, 0.0, 8.0)
    period_s: float = 4.0
    phase_rad: float = 0.0

    def lps_mm(self, t_s: Real) -> Real:
        """Return the displacement (…, 3) at scanner times (…)."""
        angle = 2 * np.pi * np.asarray(t_s, np.float64) / self.period_s + self.phase_rad
        return np.asarray(np.multiply.outer(np.sin(angle), self.amplitude_mm))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A slow fall to displacement_mm, 63 % of the way after `after_s`: a bladder that fills."""

    displacement_mm: Vector = (0.0, 1.5, -2.0)
    after_s: float = 120.0

    def lps_mm(self, t_s: Real) -> Real:
        """Return the displacement (…, 3) at scanner times (…)."""
        share = -np.expm1(-np.maximum(np.asarray(t_s, np.float64), 0) / self.after_s)
        return np.asarray(np.multiply.outer(share, self.displacement_mm))


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A recorded path, by cubic spline; its first and last places hold on.

    times_s: rising (n,). places_mm: LPS (n, 3); the path is taken from the first one.
    """

    times_s: Real
    places_mm: Real
    _spline: CubicSpline = field(init=False, repr=False)

    def __post_init__(self) -> None:
        moved = self.places_mm - self.places_mm[0]
        object.__setattr__(self, "_spline", CubicSpline(self.times_s, moved))

    def lps_mm(self, t_s: Real) -> Real:
        """Return the displacement (…, 3) at scanner times (…)."""
        return np.asarray(self._spline(np.clip(t_s, self.times_s[0], self.times_s[-1])))


def read_trace(path: Path, *, start_s: float = 0.0) -> Trace:
    """Read a text file of columns t (s), LR, SI, AP (mm), others after them ignored.

    Left, superior and anterior are positive, as breathing in (down and forward) shows in such
    files. start_s: the moment of the trace that becomes time 0. Raises ValueError for any other
    text.
    """
    try:
        rows = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; expected columns t, LR, SI, AP") from error
    if rows.shape[0] < 2 or rows.shape[1] < 4 or not np.isfinite(rows[:, :4]).all():
        raise ValueError(f"{path}: {rows.shape} numbers, expected columns t (s), LR, SI, AP (mm)")
    if np.any(np.diff(rows[:, 0]) <= 0):
        raise ValueError(f"{path}: the times of column 1 do not rise")
    rows = rows[rows[:, 0] >= start_s]
    if len(rows) < 2:
        raise ValueError(f"{path}: it ends before {start_s:g} s")
    left, superior, anterior = rows[:, 1:4].T
    return Trace(rows[:, 0] - rows[0, 0], np.stack([left, -anterior, superior], axis=-1))
