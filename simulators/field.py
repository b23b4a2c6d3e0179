"""A main field that is off: offset, drift and slope, all exact in k-space."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Field:
    """Off-resonance f = offset + drift · t + slope · r; the phase is 2π f · time since excitation.

    slope_hz_per_mm: (x, y).
    """

    offset_hz: float = 0.0
    drift_hz_per_s: float = 0.0
    slope_hz_per_mm: tuple[float, float] = (0.0, 0.0)

    def shifted(self, k_per_mm: Real, since_excitation_s: Real | float) -> Real:
        """Return positions (sample, 3) as the slope moves them."""
        moved = k_per_mm.copy()
        moved[:, 0] -= self.slope_hz_per_mm[0] * np.asarray(since_excitation_s)
        moved[:, 1] -= self.slope_hz_per_mm[1] * np.asarray(since_excitation_s)
        return moved

    def turn(self, since_excitation_s: Real | float, *, t_s: float) -> Complex:
        """Return the phase factor of offset and drift at a scanner time."""
        cycles = (self.offset_hz + self.drift_hz_per_s * t_s) * np.asarray(since_excitation_s)
        return np.asarray(np.exp(2j * np.pi * cycles))

    def image_turn(self, x_mm: Real, y_mm: Real, *, echo_time_s: float, t_s: float) -> Complex:
        """Return the phase factor of an image at one echo time."""
        slope = self.slope_hz_per_mm[0] * x_mm + self.slope_hz_per_mm[1] * y_mm
        return np.asarray(
            self.turn(echo_time_s, t_s=t_s) * np.exp(2j * np.pi * slope * echo_time_s)
        )
