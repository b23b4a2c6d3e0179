"""What heat adds to k-space: a forward sum over a fine patch around the focus."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.coils import Coils
from simulators.drift import Drift
from simulators.phantom import Ellipse, image
from simulators.sequence import GradientEcho

Real = NDArray[np.float64]

GRID_MM = 0.4  # 240/128 and 200/160 mm pixels are no multiple of it
_GRID_OFFSET = 0.37  # the focus lies on no grid point
_SUPERSAMPLING = 5  # anti-aliases ellipse edges that cross the patch


class HeatedPatch:
    """Adds object · coil · (exp(iφ) - 1) of a rectangle to a k-space line.

    half_width_mm: (x, y). The sum over y comes first, since ky is fixed in a line.
    """

    def __init__(
        self,
        ellipses: Sequence[Ellipse],
        coils: Coils,
        sequence: GradientEcho,
        *,
        drift: Drift,
        rad_per_c: float,
        center_mm: tuple[float, float],
        half_width_mm: tuple[float, float],
    ) -> None:
        self.x_mm = patch_axis(center_mm[0], half_width_mm[0])
        self.y_mm = patch_axis(center_mm[1], half_width_mm[1])
        x, y = self.x_mm[None, :], self.y_mm[:, None]
        area = GRID_MM**2 / (sequence.pixel_mm[0] * sequence.pixel_mm[1])
        self.object = smooth_edges(ellipses, self.x_mm, self.y_mm) * area
        seen = coils.sensitivity(x, y) * self.object
        self._seen = seen.astype(np.complex64)
        self._drift_c_per_s = drift.pattern_c_per_s(
            2 * x / sequence.fov_mm[0], 2 * y / sequence.fov_mm[1]
        ).astype(np.float32)
        self._order0_c_per_s, self._is_flat = drift.order0_c_per_s, drift.is_flat
        self._rad_per_c = np.float32(rad_per_c)
        turns_x = np.outer(self.x_mm, sequence.fx_per_mm)
        turns_y = np.outer(sequence.fy_per_mm, self.y_mm)
        self._along_x = np.exp(-2j * np.pi * turns_x).astype(np.complex64)
        self._along_y = np.exp(-2j * np.pi * turns_y).astype(np.complex64)

    def line(self, row: int, t_s: float, *, rise_c: Real) -> NDArray[np.complex64]:
        """Return what heat adds to a line (coil, sample); rise_c (y, x) on the patch."""
        change = _turn(self._rad_per_c * rise_c.astype(np.float32)) - np.float32(1)
        if not self._is_flat:
            change *= _turn(self._rad_per_c * np.float32(t_s) * self._drift_c_per_s)
        order0 = np.exp(1j * float(self._rad_per_c) * self._order0_c_per_s * t_s)
        change *= (self._along_y[row] * np.complex64(order0))[:, None]
        columns = np.einsum("cyx,yx->cx", self._seen, change)
        return np.asarray(columns @ self._along_x)


def patch_axis(center_mm: float, half_width_mm: float) -> Real:
    """Return a fine axis about a centre that lies on none of its points."""
    n = int(half_width_mm / GRID_MM)
    return np.asarray(center_mm + (np.arange(-n, n + 1) + _GRID_OFFSET) * GRID_MM)


def smooth_edges(ellipses: Sequence[Ellipse], x_mm: Real, y_mm: Real) -> NDArray[np.complex128]:
    """Return the object (y, x) averaged over the fine grid's cells."""
    inner = ((np.arange(_SUPERSAMPLING) + 0.5) / _SUPERSAMPLING - 0.5) * GRID_MM
    x, y = (x_mm[:, None] + inner).ravel(), (y_mm[:, None] + inner).ravel()
    fine = image(ellipses, x[None, :], y[:, None])
    blocks = fine.reshape(len(y_mm), _SUPERSAMPLING, len(x_mm), _SUPERSAMPLING)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _turn(angle_rad: NDArray[np.float32]) -> NDArray[np.complex64]:
    turn = np.empty(angle_rad.shape, np.complex64)
    np.cos(angle_rad, out=turn.real)  # twice as fast as a complex exponential
    np.sin(angle_rad, out=turn.imag)
    return turn
