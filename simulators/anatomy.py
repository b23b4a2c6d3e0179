"""k-space of the unheated, drifting head, line by line."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.coils import Coils
from simulators.drift import Drift
from simulators.phantom import Ellipse, image, kspace
from simulators.sequence import GradientEcho

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

_FINE_MM = 0.53  # grid of the quadratic part only; shares no multiple with any pixel size in use


class Anatomy:
    """The head's k-space (coil, ky, kx) at any time of a drift that is linear in time.

    Order 0 turns every sample; order 1 shifts k-space, in closed form; order 2 adds the forward sum
    of what it changes over a fine grid. The drift of order 1 and 2 is computed at Chebyshev nodes
    of time and interpolated: with a swing of s rad the error is below (s/2)^n / (2^(n-1) n!).
    Scaled so that the plain inverse FFT gives the object's own values.
    """

    def __init__(
        self,
        ellipses: Sequence[Ellipse],
        coils: Coils,
        sequence: GradientEcho,
        *,
        drift: Drift,
        rad_per_c: float,
        duration_s: float,
    ) -> None:
        self._ellipses, self._coils, self._sequence = ellipses, coils, sequence
        self._drift, self._rad_per_c = drift, rad_per_c
        swing = 0.0 if drift.is_flat else self._swing_rad(duration_s)
        self._nodes_s = _chebyshev_s(_n_nodes(swing), duration_s)
        self._frames = np.stack([self._kspace_at(t) for t in self._nodes_s]).astype(np.complex64)

    def line(self, row: int, t_s: float) -> NDArray[np.complex64]:
        """Return one line (coil, sample) at a time, drift included."""
        weights = _lagrange(self._nodes_s, t_s)
        turn = np.exp(1j * self._rad_per_c * self._drift.order0_c_per_s * t_s)
        weighted = (weights * turn).astype(np.complex64)
        return np.asarray(np.tensordot(weighted, self._frames[:, :, row], axes=1))

    def _swing_rad(self, duration_s: float) -> float:
        corners = np.array([-1.0, 0.0, 1.0])
        pattern = self._drift.pattern_c_per_s(corners[None, :], corners[:, None])
        return float(np.ptp(pattern)) * abs(self._rad_per_c) * duration_s

    def _kspace_at(self, t_s: float) -> Complex:
        sequence, turn = self._sequence, self._rad_per_c * t_s / (2 * np.pi)
        slope_x, slope_y = self._drift.slope_c_per_s_mm(sequence.fov_mm)
        fx, fy = sequence.fx_per_mm - turn * slope_x, sequence.fy_per_mm - turn * slope_y

        def still(at_x: Real, at_y: Real) -> Complex:
            return kspace(self._ellipses, at_x, at_y)

        value = self._coils.kspace(still, fx, fy)
        if any(self._drift.order2_c_per_s) and t_s:
            value += self._curved(fx, fy, t_s)
        return value / (sequence.pixel_mm[0] * sequence.pixel_mm[1])

    def _curved(self, fx: Real, fy: Real, t_s: float) -> Complex:
        fov_x, fov_y = self._sequence.fov_mm
        x_mm = np.arange(-fov_x / 2, fov_x / 2, _FINE_MM) + 0.31 * _FINE_MM
        y_mm = np.arange(-fov_y / 2, fov_y / 2, _FINE_MM) + 0.31 * _FINE_MM
        x, y = x_mm[None, :], y_mm[:, None]
        curvature = self._drift.curvature_c_per_s(2 * x / fov_x, 2 * y / fov_y)
        change = np.exp(1j * self._rad_per_c * t_s * curvature) - 1
        change = change * image(self._ellipses, x, y) * _FINE_MM**2
        along_y = np.exp(-2j * np.pi * np.outer(fy, y_mm))
        along_x = np.exp(-2j * np.pi * np.outer(x_mm, fx))
        return np.stack([along_y @ (change * s) @ along_x for s in self._coils.sensitivity(x, y)])


def _n_nodes(swing_rad: float) -> int:
    n, error = 1, swing_rad / 2
    while error > 1e-6:
        n += 1
        error *= swing_rad / 2 / (2 * n)
    return n


def _chebyshev_s(n: int, duration_s: float) -> Real:
    angles = (2 * np.arange(n) + 1) * np.pi / (2 * n)
    return np.asarray(duration_s / 2 * (1 - np.cos(angles)) if n > 1 else np.zeros(1))


def _lagrange(nodes: Real, at: float) -> Real:
    return np.array(
        [
            np.prod([(at - other) / (node - other) for other in nodes if other != node])
            for node in nodes
        ]
    )
