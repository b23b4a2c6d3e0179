"""Where tissue was, frame by frame: a short memory, because the accelerator may report late."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from messages import Pose

MOST_FRAMES = 480  # a minute at 8 frames/s: some accelerators report a beam at its end only
MOST_FIELDS = 16  # two seconds: a field is a thousand times as large as a displacement


@dataclass(frozen=True, slots=True, eq=False)
class ImageField:
    """Displacement of each pixel in the plane of one image.

    field_mm: float32 (2, y, x), (y, x) along pose.phase_dir and pose.read_dir, of each pixel of the
    reference. fov_mm: (x, y, z); pixel n // 2 lies at the pose's position.
    """

    field_mm: NDArray[np.float32]
    pose: Pose
    fov_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where the target is in one frame: tissue now = tissue in the reference + displacement.

    time_s: scanner time of the k-space centre. displacement_mm: LPS; None where it is not known.
    field: how tissue in the image moved, where the tracker tells.
    """

    time_s: float
    displacement_mm: tuple[float, float, float] | None
    field: ImageField | None = None


def _times() -> NDArray[np.float64]:
    return np.zeros(0)


def _places() -> NDArray[np.float64]:
    return np.zeros((0, 3))


def _flags() -> NDArray[np.bool_]:
    return np.zeros(0, np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """The last places by rising time. time_s (frame,), at_mm (frame, 3) LPS, is_known (frame,).

    A frame without a place has the last known one. fields: of the last frames only.
    """

    time_s: NDArray[np.float64] = field(default_factory=_times)
    at_mm: NDArray[np.float64] = field(default_factory=_places)
    is_known: NDArray[np.bool_] = field(default_factory=_flags)
    fields: tuple[ImageField | None, ...] = ()

    def followed_by(self, place: Place) -> "Path":
        """Return the path with one more place; one that is not later than the last adds nothing."""
        if self.time_s.size and not place.time_s > self.time_s[-1]:
            return self
        is_known = place.displacement_mm is not None
        held = self.at_mm[-1] if self.time_s.size else np.zeros(3)
        at_mm = np.array(place.displacement_mm) if is_known else held
        return Path(
            np.append(self.time_s, place.time_s)[-MOST_FRAMES:],
            np.append(self.at_mm, at_mm[np.newaxis], axis=0)[-MOST_FRAMES:],
            np.append(self.is_known, is_known)[-MOST_FRAMES:],
            (*self.fields, place.field)[-MOST_FIELDS:],
        )

    def interrupted(self) -> "Path":
        """Return the path with its last place no longer believed: what follows came unseen."""
        is_known = self.is_known.copy()
        is_known[-1:] = False
        return Path(self.time_s, self.at_mm, is_known, self.fields)

    def field_of(self, frame: int) -> ImageField | None:
        """Return the field of a frame by its index, None where there is none (any more)."""
        place = frame - self.time_s.size + len(self.fields)
        return self.fields[place] if place >= 0 else None
