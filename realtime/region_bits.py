"""Regions as one picture: bit k is set where the k-th region of the protocol lies."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from messages import Displacement
from motion import TrackingPlan
from realtime.protocol import Protocol
from realtime.regions import Mask, Shape

MOST_REGIONS = 15  # of 16 bits: the page's codes need one more value than there are


def region_bits(
    protocol: Protocol, masks: Mapping[str, Mask], *, shape: Shape
) -> NDArray[np.uint16]:
    """Return uint16 (z, y, x), read-only; a region without a mask has its bit nowhere."""
    bits = np.zeros(shape, np.uint16)
    for k, region in enumerate(protocol.region[:MOST_REGIONS]):
        if region.name in masks:
            bits |= np.left_shift(masks[region.name], np.uint16(k), dtype=np.uint16)
    bits.flags.writeable = False
    return bits


def moved_masks(
    protocol: Protocol, masks: Mapping[str, Mask], seen: Displacement, plan: TrackingPlan
) -> dict[str, Mask]:
    """Return the masks (1, y, x) of a slice as they lie in an image in which a target is followed.

    What is followed lies where the tracker saw it; targets that go along are moved by whole pixels.
    What moves and has no place that is known is left out.
    """
    moved = dict(masks)
    for region in protocol.region:
        name = region.name
        if name not in masks:
            continue
        place: NDArray[np.bool_] | None = masks[name][0]
        if name in plan.organ_masks:
            place = seen.organ_masks.get(name)
        elif region.role == "target" and region.moves is not False:
            is_followed = np.array_equal(masks[name][0], plan.target_mask)
            place = seen.target_mask if is_followed else _shifted(masks[name][0], seen, plan)
        if place is None:
            del moved[name]
        else:
            moved[name] = place[np.newaxis]
    return moved


def _shifted(
    mask: NDArray[np.bool_], seen: Displacement, plan: TrackingPlan
) -> NDArray[np.bool_] | None:
    by_px = np.divide(seen.displacement_mm, plan.pixel_mm)
    if not np.isfinite(by_px).all():
        return None
    y, x = np.nonzero(mask)
    y, x = y + round(float(by_px[0])), x + round(float(by_px[1]))
    n_y, n_x = mask.shape
    is_inside = (y >= 0) & (y < n_y) & (x >= 0) & (x < n_x)
    shifted = np.zeros_like(mask)
    shifted[y[is_inside], x[is_inside]] = True
    return shifted
