"""The pictures of one frame, for those who look."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messages.acquisition import Pose
from messages.frame import FrameKey


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """What one frame looks like. Arrays are (z, y, x), None where the therapy has no such map.

    Temperature and thermal dose are NaN where not valid; before the reference is complete all of
    them are. arrhenius_omega: damage by the protocol's Arrhenius model, NaN where it names none.
    target_mask: the followed target. dose_gy: radiation dose that has been delivered to the
    tissue of each pixel of the reference image, NaN outside the dose grid.
    region_bits: bit k is set where the k-th region of `RunStart.regions` lies in this frame, as far
    as the frame shows it and its place is believed; of the first 15 regions.
    acquisition_time_stamp, physiology_time_stamp: ticks of the k-space centre, as they came.
    time_s: None where the scanner gives no clock.
    """

    frame_id: int
    key: FrameKey
    time_s: float | None
    fov_mm: tuple[float, float, float]
    pose: Pose
    magnitude: NDArray[np.float32]
    temperature_c: NDArray[np.float32] | None = None
    temperature_std_c: NDArray[np.float32] | None = None
    valid: NDArray[np.bool_] | None = None
    dose_cem43_min: NDArray[np.float32] | None = None
    dose_low_cem43_min: NDArray[np.float32] | None = None
    dose_high_cem43_min: NDArray[np.float32] | None = None
    arrhenius_omega: NDArray[np.float32] | None = None
    target_mask: NDArray[np.bool_] | None = None
    dose_gy: NDArray[np.float32] | None = None
    region_bits: NDArray[np.uint16] | None = None
    acquisition_time_stamp: int = 0
    physiology_time_stamp: tuple[int, int, int] = (0, 0, 0)
    run_id: str = ""
