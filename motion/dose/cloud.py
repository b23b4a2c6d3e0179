"""Dose of a static cloud at points that move through it."""

import numpy as np
from numpy.typing import NDArray

from motion.compiled import compiled

Cloud = NDArray[np.float32]


@compiled
def received_gy(
    cloud: Cloud,
    index: NDArray[np.float32],
    shift: NDArray[np.float32],
    own_shift: NDArray[np.float32],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the weighted sum of a cloud's dose at moved points, float64 (point,).

    cloud: (z, y, x, 4) of `curved`. index: (point, 3), where each point rests, in voxels. shift:
    (place, 3), of all points, in voxels. own_shift: (place, point, 3), added for each point; or
    (place, 0, 3). weight: (place,). A cubic spline along each axis, linear across; no dose is below
    zero. A point outside the grid takes the value at its edge.
    """
    n_z, n_y, n_x, _ = cloud.shape
    top_z, top_y, top_x = np.float32(n_z - 1), np.float32(n_y - 1), np.float32(n_x - 1)
    one, sixth, none = np.float32(1), np.float32(-1 / 6), np.float32(0)
    has_own = own_shift.shape[1] > 0
    dose = np.zeros(index.shape[0])
    for k in range(shift.shape[0]):
        for n in range(index.shape[0]):
            z = index[n, 0] + shift[k, 0]
            y = index[n, 1] + shift[k, 1]
            x = index[n, 2] + shift[k, 2]
            if has_own:
                z += own_shift[k, n, 0]
                y += own_shift[k, n, 1]
                x += own_shift[k, n, 2]
            z, y, x = min(max(z, none), top_z), min(max(y, none), top_y), min(max(x, none), top_x)
            i, j, m = int(z), int(y), int(x)
            a, b, c = z - np.float32(i), y - np.float32(j), x - np.float32(m)
            total = none
            for dz in range(2):
                u, iz = (a, min(i + 1, n_z - 1)) if dz else (one - a, i)
                for dy in range(2):
                    v, iy = (b, min(j + 1, n_y - 1)) if dy else (one - b, j)
                    for dx in range(2):
                        w, ix = (c, min(m + 1, n_x - 1)) if dx else (one - c, m)
                        total += (
                            u
                            * v
                            * w
                            * (
                                cloud[iz, iy, ix, 0]
                                + sixth * (one - u * u) * cloud[iz, iy, ix, 1]
                                + sixth * (one - v * v) * cloud[iz, iy, ix, 2]
                                + sixth * (one - w * w) * cloud[iz, iy, ix, 3]
                            )
                        )
            dose[n] += weight[k] * max(total, none)
    return dose
