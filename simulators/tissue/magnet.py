"""The main field itself: a shim that is not perfect, and its slow drift, of order 0 to 2."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.floating[Any]]

EXTENT_MM = 100.0
"""Coordinates of the polynomials are x and y over this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MagnetField:
    """A polynomial in hertz over coordinates u = x / 100 mm, v = y / 100 mm.

    order1: (u, v). order2: (u², uv, v²).
    """

    order0_hz: float = 0.0
    order1_hz: tuple[float, float] = (0.0, 0.0)
    order2_hz: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def hz(self, x_mm: Real, y_mm: Real) -> Real:
        """Return the off-resonance at points that broadcast."""
        u, v = x_mm / EXTENT_MM, y_mm / EXTENT_MM
        (a, b), (uu, uv, vv) = self.order1_hz, self.order2_hz
        return np.asarray(self.order0_hz + u * (a + uu * u) + v * (b + vv * v) + uv * u * v)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDrift:
    """A field that comes with time: pattern · g(t).

    pattern: what it is after `after_s`, and g = t / after_s; with saturates_s it is what it tends
    to, and g = 1 - exp(-t / saturates_s).
    """

    pattern: MagnetField = field(default_factory=MagnetField)
    after_s: float = 2400.0
    saturates_s: float | None = None

    def share(self, t_s: float) -> float:
        """Return g."""
        if self.saturates_s is None:
            return t_s / self.after_s
        return -math.expm1(-t_s / self.saturates_s)
