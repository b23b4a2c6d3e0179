"""What the breath has shown by one frame."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BreathReading:
    """Figures of the breath by one frame; NaN where not enough has been seen.

    n_cycles: end-exhale points so far. shift_mm: of their place, smoothed (EWMA), since the first
        ones. cusum_mm: what they were beyond the allowance, summed up; cusum_limit_mm: where that
        tells.
    depth_mm: the usual depth of breath. excursion_mm: how far from end-exhale the target is now.
    excursion_mads: by how many median absolute deviations that is more than the usual depth.
    period_s: of the last breath; usual_period_s: of those before.
    """

    n_cycles: int = 0
    shift_mm: float = math.nan
    cusum_mm: float = math.nan
    cusum_limit_mm: float = math.nan
    depth_mm: float = math.nan
    excursion_mm: float = math.nan
    excursion_mads: float = math.nan
    period_s: float = math.nan
    usual_period_s: float = math.nan
