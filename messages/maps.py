"""The pictures of one frame, for those who look."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messages.acquisition import Pose
from messages.frame import FrameKey


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """What one frame looks like: magnitude, temperature, dose. Arrays are (z, y, x).

    arrhenius_omega: damage by the protocol's Arrhenius model, NaN where it names none.
    Temperature and dose are NaN where not valid; before the reference is complete all of them are.
    acquisition_time_stamp, physiology_time_stamp: ticks of the k-space centre, as they came.
    time_s: None where the scanner gives no clock.
    """

    frame_id: int
    key: FrameKey
    time_s: float | None
    fov_mm: tuple[float, float, float]
    pose: Pose
    magnitude: NDArray[np.float32]
    temperature_c: NDArray[np.float32]
    temperature_std_c: NDArray[np.float32]
    valid: NDArray[np.bool_]
    dose_cem43_min: NDArray[np.float32]
    dose_low_cem43_min: NDArray[np.float32]
    dose_high_cem43_min: NDArray[np.float32]
    arrhenius_omega: NDArray[np.float32]
    acquisition_time_stamp: int = 0
    physiology_time_stamp: tuple[int, int, int] = (0, 0, 0)
    run_id: str = ""
