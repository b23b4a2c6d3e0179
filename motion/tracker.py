"""What every tracker does: from the magnitude of one image to the target's displacement."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from messages import Displacement, Image


@dataclass(frozen=True, slots=True, eq=False)
class TrackingPlan:
    """What a tracker works for.

    target_mask: bool (y, x), the target in the reference image, the first whole one.
    pixel_mm: (y, x). thickness_mm: of the slice.
    search_mm: the farthest displacement to look for. training_frames: until the bank of templates
        holds the breath.
    organ_masks: bool (y, x), by name, structures that are to be followed as the target is.
    """

    target_mask: NDArray[np.bool_]
    pixel_mm: tuple[float, float]
    thickness_mm: float
    search_mm: float = 35.0
    training_frames: int = 24
    organ_masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


class Tracker(Protocol):
    """A method: a pure fold over images. Its state is frozen and picklable."""

    @property
    def plan(self) -> TrackingPlan:
        """What it works for."""

    def start(self) -> object:
        """Return the state before the first image."""

    def step(self, state: object, image: Image) -> tuple[object, Displacement]:
        """Return the next state, and where the target is; `image` has one slice.

        An image that is incomplete or not finite teaches nothing and is doubted.
        """
