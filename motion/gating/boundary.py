"""How much of a moved and deformed shape lies outside a boundary that stands still."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motion.gating.outline import outline

Places = NDArray[np.float32]
Matrix = tuple[tuple[float, float], tuple[float, float]]

RIGID: Matrix = ((1.0, 0.0), (0.0, 1.0))
MOST_POINTS = 700  # of a shape: its share is then known to 0.2 % of its area


@dataclass(frozen=True, slots=True, eq=False)
class Boundary:
    """A line about a region at a margin; how much of what lies at a place is outside of it.

    outside: float32 (fine y, fine x), 0 inside to 1 outside, over the width that a point of a shape
        stands for. first_mm, step_mm: as in `Outline`.
    """

    outside: NDArray[np.float32]
    first_mm: tuple[float, float]
    step_mm: tuple[float, float]

    def indices(self, y_mm: Places, x_mm: Places) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the nearest row and column of places; beyond the map the outermost ones."""
        n_y, n_x = self.outside.shape
        row = np.rint((y_mm - self.first_mm[0]) / self.step_mm[0])
        column = np.rint((x_mm - self.first_mm[1]) / self.step_mm[1])
        return (
            np.clip(row, 0, n_y - 1).astype(np.int32),
            np.clip(column, 0, n_x - 1).astype(np.int32),
        )

    def percent(self, at_mm: Places) -> float:
        """Return how many of the points (point, 2) lie outside, percent."""
        row, column = self.indices(at_mm[:, 0], at_mm[:, 1])
        return 100.0 * float(self.outside[row, column].mean())


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What moves: points of a region, each of the same area.

    points_mm: (point, 2), place in the reference. pixels: (point,), of the nearest pixel in the
    flat image. centre_mm: (y, x), the centroid that displacement and matrix are about.
    """

    points_mm: Places
    pixels: NDArray[np.intp]
    centre_mm: Places

    def moved(
        self,
        displacement_mm: tuple[float, float],
        *,
        matrix: Matrix = RIGID,
        field_mm: NDArray[np.float32] | None = None,
    ) -> Places:
        """Return where the points are (point, 2): by the field where there is one.

        Their area changes with them: the share of the shape is one of its tissue.
        """
        if field_mm is not None:
            return self.points_mm + field_mm.reshape(2, -1)[:, self.pixels].T
        offset = (self.points_mm - self.centre_mm) @ np.array(matrix, np.float32).T
        moved = offset + self.centre_mm + np.array(displacement_mm, np.float32)
        return moved.astype(np.float32, copy=False)


def boundary(
    mask: NDArray[np.bool_], pixel_mm: tuple[float, float], *, margin_mm: float, soft_mm: float
) -> Boundary:
    """Return the boundary at a margin about a mask (y, x); soft_mm: width of a shape's point."""
    line = outline(mask, pixel_mm, around_mm=margin_mm + soft_mm)
    beyond_mm = line.distance_mm() - np.float32(margin_mm)
    outside = np.clip(np.float32(0.5) + beyond_mm / np.float32(soft_mm), 0.0, 1.0)
    return Boundary(outside.astype(np.float32), line.first_mm, line.step_mm)


def shape(mask: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> Shape:
    """Return a mask (y, x) as points."""
    points_mm = outline(mask, pixel_mm).points_mm(MOST_POINTS)
    size_mm = np.array(pixel_mm)
    nearest = np.clip(np.rint(points_mm / size_mm), 0, np.array(mask.shape) - 1).astype(np.intp)
    pixels = nearest[:, 0] * mask.shape[1] + nearest[:, 1]
    centre_mm = (np.argwhere(mask).mean(axis=0) * size_mm).astype(np.float32)
    return Shape(points_mm, pixels, centre_mm)


def point_width_mm(mask: NDArray[np.bool_], pixel_mm: tuple[float, float], points: int) -> float:
    """Return the side of the square that each of so many points of a mask stands for."""
    return float(np.sqrt(np.count_nonzero(mask) * pixel_mm[0] * pixel_mm[1] / points))


def outside_percent(
    line: Boundary,
    moving: Shape,
    displacement_mm: tuple[float, float],
    *,
    matrix: Matrix = RIGID,
    field_mm: NDArray[np.float32] | None = None,
) -> float:
    """Return how much of a moved shape's tissue lies outside the boundary, percent."""
    at_mm = moving.moved(displacement_mm, matrix=matrix, field_mm=field_mm)
    return line.percent(at_mm)
