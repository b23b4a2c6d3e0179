"""truth.h5 of a simulated linac's scan: what the target really did."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from messages import MonitorError

Real = NDArray[np.float64]

_NAMES = ("frame_time_s", "displacement_mm", "path_time_s", "path_displacement_lps_mm")


@dataclass(frozen=True, slots=True, eq=False)
class MotionTruth:
    """The truth of a scan, in its own time.

    frame_time_s (frame,); displacement_mm (frame, 2), (y, x) in the plane, since the plane's first
    frame. path_time_s (n,), path_lps_mm (n, 3): in continuous time, since the first frame.
    """

    frame_time_s: Real
    displacement_mm: Real
    path_time_s: Real
    path_lps_mm: Real


def read_motion_truth(path: Path) -> MotionTruth:
    """Return what a simulator has written. Raises MonitorError where the file is something else."""
    try:
        with h5py.File(path, "r") as file:
            return MotionTruth(*(np.asarray(file[name][:], np.float64) for name in _NAMES))
    except (OSError, KeyError, ValueError) as error:
        raise MonitorError(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from error
