"""What one plane sees of a patient."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simulators.sequences.planned import PlannedReadout

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """What a plane shows of the target; pairs are (x, y), mm from the image's centre.

    center_mm, contour_mm (n, 2): NaN where it shows nothing. mask (y, x): of the pixels' middles.
    """

    center_mm: Real
    area_mm2: float
    contour_mm: Real
    mask: NDArray[np.bool_]


class View(Protocol):
    """One plane through a scene."""

    def waves(self, planned: PlannedReadout) -> Complex:
        """Return ∫ object · exp(-2πi (k - wave)·r) dr in mm² at the readout's time, (wave, sample).

        With all signal; wave: of the coils.
        """

    def outline(self, t_s: float, x_mm: Real, y_mm: Real) -> Outline:
        """Return the target at scanner time t_s, on pixels at x_mm (x,) and y_mm (y,)."""

    def spot(self) -> tuple[float, float, float]:
        """Return where the target is at time 0 (x, y), and its signal."""
