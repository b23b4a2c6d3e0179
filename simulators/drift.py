"""Field drift: a phase that grows with time, of order 0, 1 and 2 in space."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drift:
    """Drift rates as apparent temperature per second.

    order1_c_per_s: (x, y); order2_c_per_s: (xx, xy, yy); over coordinates that run from -1 to 1
    across the field of view.
    """

    order0_c_per_s: float = 0.0
    order1_c_per_s: tuple[float, float] = (0.0, 0.0)
    order2_c_per_s: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def is_flat(self) -> bool:
        """Whether the drift is the same everywhere."""
        return not any(self.order1_c_per_s) and not any(self.order2_c_per_s)

    def slope_c_per_s_mm(self, fov_mm: tuple[float, float]) -> tuple[float, float]:
        """Return the linear part per mm, (x, y)."""
        x, y = self.order1_c_per_s
        return x / (fov_mm[0] / 2), y / (fov_mm[1] / 2)

    def curvature_c_per_s(self, x: Real, y: Real) -> Real:
        """Return the quadratic part at coordinates from -1 to 1."""
        xx, xy, yy = self.order2_c_per_s
        return xx * x**2 + xy * x * y + yy * y**2

    def pattern_c_per_s(self, x: Real, y: Real) -> Real:
        """Return orders 1 and 2 together at coordinates from -1 to 1."""
        along, across = self.order1_c_per_s
        return along * x + across * y + self.curvature_c_per_s(x, y)
