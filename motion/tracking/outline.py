"""Where a deformed structure lies on the pixels of the image."""

import numpy as np
from numpy.typing import NDArray

from motion.compiled import compiled, inner
from motion.tracking.structure import MARGIN_PX, Structure

Real = NDArray[np.float64]


def moved_mask(structure: Structure, shift_px: Real, matrix: Real) -> NDArray[np.bool_]:
    """Return the mask, bool (y, x), after x ↦ centroid + shift + matrix · (x - centroid).

    A pixel belongs to it where the reference's signed distance, at the point that it came from,
    is positive. A matrix that turns the tissue inside out leaves nothing.
    """
    determinant = float(np.linalg.det(matrix))
    if not (determinant > 0.0 and np.isfinite(shift_px).all()):
        return np.zeros(structure.mask.shape, np.bool_)
    box = structure.box
    reach = abs(matrix) @ (np.array([box.height, box.width]) / 2.0 + MARGIN_PX)
    centre = np.asarray(structure.centroid_px) + shift_px
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach) + 1, structure.mask.shape).astype(int)
    mask = np.zeros(structure.mask.shape, np.bool_)
    if (high <= low).any():
        return mask
    mask[low[0] : high[0], low[1] : high[1]] = _inside(
        structure.depth_px,
        np.asarray(np.linalg.inv(matrix), np.float64),
        tuple(low - centre),
        structure.corner_px,
        tuple(high - low),
    )
    return mask


def flowed_mask(structure: Structure, field_px: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the mask, bool (y, x), after x ↦ x + field(x); field: float32 (2, y, x) of the box."""
    box = structure.box
    mask = np.zeros(structure.mask.shape, np.bool_)
    inside = structure.depth_px > 0.0
    rows, columns = np.nonzero(inside)
    ends = np.array([rows + box.top, columns + box.left]) + field_px[:, inside]
    if not np.isfinite(ends).all():
        return mask
    low = np.maximum(np.floor(ends.min(axis=1)) - 2, 0).astype(int)
    high = np.minimum(np.ceil(ends.max(axis=1)) + 3, mask.shape).astype(int)
    if (high > low).all():
        mask[low[0] : high[0], low[1] : high[1]] = _inside_flow(
            structure.depth_px,
            field_px,
            (float(low[0] - box.top), float(low[1] - box.left)),
            tuple(high - low),
            (float(field_px[0][inside].mean()), float(field_px[1][inside].mean())),
        )
    return mask


@inner
def _between(picture: NDArray[np.float32], y: float, x: float) -> float:
    """Return a picture between its pixels, bilinear; beyond the border its rim goes on."""
    n_y, n_x = picture.shape
    y, x = min(max(y, 0.0), n_y - 1.0), min(max(x, 0.0), n_x - 1.0)
    r, c = min(int(y), n_y - 2), min(int(x), n_x - 2)
    s, t = y - r, x - c
    above = (1.0 - t) * picture[r, c] + t * picture[r, c + 1]
    below = (1.0 - t) * picture[r + 1, c] + t * picture[r + 1, c + 1]
    value: float = (1.0 - s) * above + s * below
    return value


@compiled
def _inside_flow(
    depth: NDArray[np.float32],
    field: NDArray[np.float32],
    first: tuple[float, float],
    size: tuple[int, int],
    start: tuple[float, float],
) -> NDArray[np.bool_]:
    """Return bool (y, x) of `size`: the depth is positive where x + field(x) is the pixel."""
    inside = np.zeros(size, np.bool_)
    n_y, n_x = depth.shape
    for row in range(size[0]):
        for column in range(size[1]):
            y, x = row + first[0] - start[0], column + first[1] - start[1]
            for _ in range(6):
                move_y, move_x = _between(field[0], y, x), _between(field[1], y, x)
                y, x = row + first[0] - move_y, column + first[1] - move_x
            if 0.0 <= y <= n_y - 1.0 and 0.0 <= x <= n_x - 1.0:
                inside[row, column] = _between(depth, y, x) > 0.0
    return inside


@compiled
def _inside(
    depth: NDArray[np.float32],
    back: Real,
    first: tuple[float, float],
    corner: tuple[float, float],
    size: tuple[int, int],
) -> NDArray[np.bool_]:
    """Return bool (y, x) of `size`: the depth, bilinear, is positive at back · offset."""
    inside = np.zeros(size, np.bool_)
    n_y, n_x = depth.shape
    for row in range(size[0]):
        for column in range(size[1]):
            oy, ox = row + first[0], column + first[1]
            y = back[0, 0] * oy + back[0, 1] * ox - corner[0]
            x = back[1, 0] * oy + back[1, 1] * ox - corner[1]
            if 0.0 <= y <= n_y - 1.0 and 0.0 <= x <= n_x - 1.0:
                inside[row, column] = _between(depth, y, x) > 0.0
    return inside
