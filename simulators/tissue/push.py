"""The push of focused ultrasound, seen by gradients that encode displacement (MR-ARFI)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.sequence import PROTON_HZ_PER_T
from simulators.tissue.sources import Source

Real = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Micrometres of displacement while the pulse is on, and the gradient that encodes it.

    shape: the displacement in the plane, 1 at its peak. peak_um: along the gradient.
    is_on: of the frame's index, whether the pulse plays during its encoding.
    gradient_mt_per_m, encoding_s: of the encoding lobe; its sign is that of the readout's `set`
    counter: + for even, - for odd.
    """

    shape: Source
    peak_um: float = 5.0
    is_on: Callable[[int], bool] = lambda _frame: True
    gradient_mt_per_m: float = 40.0
    encoding_s: float = 0.005

    @property
    def rad_per_um(self) -> float:
        """Phase of a micrometre with the positive lobe: γ G δ."""
        rad_per_s_t = 2 * math.pi * PROTON_HZ_PER_T
        return rad_per_s_t * self.gradient_mt_per_m * 1e-3 * self.encoding_s * 1e-6

    def displacement_um(self, x_mm: Real, y_mm: Real, *, frame: int) -> Real:
        """Return the displacement at points of rest that broadcast."""
        if not self.is_on(frame):
            return np.zeros(np.broadcast_shapes(x_mm.shape, y_mm.shape))
        return np.asarray(self.peak_um * self.shape(x_mm, y_mm, np.zeros(()), t_s=0.0))
