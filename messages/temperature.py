"""Temperature and thermal dose maps."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messages.frame import FrameKey


@dataclass(frozen=True, slots=True, eq=False)
class TemperatureMap:
    """Temperature of one frame, its standard deviation, and which pixels may be believed.

    temperature_c, temperature_std_c: float32 (z, y, x), NaN where not valid.
    valid: bool (z, y, x).
    is_baseline: the frame went into the reference; it holds no temperature yet.
    baseline_frames: references gathered so far, this frame included.
    baseline_wanted: how many there will be; 0 where the method needs none.
    common_std_c: float32 (z, y, x), the part of the standard deviation that every frame of this run
        shares, because they share the reference.
    drift_rad: coefficients of the drift that was removed, order 0 first, over coordinates that run
        from -1 to 1 across the field of view.
    drift_c: the largest drift that was removed anywhere in the valid pixels, as a temperature.
    drift_residual_c: what the fit left in the reference region beyond the noise, as a temperature.
    ambiguous: bool (z, y, x), valid pixels whose phase moved so far since the frame before that it
        may have wrapped unseen, or differs so much from a neighbour's that one of them has; None
        where the method cannot tell.
    is_drift_trusted: false where too few reference pixels were usable to fit the drift.
    misfit_sigma: what the baselines cannot explain outside the heat, in standard deviations of the
        noise: 1 where noise is all; NaN where the method cannot tell. Of the last baseline frame:
        what the other baselines cannot explain of each, which drift_residual_c then says too.
    shift_px: in-plane motion (y, x) against the baseline in use, pixels; None where not measured.
    similarity: correlation of the magnitude with the baseline in use, 1 where equal; NaN where not
        measured.
    fat_fraction: float32 (z, y, x), 0 to 1; None where the method cannot tell.
    magnitude_ratio: float32 (z, y, x), signal over that of the baseline in use; None where the
        method cannot tell.
    scale_std_c: float32 (z, y, x), the part of both standard deviations that a wrong α makes. It is
        no noise: nothing averages it out, and no bias follows from it. None where α is taken as
        known.
    """

    frame_id: int
    key: FrameKey
    time_s: float
    temperature_c: NDArray[np.float32]
    temperature_std_c: NDArray[np.float32]
    common_std_c: NDArray[np.float32]
    valid: NDArray[np.bool_]
    is_baseline: bool
    baseline_frames: int
    drift_rad: tuple[float, ...] = ()
    drift_c: float = 0.0
    drift_residual_c: float = 0.0
    is_drift_trusted: bool = True
    ambiguous: NDArray[np.bool_] | None = None
    baseline_wanted: int = 0
    misfit_sigma: float = math.nan
    shift_px: tuple[float, float] | None = None
    similarity: float = math.nan
    fat_fraction: NDArray[np.float32] | None = None
    magnitude_ratio: NDArray[np.float32] | None = None
    scale_std_c: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ThermalDose:
    """Thermal dose so far: CEM43 with its noise bias removed, and a 95 % interval.

    cem43_min, cem43_low_min, cem43_high_min: float32 (z, y, x), equivalent minutes at 43 °C.
    interrupted: frames were lost to a restart, so the dose is a lower bound.
    arrhenius_omega: float32 (z, y, x), damage by the protocol's Arrhenius model, from the same
        temperatures; None where it names none.
    """

    frame_id: int
    time_s: float
    cem43_min: NDArray[np.float32]
    cem43_low_min: NDArray[np.float32]
    cem43_high_min: NDArray[np.float32]
    interrupted: bool = False
    arrhenius_omega: NDArray[np.float32] | None = None
