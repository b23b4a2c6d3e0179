"""One structure that is followed: its shape in the reference image and where to look for it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MARGIN_PX = 6  # of the tissue around the structure that is looked at with it
RIM_PX = 4.0  # over which the weight falls to the margin's own
MARGIN_WEIGHT = 0.25
OUTLINE_PX, OUTLINE_STEPS, LEAST_DEPTH_PX = 1.5, 4, 0.02
SPARE_PX = 4  # around the search box: what deformation and interpolation reach beyond it


@dataclass(frozen=True, slots=True)
class Box:
    """Rows top … top + height, columns left … left + width of an image."""

    top: int
    left: int
    height: int
    width: int

    @property
    def cut(self) -> tuple[slice, slice]:
        """The box as an index."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """What is known of a structure before the first image.

    box: its bounding box and a margin. search: where it is looked for. centroid_px: (y, x) of the
    reference image. weights: float32 (y, x) of the box, sum 1: the structure counts most, its
    surroundings less, since they may slide past it. depth_px: float32 (y, x) of the box, signed
    distance to the outline, positive inside. n_px: pixels of the mask.
    """

    mask: NDArray[np.bool_]
    box: Box
    search: Box
    centroid_px: tuple[float, float]
    weights: NDArray[np.float32]
    depth_px: NDArray[np.float32]
    n_px: int

    @property
    def radius_px(self) -> float:
        """Half of the box's mean side: the lever of a change of shape."""
        return (self.box.height + self.box.width) / 4.0

    @property
    def box_size(self) -> tuple[int, int]:
        """(y, x), in pixels."""
        return self.box.height, self.box.width

    @property
    def origin_px(self) -> tuple[float, float]:
        """The centroid (y, x) in the search box."""
        return self.centroid_px[0] - self.search.top, self.centroid_px[1] - self.search.left

    @property
    def corner_px(self) -> tuple[float, float]:
        """The box's first pixel (y, x), from the centroid."""
        return self.box.top - self.centroid_px[0], self.box.left - self.centroid_px[1]


def structure_of(mask: NDArray[np.bool_], name: str, *, search_px: tuple[int, int]) -> Structure:
    """Return the structure of a mask; ValueError, by name, where there is nothing in it."""
    if mask.ndim != 2 or not mask.any():
        raise ValueError(
            f"{name}: the mask, {mask.shape}, has no pixel of the slice in it; draw it in the "
            "reference image"
        )
    rows, columns = np.nonzero(mask)
    box = _around(rows, columns, (MARGIN_PX, MARGIN_PX), mask.shape)
    reach = (MARGIN_PX + search_px[0] + SPARE_PX, MARGIN_PX + search_px[1] + SPARE_PX)
    search = _around(rows, columns, reach, mask.shape)
    depth = _depth(mask)[box.cut].astype(np.float32)
    weights = np.clip(1.0 + depth / RIM_PX, MARGIN_WEIGHT, 1.0)
    return Structure(
        mask=mask,
        box=box,
        search=search,
        centroid_px=(float(rows.mean()), float(columns.mean())),
        weights=np.asarray(weights / weights.sum(dtype=np.float64), np.float32),
        depth_px=depth,
        n_px=len(rows),
    )


def _depth(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how far inside each pixel lies, float64 (y, x), without the staircase of the pixels.

    The smoothest outline, about, that leaves each pixel on its side: signed distance, smoothed
    without shrinking by 2G - G² (after Taubin 1995, doi:10.1145/218380.218473), corrected where a
    pixel would change sides.
    """
    wide = np.pad(mask, 1)
    depth = ndimage.distance_transform_edt(wide) - ndimage.distance_transform_edt(~wide)
    # the distance is counted from pixel centres: the outline lies half a pixel before them
    depth = (depth - 0.5 * np.sign(depth))[1:-1, 1:-1]
    for _ in range(OUTLINE_STEPS):
        once = ndimage.gaussian_filter(depth, OUTLINE_PX)
        depth = 2.0 * once - ndimage.gaussian_filter(once, OUTLINE_PX)
        inside, outside = np.maximum(depth, LEAST_DEPTH_PX), np.minimum(depth, -LEAST_DEPTH_PX)
        depth = np.where(mask, inside, outside)
    return np.asarray(depth)


def _around(
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    margin_px: tuple[int, int],
    shape: tuple[int, ...],
) -> Box:
    top, left = max(int(rows.min()) - margin_px[0], 0), max(int(columns.min()) - margin_px[1], 0)
    bottom = min(int(rows.max()) + margin_px[0] + 1, shape[0])
    right = min(int(columns.max()) + margin_px[1] + 1, shape[1])
    return Box(top, left, bottom - top, right - left)
