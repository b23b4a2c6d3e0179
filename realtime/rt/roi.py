"""A structure as closed planar contours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Roi:
    """One structure. contours: float64 (point, 3) in LPS each, closed, planar, at least one.

    kind: RTROIInterpretedType, as GTV, PTV, ORGAN or EXTERNAL; "" where the file gives none.
    """

    name: str
    kind: str
    contours: tuple[Points, ...]
    frame_of_reference: str


def normal_of(points: Points) -> Points:
    """Return twice the area vector of a closed polygon (Newell): along its plane's normal."""
    following = np.roll(points, -1, axis=0)
    return np.asarray(np.cross(points - points[0], following - points[0]).sum(axis=0))
