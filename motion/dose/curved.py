"""A dose cloud with its curvature, so that it can be interpolated between voxels by cubics."""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg


def curved(gy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return dose and, along each axis, the second derivative of its cubic spline, (z, y, x, 4).

    gy: (z, y, x). Derivatives are per voxel², those of natural splines: none at the grid's faces.
    Linear interpolation alone blurs: at 2.5 mm it told 0.5 % too little of a target's dose and 8 %
    too much of what lies 7 mm outside a field of steep edges, and motion does not average it out.
    """
    told = np.zeros((*gy.shape, 4), np.float32)
    told[..., 0] = gy
    for axis, n in enumerate(gy.shape):
        if n < 3:
            continue
        along = np.moveaxis(gy, axis, 0)
        differences = (along[2:] - 2 * along[1:-1] + along[:-2]).reshape(n - 2, -1)
        # (m[i-1] + 4 m[i] + m[i+1]) / 6 = second difference (de Boor 1978, natural cubic spline)
        bands = np.repeat(np.array([[1 / 6], [2 / 3], [1 / 6]], np.float32), n - 2, axis=1)
        second = linalg.solve_banded((1, 1), bands, differences, check_finite=False)
        np.moveaxis(told[..., axis + 1], axis, 0)[1:-1] = second.reshape(n - 2, *along.shape[1:])
    return told
