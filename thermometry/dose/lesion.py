"""The lesion: where the dose has passed a threshold, how large that is, and how sure."""

import math
from dataclasses import dataclass
from typing import Final

import contourpy
import numpy as np
from numpy.typing import NDArray

from messages import ThermalDose

Dose = NDArray[np.float32]
LEAST_SHARE: Final = 1e-3  # of the threshold: below it the logarithm is of no use to a contour


@dataclass(frozen=True, slots=True)
class Lesion:
    """Volume beyond a threshold, by the estimate and by either side of the dose's 95 % interval.

    low_mm3 and high_mm3 hold for every pixel by itself; that all err to one side together is only
    as likely as the part of the noise that they share, so the volume is better known than this.
    """

    cem43_min: float
    low_mm3: float
    volume_mm3: float
    high_mm3: float


def measure_lesion(
    dose: ThermalDose, *, cem43_min: float, voxel_mm: tuple[float, float, float]
) -> Lesion:
    """Volume of the lesion in a slice or volume; voxel_mm is (z, y, x)."""
    maps = (dose.cem43_low_min, dose.cem43_min, dose.cem43_high_min)
    low, volume, high = (_volume_mm3(one, cem43_min, voxel_mm) for one in maps)
    return Lesion(cem43_min, low, volume, high)


def lesion_contours(dose: Dose, *, cem43_min: float) -> list[list[NDArray[np.float64]]]:
    """Draw closed lines around the lesion: for each z a list of (point, 2) arrays, (y, x) pixels.

    Lines run where the logarithm of the dose, interpolated between pixel centres, passes the
    threshold: dose is exponential in temperature, its logarithm is nearly straight between pixels.
    Outlines and holes run in opposite senses. Beyond the edge there is no dose.
    """
    return [_outlines(one, cem43_min) for one in dose]


def _outlines(plane: Dose, cem43_min: float) -> list[NDArray[np.float64]]:
    if not np.any(plane >= cem43_min):  # false for NaN
        return []
    share: Dose = np.nan_to_num(plane / np.float32(cem43_min), nan=0.0, posinf=1e30)
    # float64: contourpy takes no other
    level = np.log(np.maximum(np.pad(share, 1), LEAST_SHARE)).astype(np.float64)
    lines = contourpy.contour_generator(z=level).lines(0.0)
    return [np.asarray(line, np.float64)[:, ::-1] - 1.0 for line in lines]


def _volume_mm3(dose: Dose, cem43_min: float, voxel_mm: tuple[float, float, float]) -> float:
    """Sum over slices of the area within the contours: finer than a count of pixels."""
    area_px = sum(
        _signed_area_px(line)
        for lines in lesion_contours(dose, cem43_min=cem43_min)
        for line in lines
    )
    return abs(area_px) * math.prod(voxel_mm)


def _signed_area_px(line: NDArray[np.float64]) -> float:
    """Shoelace formula; holes have the other sign."""
    y, x = line.T
    return 0.5 * float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]))
