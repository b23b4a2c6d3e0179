"""What a heat model says of the time between frames, and of what comes after the power is off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What follows if the power ends now. Arrays are float32 (z, y, x), NaN where not known.

    temperature_c, temperature_std_c: now, as model and measurements together have it.
    peak_c, peak_std_c: the highest temperature from the first frame to the end of cooling, moments
        between frames and the spread after shut-off included.
    final_cem43_min, final_low_cem43_min, final_high_cem43_min: the dose when all heat is gone, and
        its 95 % interval.
    hidden_c: by how much the peak within the voxels and the frame's duration exceeds what an image
        can show, at the hottest place; NaN where the model cannot tell.
    expected_rise_c, rise_z: the rise that the model expected at the hottest place from earlier
        frames and the power, and by how many standard deviations the frame differed; NaN at first.
    is_trusted: whether limits may rest on it; reason: why not.
    bridged_s: scanner time since the last frame that was measured; 0 where this one was.
    """

    frame_id: int
    time_s: float
    temperature_c: NDArray[np.float32]
    temperature_std_c: NDArray[np.float32]
    peak_c: NDArray[np.float32]
    peak_std_c: NDArray[np.float32]
    final_cem43_min: NDArray[np.float32]
    final_low_cem43_min: NDArray[np.float32]
    final_high_cem43_min: NDArray[np.float32]
    hidden_c: float
    expected_rise_c: float
    rise_z: float
    is_trusted: bool
    reason: str = ""
    bridged_s: float = 0.0
