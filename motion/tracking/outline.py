"""Where a deformed structure lies on the pixels of the image."""

import numpy as np
from numpy.typing import NDArray

from motion.compiled import compiled
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
            if y < 0.0 or x < 0.0 or y > n_y - 1.0 or x > n_x - 1.0:
                continue
            r, c = min(int(y), n_y - 2), min(int(x), n_x - 2)
            s, t = y - r, x - c
            above = (1.0 - t) * depth[r, c] + t * depth[r, c + 1]
            below = (1.0 - t) * depth[r + 1, c] + t * depth[r + 1, c + 1]
            inside[row, column] = (1.0 - s) * above + s * below > 0.0
    return inside
