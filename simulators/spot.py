"""A focus whose temperature is prescribed, in any sequence: its phase, summed over a fine patch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.coils import Coils
from simulators.heating import GRID_MM, patch_axis, smooth_edges
from simulators.phantom import Ellipse

Real = NDArray[np.float64]

_REACH_FWHM = 2.2  # beyond it a Gaussian is below 2e-6 of its peak
_SHARPNESS = 4 * np.log(2)


@dataclass(frozen=True, slots=True)
class HeatedSpot:
    """A Gaussian rise of temperature in the image plane.

    center_mm, fwhm_mm: (x, y). peak_c: °C above body temperature at its centre, of the frame's
    index and the scanner time; see `per_frame` and `ramp`.
    evolves: whether the phase grows from readout to readout of an echo train, as heat's own
        off-resonance makes it (it shifts a focus along EPI's phase encoding); otherwise all have
        the phase of the echo time. Within a readout it never grows.
    """

    center_mm: tuple[float, float]
    fwhm_mm: tuple[float, float]
    peak_c: Callable[[int, float], float]
    evolves: bool = False

    def shape(self, x_mm: Real, y_mm: Real) -> Real:
        """Return the rise relative to its peak at points that broadcast."""
        x = (x_mm - self.center_mm[0]) / self.fwhm_mm[0]
        y = (y_mm - self.center_mm[1]) / self.fwhm_mm[1]
        return np.asarray(np.exp(-_SHARPNESS * (x**2 + y**2)))


def per_frame(*rises_c: float) -> Callable[[int, float], float]:
    """Return a rise that is constant within a frame; the last value holds on."""
    return lambda frame, _t_s: rises_c[min(frame, len(rises_c) - 1)]


def ramp(c_per_s: float, *, start_s: float = 0.0) -> Callable[[int, float], float]:
    """Return a rise that grows from readout to readout."""
    return lambda _frame, t_s: c_per_s * max(0.0, t_s - start_s)


class SpotPatch:
    """What a spot adds to k-space: object · coil · (exp(iφ) - 1), a direct sum at any positions."""

    def __init__(self, spot: HeatedSpot, ellipses: Sequence[Ellipse], coils: Coils) -> None:
        (x0, y0), (wide, high) = spot.center_mm, spot.fwhm_mm
        self._x_mm = patch_axis(x0, _REACH_FWHM * wide)
        self._y_mm = patch_axis(y0, _REACH_FWHM * high)
        x, y = self._x_mm[None, :], self._y_mm[:, None]
        self._shape = spot.shape(x, y)
        solid = smooth_edges(ellipses, self._x_mm, self._y_mm) * GRID_MM**2
        self._seen = (coils.sensitivity(x, y) * solid).astype(np.complex64)

    def samples(self, k_per_mm: Real, *, peak_rad: float) -> NDArray[np.complex64]:
        """Return what heat adds (coil, sample) in mm² at positions k (sample, 2 or more)."""
        change = self._seen * (np.exp(1j * peak_rad * self._shape) - 1).astype(np.complex64)
        along_x = np.exp(-2j * np.pi * np.outer(self._x_mm, k_per_mm[:, 0])).astype(np.complex64)
        along_y = np.exp(-2j * np.pi * np.outer(self._y_mm, k_per_mm[:, 1])).astype(np.complex64)
        return np.asarray(((change @ along_x) * along_y).sum(axis=1))
