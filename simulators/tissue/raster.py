"""Ellipses on points: what lies under a triangle about each, closed form along x."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.phantom import Ellipse

Real = NDArray[np.floating[Any]]
Complex = NDArray[np.complexfloating[Any, Any]]

_FINE = 8  # rows of an ellipse between two points


def smooth(ellipses: Sequence[Ellipse], x_mm: Real, y_mm: Real) -> Complex:
    """Return complex64 (y, x), each ellipse weighted by a triangle of two steps' width.

    x_mm, y_mm: evenly spaced. Exact along x, by fine rows along y.
    """
    inner = np.arange(-_FINE + 1, _FINE) / _FINE
    triangle = (1 - abs(inner)) / _FINE
    rows_mm = y_mm[:, None] + inner * (y_mm[1] - y_mm[0])
    value: Complex = np.zeros((y_mm.size, x_mm.size), np.complex64)
    for ellipse in ellipses:
        first, last = _crossings(ellipse, rows_mm.ravel())
        step_mm = float(x_mm[1] - x_mm[0])
        covered = _left_of(last, x_mm, step_mm) - _left_of(first, x_mm, step_mm)
        rows = covered.reshape(*rows_mm.shape, -1)
        value += ellipse.weight * np.einsum("i,yix->yx", triangle, rows)
    return value


def bounds(ellipses: Sequence[Ellipse]) -> tuple[Real, Real]:
    """Return the corners (x, y) of the box about all ellipses."""
    low, high = [], []
    for one in ellipses:
        turn, (a, b) = math.radians(one.angle_deg), one.semi_axes_mm
        reach = np.array(
            [
                math.hypot(a * math.cos(turn), b * math.sin(turn)),
                math.hypot(a * math.sin(turn), b * math.cos(turn)),
            ]
        )
        low.append(one.center_mm - reach)
        high.append(one.center_mm + reach)
    return np.min(low, axis=0), np.max(high, axis=0)


def _crossings(ellipse: Ellipse, y_mm: Real) -> tuple[Real, Real]:
    """Return where rows enter and leave an ellipse; the same place twice where they miss it."""
    turn, (a, b) = math.radians(ellipse.angle_deg), ellipse.semi_axes_mm
    cos, sin = math.cos(turn), math.sin(turn)
    y = y_mm - ellipse.center_mm[1]
    square = (cos / a) ** 2 + (sin / b) ** 2
    half = y * cos * sin * (a**-2 - b**-2)
    rest = y**2 * ((sin / a) ** 2 + (cos / b) ** 2) - 1
    width = np.sqrt(np.maximum(half**2 - square * rest, 0))
    middle = ellipse.center_mm[0] - half / square
    return middle - width / square, middle + width / square


def _left_of(edge_mm: Real, x_mm: Real, step_mm: float) -> Real:
    """Return how much of the triangle about each point lies left of an edge: (edge, point)."""
    u = np.clip(np.subtract.outer(edge_mm, x_mm) / step_mm, -1, 1)
    return np.asarray((0.5 + u - u * abs(u) / 2).astype(np.float32))
