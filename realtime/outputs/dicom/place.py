"""Where an image's voxels lie in the patient, as DICOM says it.

As in `realtime.regions`: pixel n // 2 of each axis lies at the pose's position; x runs along
read_dir, y along phase_dir, z along slice_dir, all in patient LPS.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.valuerep import format_number_as_ds

from messages import Maps, MonitorError

_UNEVEN = 1e-3  # scanners send float32 directions


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """corner_mm: (z, 3), the centre of each plane's first voxel, ImagePositionPatient.

    along: direction of a row, x, then that of a column, y: ImageOrientationPatient.
    spacing_mm: (y, x), PixelSpacing. thickness_mm: of a plane.
    """

    corner_mm: NDArray[np.float64]
    along: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    thickness_mm: float


def place_of(maps: Maps) -> Place:
    """Return where a frame's voxels lie.

    Raises MonitorError where the scanner gave no directions, or none at right angles.
    """
    shape = np.array(maps.magnitude.shape)
    step_mm = np.array(maps.fov_mm[::-1], np.float64) / shape
    pose = maps.pose
    axes = np.array([pose.slice_dir, pose.phase_dir, pose.read_dir], np.float64)
    gram = axes @ axes.T
    if not np.allclose(gram, np.eye(3), atol=_UNEVEN):
        raise MonitorError(
            f"frame {maps.frame_id}: the slice's directions are {axes[::-1].round(4).tolist()} "
            "(read, phase, slice), expected unit vectors at right angles: DICOM could not say "
            "where it lies"
        )
    slice_axis, column = axes[0], axes[1] / np.linalg.norm(axes[1])
    row = axes[2] - (axes[2] @ column) * column
    first = np.array(pose.position_mm) - (shape // 2)[1:] * step_mm[1:] @ axes[1:]
    z = np.arange(shape[0]) - shape[0] // 2
    return Place(
        first + (z * step_mm[0])[:, np.newaxis] * slice_axis,
        np.stack([row / np.linalg.norm(row), column]),
        (float(step_mm[1]), float(step_mm[2])),
        float(step_mm[0]),
    )


def decimals(numbers: NDArray[np.float64] | tuple[float, ...]) -> list[str]:
    """Return numbers as decimal strings, with as many digits as 16 characters hold."""
    return [format_number_as_ds(float(one) + 0.0) for one in np.ravel(numbers)]
