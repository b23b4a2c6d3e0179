"""Positions as a scanner reports them: float32, in one of the units that are in use."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulators.sequences.base import ScanSequence

TrajectoryUnit = Literal["cycles/FOV", "[-0.5,0.5]", "1/m", "none"]


def reported(
    k_per_mm: NDArray[np.float64], sequence: ScanSequence, unit: TrajectoryUnit
) -> NDArray[np.float32] | None:
    """Return float32 (sample, 2): cycles per image FOV, cycles per image pixel, or cycles/m."""
    if unit == "none":
        return None
    scale = {
        "cycles/FOV": np.array(sequence.fov_mm),
        "[-0.5,0.5]": np.array(sequence.voxel_mm[:2]),
        "1/m": np.array([1e3, 1e3]),
    }[unit]
    return np.asarray(k_per_mm[:, :2] * scale, np.float32)
