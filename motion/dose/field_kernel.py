"""Displacement of points by the field of one image, beside that of the target."""

import math

import numpy as np
from numpy.typing import NDArray

from motion.compiled import compiled

Real = NDArray[np.float64]


@compiled
def own_shift(
    points: Real,
    position: Real,
    axes: Real,
    pixel: Real,
    field: NDArray[np.float32],
    at: Real,
    half_thickness: float,
    fade: float,
) -> Real:
    """Return by how much each point moves beside `at`, float64 (point, 3), mm LPS.

    points: (point, 3) LPS. position, axes: of the image; axes (3, 3) are slice, phase and read
    direction. pixel: (y, x) mm. field: (2, y, x) mm, displacement (y, x). at: (3,) LPS, that of the
    target, whose part in the plane the field replaces. Zero outside the image and farther
    from the slice than half_thickness + fade; NaN in the field counts as no field.
    """
    _, n_y, n_x = field.shape
    moved = np.zeros(points.shape)
    target_y = axes[1, 0] * at[0] + axes[1, 1] * at[1] + axes[1, 2] * at[2]
    target_x = axes[2, 0] * at[0] + axes[2, 1] * at[1] + axes[2, 2] * at[2]
    for n in range(points.shape[0]):
        a, b, c = (
            points[n, 0] - position[0],
            points[n, 1] - position[1],
            points[n, 2] - position[2],
        )
        away = abs(axes[0, 0] * a + axes[0, 1] * b + axes[0, 2] * c) - half_thickness
        weight = min(1.0, 1.0 - away / fade)
        y = (axes[1, 0] * a + axes[1, 1] * b + axes[1, 2] * c) / pixel[0] + n_y // 2
        x = (axes[2, 0] * a + axes[2, 1] * b + axes[2, 2] * c) / pixel[1] + n_x // 2
        if weight <= 0 or y < 0 or y > n_y - 1 or x < 0 or x > n_x - 1:
            continue
        i, j = min(int(y), n_y - 2), min(int(x), n_x - 2)
        s, t = y - i, x - j
        off_y = (1 - s) * ((1 - t) * field[0, i, j] + t * field[0, i, j + 1]) + s * (
            (1 - t) * field[0, i + 1, j] + t * field[0, i + 1, j + 1]
        )
        off_x = (1 - s) * ((1 - t) * field[1, i, j] + t * field[1, i, j + 1]) + s * (
            (1 - t) * field[1, i + 1, j] + t * field[1, i + 1, j + 1]
        )
        off_y, off_x = weight * (off_y - target_y), weight * (off_x - target_x)
        if math.isnan(off_y) or math.isnan(off_x):
            continue
        for k in range(3):
            moved[n, k] = off_y * axes[1, k] + off_x * axes[2, k]
    return moved
