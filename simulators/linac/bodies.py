"""Ellipsoids that move with the target, each by its share, and what a slice cuts out of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.phantom import Ellipse
from simulators.sequences.plane import Plane

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Body:
    """A uniform ellipsoid that adds `weight` wherever it lies.

    center_mm, semi_axes_mm: (L, P, S), from the anatomy's origin. angle_deg turns it about L, from
    P towards I (clockwise as a sagittal picture shows it, front to the left).
    share: what it makes of the target's displacement, for each axis; 0 stands still.
    """

    weight: complex
    center_mm: Vector
    semi_axes_mm: Vector
    angle_deg: float = 0.0
    share: Vector = (0.0, 0.0, 0.0)

    @property
    def moves(self) -> bool:
        """Whether it moves at all."""
        return any(self.share)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Ellipses in a slice: {center + size · shape u, |u| ≤ 1}, (x, y) in mm from its centre.

    centers_mm (body, 2); sizes (body,), 0 where the slice misses the body; shapes_mm (body, 2, 2).
    """

    centers_mm: Real
    sizes: Real
    shapes_mm: Real

    def of(self, which: NDArray[np.bool_]) -> "Cut":
        """Return some of the ellipses."""
        return Cut(self.centers_mm[which], self.sizes[which], self.shapes_mm[which])

    @property
    def areas_mm2(self) -> Real:
        """Area of each."""
        return np.asarray(np.pi * abs(np.linalg.det(self.shapes_mm)) * self.sizes**2)

    def contour_mm(self, index: int, n_points: int = 128) -> Real:
        """Return points (n, 2) around one of them."""
        angle = 2 * np.pi * np.arange(n_points) / n_points
        around = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        around = around @ self.shapes_mm[index].T
        return np.asarray(self.centers_mm[index] + self.sizes[index] * around)

    def holds(self, index: int, x_mm: Real, y_mm: Real) -> NDArray[np.bool_]:
        """Return which of points that broadcast lie in one of them."""
        if self.sizes[index] == 0:
            return np.zeros(np.broadcast_shapes(x_mm.shape, y_mm.shape), bool)
        inverse = np.linalg.inv(self.shapes_mm[index] * self.sizes[index])
        x, y = x_mm - self.centers_mm[index, 0], y_mm - self.centers_mm[index, 1]
        u, v = (row[0] * x + row[1] * y for row in inverse)
        return np.asarray(u**2 + v**2 <= 1)


class Cutter:
    """Cuts ellipsoids by a plane through the anatomy's origin plus `origin_mm`.

    With (r - c)ᵀ A (r - c) ≤ 1 and r = p + x u + y v, a slice meets an ellipse of matrix
    M = [u v]ᵀ A [u v]; where it lies and how large it is changes as the body moves, M does not.
    """

    def __init__(self, bodies: Sequence[Body], plane: Plane, *, origin_mm: Vector) -> None:
        axes = np.array([plane.read_dir, plane.phase_dir], np.float64)
        forms = np.stack([_form(body) for body in bodies])
        inside = axes @ forms @ axes.T
        self._inverse = np.linalg.inv(inside)
        self._across = axes @ forms
        self._forms = forms
        self._rest_mm = np.array([body.center_mm for body in bodies], np.float64)
        self._offset_mm = np.subtract(plane.position_mm, origin_mm)
        self._shares = np.array([body.share for body in bodies], np.float64)
        # L Lᵀ = M⁻¹: maps the unit disc on the ellipse
        self._shapes = np.linalg.cholesky(self._inverse)

    def at(self, displacement_mm: Real) -> Cut:
        """Return the cut when the target is displaced by so much (LPS)."""
        to_plane = self._offset_mm - (self._rest_mm + self._shares * displacement_mm)
        along = np.einsum("bij,bj->bi", self._across, to_plane)
        centers = -np.einsum("bij,bj->bi", self._inverse, along)
        rest = 1 - np.einsum("bi,bij,bj->b", to_plane, self._forms, to_plane)
        rest = rest - np.einsum("bi,bi->b", along, centers)
        return Cut(centers, np.sqrt(np.maximum(rest, 0)), self._shapes)


def ellipses_of(bodies: Sequence[Body], cut: Cut) -> tuple[Ellipse, ...]:
    """Return a cut as ellipses with semi-axes and angle."""
    found = []
    for body, center, size, shape in zip(
        bodies, cut.centers_mm, cut.sizes, cut.shapes_mm, strict=True
    ):
        axes, lengths, _ = np.linalg.svd(shape)
        if size > 0:
            angle_deg = float(np.rad2deg(np.arctan2(axes[1, 0], axes[0, 0])))
            x, y = map(float, center)
            a, b = map(float, lengths * size)
            found.append(Ellipse(body.weight, (x, y), (a, b), angle_deg))
    return tuple(found)


def _form(body: Body) -> Real:
    turn = np.deg2rad(body.angle_deg)
    # columns: the body's own axes; the second from P towards I, the third from S towards P
    axes = np.array(
        [[1, 0, 0], [0, np.cos(turn), np.sin(turn)], [0, -np.sin(turn), np.cos(turn)]], np.float64
    )
    scaled = axes / np.array(body.semi_axes_mm)
    return np.asarray(scaled @ scaled.T)
