"""Dose of a static cloud at points that move through it."""

import numpy as np
from numpy.typing import NDArray

from motion.compiled import compiled

Cloud = NDArray[np.float32]


@compiled
def received_gy(
    gy: Cloud,
    index: NDArray[np.float32],
    shift: NDArray[np.float32],
    own_shift: NDArray[np.float32],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the weighted sum of a cloud's dose at moved points, float64 (point,).

    gy: (z, y, x). index: (point, 3), where each point rests, in voxels. shift: (place, 3), of all
    points, in voxels. own_shift: (place, point, 3), added for each point; or (place, 0, 3).
    weight: (place,). Trilinear; a point outside the grid takes the value at its edge.
    """
    n_z, n_y, n_x = gy.shape
    top_z, top_y, top_x = np.float32(n_z - 1), np.float32(n_y - 1), np.float32(n_x - 1)
    has_own = own_shift.shape[1] > 0
    dose = np.zeros(index.shape[0])
    for k in range(shift.shape[0]):
        for n in range(index.shape[0]):
            z, y, x = (
                index[n, 0] + shift[k, 0],
                index[n, 1] + shift[k, 1],
                index[n, 2] + shift[k, 2],
            )
            if has_own:
                z += own_shift[k, n, 0]
                y += own_shift[k, n, 1]
                x += own_shift[k, n, 2]
            z = min(max(z, np.float32(0)), top_z)
            y = min(max(y, np.float32(0)), top_y)
            x = min(max(x, np.float32(0)), top_x)
            i, j, m = int(z), int(y), int(x)
            i1, j1, m1 = min(i + 1, n_z - 1), min(j + 1, n_y - 1), min(m + 1, n_x - 1)
            a, b, c = z - i, y - j, x - m
            low = (1 - b) * ((1 - c) * gy[i, j, m] + c * gy[i, j, m1]) + b * (
                (1 - c) * gy[i, j1, m] + c * gy[i, j1, m1]
            )
            high = (1 - b) * ((1 - c) * gy[i1, j, m] + c * gy[i1, j, m1]) + b * (
                (1 - c) * gy[i1, j1, m] + c * gy[i1, j1, m1]
            )
            dose[n] += weight[k] * ((1 - a) * low + a * high)
    return dose
