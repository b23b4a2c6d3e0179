"""Structures of a plan: ellipsoids that move with the breath, each by its share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """An ellipsoid in patient LPS, where it rests.

    angle_deg turns it about L, from P towards I. share: what it makes of the target's displacement,
    for each axis; 0 stands still.
    """

    name: str
    center_mm: Vector
    semi_axes_mm: Vector
    angle_deg: float = 0.0
    share: Vector = (1.0, 1.0, 1.0)
    is_target: bool = False

    def points_mm(self, spacing_mm: float) -> Real:
        """Return a lattice (point, 3) that fills it, its middle among the points."""
        n = int(max(self.semi_axes_mm) // spacing_mm) + 1
        steps = np.arange(-n, n + 1) * spacing_mm
        offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        inside = self.reach(offsets) <= 1
        return np.asarray(offsets[inside] + self.center_mm)

    def reach(self, offsets_mm: Real, *, margin_mm: float = 0.0) -> Real:
        """Return how far offsets (…, 3) from its middle reach: 1 on the surface, above 1 outside.

        margin_mm: added to each half-axis, which is the surface at that distance but for a tenth of
        the margin where the half-axes differ by less than a half.
        """
        own = offsets_mm @ self._axes
        return np.asarray(np.linalg.norm(own / np.add(self.semi_axes_mm, margin_mm), axis=-1))

    def half_width_mm(self, direction: Real) -> float:
        """Return how far it extends from its middle along a unit vector."""
        return float(np.linalg.norm((direction @ self._axes) * self.semi_axes_mm))

    def contours_mm(self, spacing_mm: float, *, n_points: int = 72) -> list[Real]:
        """Return axial contours (n_points, 3) at multiples of the spacing along S."""
        form = (self._axes / np.square(self.semi_axes_mm)) @ self._axes.T
        inverse = np.linalg.inv(form[:2, :2])
        half_mm = self.half_width_mm(np.array([0.0, 0.0, 1.0]))
        low, high = self.center_mm[2] - half_mm, self.center_mm[2] + half_mm
        angle = 2 * np.pi * np.arange(n_points) / n_points
        circle = np.stack([np.cos(angle), np.sin(angle)])
        found = []
        for index in range(int(np.ceil(low / spacing_mm)), int(np.floor(high / spacing_mm)) + 1):
            z_mm = index * spacing_mm
            dz_mm = z_mm - self.center_mm[2]
            middle = -inverse @ form[:2, 2] * dz_mm
            left = 1 - dz_mm**2 * (form[2, 2] - form[:2, 2] @ inverse @ form[:2, 2])
            if left <= 0:
                continue
            around = np.linalg.cholesky(inverse) @ circle * np.sqrt(left)
            x_mm, y_mm = around + (middle + self.center_mm[:2])[:, None]
            found.append(np.stack([x_mm, y_mm, np.full(n_points, z_mm)], axis=-1))
        return found

    @property
    def _axes(self) -> Real:
        turn = np.deg2rad(self.angle_deg)
        return np.array(
            [[1, 0, 0], [0, np.cos(turn), np.sin(turn)], [0, -np.sin(turn), np.cos(turn)]]
        )
