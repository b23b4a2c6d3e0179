"""What the frames before have shown, as far as a rule must know: small, frozen, picklable."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from messages import Pose

MOST_GLANCES = 8
DRIFT_WINDOW_S = 10.0  # a rate over less is noise, over more comes too late
DRIFT_STEP_S = 1.0
LEAST_DRIFTS = 5


@dataclass(frozen=True, slots=True)
class RegionGlance:
    """A region in one frame; rises over body temperature, of the pixels that may be believed.

    mean_std_c: standard deviation of the mean. max_c: the hottest pixel; hot_c: the same but for
    one in twenty, which may be artefacts; hot_std_c: of such a pixel.
    dark_ratio: mean of the darkest tenth's signal over the baseline's;
    NaN where the method cannot tell.
    """

    mean_c: float
    mean_std_c: float
    max_c: float
    hot_c: float
    hot_std_c: float
    dark_ratio: float = math.nan


@dataclass(frozen=True, slots=True)
class Glance:
    """One measured frame.

    rise_z: by how many standard deviations it differed from the heat model's expectation; NaN
        where none was known. is_trusted: whether the model may be believed after it.
    """

    time_s: float
    rise_z: float
    is_trusted: bool
    regions: Mapping[str, RegionGlance]


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The measured frames of one image stream since its baseline, this one included.

    pose: of the baseline's first frame.
    glances: of the last frames, by rising time; after a clock that stood or stepped back, of those
        before the time that it shows.
    drift_c: removed from the last frame, 0 of the baseline. drift_jump_c: since the frame before.
    drifts: (scanner time, removed drift in °C) of the last seconds, a second apart.
    residual: each region when the power came on last.
    peak_c: float32 (z, y, x), the heat model's peak when it was last trusted; None before.
    """

    pose: Pose | None = None
    glances: tuple[Glance, ...] = ()
    drift_c: float = 0.0
    drift_jump_c: float = 0.0
    drifts: tuple[tuple[float, float], ...] = ()
    on_since_s: float | None = None
    residual: Mapping[str, RegionGlance] = field(default_factory=dict)
    peak_c: NDArray[np.float32] | None = None

    def of_region(self, name: str) -> tuple[tuple[float, RegionGlance], ...]:
        """Return (time, glance) of the last frames that show a region."""
        return tuple((one.time_s, one.regions[name]) for one in self.glances if name in one.regions)

    def drift_rate_c_per_s(self) -> tuple[float, float] | None:
        """Return the removed drift's slope and its standard error, by least squares.

        None while too few seconds lie behind.
        """
        if len(self.drifts) < LEAST_DRIFTS:
            return None
        time_s, drift_c = np.array(self.drifts).T
        off_s = time_s - time_s.mean()
        spread_s2 = float(off_s @ off_s)
        slope = float(off_s @ drift_c) / spread_s2
        left_c = drift_c - drift_c.mean() - slope * off_s
        error = math.sqrt(float(left_c @ left_c) / (len(time_s) - 2) / spread_s2)
        return slope, error
