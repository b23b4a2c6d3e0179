"""A dose cloud whose linear interpolation is right on average, not only at the voxels."""

from dataclasses import replace

import numpy as np

from motion.dose.plan import DoseCloud

ANYWHERE = (1 / 12, 1 / 12, 1 / 12)  # the mean of s (1 - s) / 2 over all places s between voxels


def sharpened(cloud: DoseCloud, share: tuple[float, float, float] = ANYWHERE) -> DoseCloud:
    """Return the cloud to interpolate from at points that lie anywhere between the voxels.

    share: by axis (z, y, x), of the second differences, the mean of s (1 - s) / 2 of the points'
    places s between the voxels, 0 to 1.

    Linear interpolation blurs: between voxels a step h apart it is h²/8 of the second derivative
    off, on average h²/12, always to one side, so that motion does not average it out: at 2.5 mm
    0.5 % of a target's dose, and 8 % of what lies 7 mm outside a field of steep edges. A twelfth of
    the second differences taken off beforehand leaves none on average and two thirds at most
    (Condat, Blu and Unser 2005, "Beyond interpolation: optimal reconstruction by
    quasi-interpolation"). Ramps stay as they are, and so do the voxels at the grid's faces.
    """
    gy = cloud.gy.copy()
    for axis in range(gy.ndim):
        if gy.shape[axis] < 3:
            continue
        part = np.float32(share[axis])
        along = np.moveaxis(cloud.gy, axis, 0)
        inner = np.moveaxis(gy, axis, 0)[1:-1]
        inner -= part * (along[2:] - 2 * along[1:-1] + along[:-2])
    return replace(cloud, gy=np.maximum(gy, np.float32(0)))
