"""Where the target is, and where it will be when the beam reacts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from messages.frame import FrameKey

Doubt = Literal[
    "low-similarity", "jump", "out-of-plane", "low-contrast", "edge-of-search", "bad-image"
]

GateCause = Literal["", "learning", "unknown", "outside", "resume-margin", "min-on", "min-off"]


@dataclass(frozen=True, slots=True, eq=False)
class Displacement:
    """The target in one image, against the reference image in which its region was drawn.

    displacement_mm: (y, x), of the target's centroid, reference to now: now = reference + it.
    displacement_std_mm: standard deviation of one component; NaN where the tracker cannot tell.
    matrix: (2, 2) rows (y, x): a point of the target at offset d mm from the reference's centroid
        is now at centroid + displacement + matrix · d.
    field_mm: float32 (2, y, x), displacement (y, x) of each pixel of the reference; None where the
        tracker is rigid or affine.
    target_mask: bool (y, x), the target now. area_mm2: of it, from the deformation, not from
        counted pixels. volume_mm3: area times slice thickness.
    similarity: correlation with the reference, 1 where equal; similarity_limit: the running
        threshold under which the frame is not believed, NaN while it is learned.
    doubts: why the frame is not believed; empty where it is. A bad image says nothing: then the
        displacement and the areas are NaN and the mask is empty.
    organ_masks: bool (y, x), by name, the followed organs now; one whose place is not believed is
        not in it.
    is_training: the frame went into reference and bank; the target is not followed yet.
    training_frames, training_wanted: how far the training has come.
    """

    frame_id: int
    key: FrameKey
    time_s: float
    displacement_mm: tuple[float, float]
    target_mask: NDArray[np.bool_]
    area_mm2: float
    volume_mm3: float
    similarity: float
    similarity_limit: float = math.nan
    displacement_std_mm: float = math.nan
    matrix: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))
    field_mm: NDArray[np.float32] | None = None
    doubts: tuple[Doubt, ...] = ()
    organ_masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    is_training: bool = False
    training_frames: int = 0
    training_wanted: int = 0

    @property
    def is_tracked(self) -> bool:
        """Whether the target's place may be believed."""
        return not self.is_training and not self.doubts

    @property
    def believed_mm(self) -> tuple[float, float] | None:
        """The displacement, in training too; None where it is doubted."""
        return None if self.doubts else self.displacement_mm


@dataclass(frozen=True, slots=True)
class Prediction:
    """The target's displacement at one moment to come, by axis.

    effect_time_s: scanner time that it is about. position_mm: (axis,), as fed to the predictor.
    low_mm, high_mm: (axis,), the calibrated interval of `coverage`. std_mm: (axis,), of the error.
    is_trusted: False while the predictor learns or has fallen back to holding the last value.
    """

    effect_time_s: float
    position_mm: tuple[float, ...]
    low_mm: tuple[float, ...]
    high_mm: tuple[float, ...]
    std_mm: tuple[float, ...]
    coverage: float = 0.9
    is_trusted: bool = True


@dataclass(frozen=True, slots=True)
class GateReading:
    """Whether the beam may be on, by the place of the target alone.

    outside_percent: area of the target outside the boundary now; predicted_outside_percent: at
        beam-effect time, at the predicted place. probability: that more than the protocol allows is
        outside then, 1 where the place is not believed. is_open: after hysteresis and minimum
        times.
    closed_by: why it is closed. center_mm: (y, x), the displacement around which the boundary lies;
        NaN until it is learned.
    The first two are NaN where the place is not believed.
    """

    outside_percent: float
    predicted_outside_percent: float
    probability: float
    is_open: bool
    closed_by: GateCause = ""
    center_mm: tuple[float, float] = (math.nan, math.nan)
