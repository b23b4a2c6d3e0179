"""The outline of a mask between its pixels: areas and distances finer than a pixel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FINE = 8  # fine pixels along one side of a pixel
_SMOOTH_PX = 0.8  # what a stair of one pixel needs to become a slope
_RIM_PX = 4  # room for the smoothing around the mask


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A shape on a grid eight times finer than its pixels.

    inside: bool (fine y, fine x). first_mm: place (y, x) of its first fine pixel's centre, where
    the centre of the image's pixel (0, 0) is the origin. step_mm: (y, x) from one to the next.
    """

    inside: NDArray[np.bool_]
    first_mm: tuple[float, float]
    step_mm: tuple[float, float]

    def points_mm(self, most: int) -> NDArray[np.float32]:
        """Return at most so many points (point, 2) that each stand for the same area inside."""
        every = 1
        while True:
            start = every // 2
            at = np.argwhere(self.inside[start::every, start::every])
            if len(at) and len(at) <= most:
                break
            every = every + 1 if len(at) else every - 1
        places = np.array(self.first_mm) + (start + at * every) * np.array(self.step_mm)
        points: NDArray[np.float32] = places.astype(np.float32)
        return points

    def distance_mm(self) -> NDArray[np.float32]:
        """Return the signed Euclidean distance from the outline, negative inside, (fine y, x).

        A fine pixel's centre lies half a fine pixel from its edge, which is where the outline is.
        """
        half = 0.5 * float(np.sqrt(np.prod(self.step_mm)))
        outer = ndimage.distance_transform_edt(~self.inside, sampling=self.step_mm)
        inner = ndimage.distance_transform_edt(self.inside, sampling=self.step_mm)
        signed: NDArray[np.float32] = np.where(self.inside, half - inner, outer - half).astype(
            np.float32
        )
        return signed


def outline(
    mask: NDArray[np.bool_], pixel_mm: tuple[float, float], *, around_mm: float = 0.0
) -> Outline:
    """Return the outline of a mask (y, x), with room of `around_mm` about it.

    The level line of the smoothed mask that encloses the mask's own area: a stair of pixels becomes
    the slope that it was drawn from, and a target of one pixel keeps its size. Raises ValueError
    where the mask is empty.
    """
    if not mask.any():
        raise ValueError("the mask is empty, expected a target of one pixel at least")
    room = [_RIM_PX + int(np.ceil(around_mm / size)) for size in pixel_mm]
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = np.pad(
        mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32),
        [(one, one) for one in room],
    )
    smooth = ndimage.gaussian_filter(box, _SMOOTH_PX, mode="constant")
    fine = ndimage.zoom(smooth, FINE, order=3, mode="grid-constant", grid_mode=True)
    n_inside = int(np.count_nonzero(mask)) * FINE**2
    level = np.partition(fine.ravel(), -n_inside)[-n_inside]
    # the first fine centre lies so far before the first pixel's centre
    offset = 0.5 * (1.0 / FINE - 1.0)
    first_mm = tuple(
        float((start - one + offset) * size)
        for start, one, size in zip((rows[0], columns[0]), room, pixel_mm, strict=True)
    )
    step_mm = (pixel_mm[0] / FINE, pixel_mm[1] / FINE)
    return Outline(fine >= level, (first_mm[0], first_mm[1]), step_mm)
