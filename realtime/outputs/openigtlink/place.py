"""Where a picture's pixels and the target are, in the coordinates of OpenIGTLink: RAS, mm."""

import numpy as np

from messages import Maps
from realtime.outputs.openigtlink.encoder import Matrix

_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


def voxel_to_ras(maps: Maps) -> Matrix:
    """Return (4, 4): from the middle of voxel (x, y, z) of a frame's arrays to RAS in mm.

    Pixel n // 2 of each axis lies at the pose's position (LPS), as in `realtime/regions.py`.
    """
    counts = np.array(maps.magnitude.shape[::-1])
    pose, matrix = maps.pose, np.eye(4)
    axes = np.array([pose.read_dir, pose.phase_dir, pose.slice_dir]).T
    steps_mm = axes * (np.array(maps.fov_mm) / counts)
    first_mm = np.array(pose.position_mm) - steps_mm @ (counts // 2)
    matrix[:3, :3] = _LPS_TO_RAS[:, np.newaxis] * steps_mm
    matrix[:3, 3] = _LPS_TO_RAS * first_mm
    return matrix


def shift_of(displacement_lps_mm: tuple[float, float, float]) -> Matrix:
    """Return (4, 4): from where tissue was in the reference image to where it is, RAS in mm."""
    matrix = np.eye(4)
    matrix[:3, 3] = _LPS_TO_RAS * displacement_lps_mm
    return matrix
