"""Regions of a protocol as masks of an image.

Pixel n // 2 of each axis is the centre of the field of view and lies at the pose's position; x runs
along read_dir, y along phase_dir, z along slice_dir.
"""

from collections.abc import Mapping
from typing import cast

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from messages import Pose, ProtocolError
from realtime.protocol import Protocol
from realtime.protocol_sections import Region
from realtime.rt.raster import solid
from realtime.rt.roi import Roi

Mask = NDArray[np.bool_]
Shape = tuple[int, int, int]
Vector = tuple[float, float, float]


def region_masks(
    protocol: Protocol, *, shape: Shape, fov_mm: Vector, pose: Pose, slice_number: int | None = None
) -> dict[str, Mask]:
    """Return each region's mask, bool (z, y, x), read-only.

    shape: (z, y, x). fov_mm: (x, y, z). slice_number: of one slice of several that are imaged one
    by one; regions that lie in others of them are left out then. Raises ProtocolError where a
    region has no pixel, or where a part of it lies outside the image and so could not be watched.
    """
    masks: dict[str, Mask] = {}
    for index, region in enumerate(protocol.region):
        key = f"region[{index}]"
        if slice_number is not None:
            if _lies_elsewhere(region, slice_number, fov_mm=fov_mm, pose=pose):
                continue
            region = msgspec.structs.replace(region, slice=None)  # it has been looked at
        if region.mask is not None:
            inside = _from_file(protocol.mask_files[region.name], region, shape=shape, key=key)
        elif region.name in protocol.rois:
            roi = protocol.rois[region.name]
            inside = _from_roi(roi, region, shape=shape, fov_mm=fov_mm, pose=pose, key=key)
            if slice_number is not None and not inside.any():
                continue
        else:
            inside = _from_shape(region, shape=shape, fov_mm=fov_mm, pose=pose, key=key)
        if not inside.any():
            raise ProtocolError(f"region {region.name!r} has no pixel in the image", key=key)
        inside.flags.writeable = False
        masks[region.name] = inside
    return masks


def heated_mask(
    masks: Mapping[str, Mask], protocol: Protocol, *, shape: Shape, margin_px: float | None = None
) -> Mask:
    """Return where heat is expected: the targets and a margin in the plane around them.

    margin_px: [thermometry] heated_margin_px where it is not given.
    """
    targets = _union(masks, protocol, role="target", shape=shape)
    if margin_px is None:
        margin_px = 0.0 if protocol.thermometry is None else protocol.thermometry.heated_margin_px
    if not targets.any() or margin_px == 0.0:
        return targets
    # heat reaches the neighbouring slices too, but slices are thicker than the margin
    distance_px = np.stack([_distance_px(plane) for plane in targets])
    return distance_px <= margin_px


def reference_mask(masks: Mapping[str, Mask], protocol: Protocol, *, shape: Shape) -> Mask:
    """Return where drift is fitted: reference regions, else the body, else the whole image."""
    for role in ("reference", "body"):
        found = _union(masks, protocol, role=role, shape=shape)
        if found.any():
            return found
    return np.ones(shape, np.bool_)


def _distance_px(plane: Mask) -> NDArray[np.float64]:
    if not plane.any():
        return np.full(plane.shape, np.inf)
    return cast(NDArray[np.float64], ndimage.distance_transform_edt(~plane))


def _union(masks: Mapping[str, Mask], protocol: Protocol, *, role: str, shape: Shape) -> Mask:
    union = np.zeros(shape, np.bool_)
    for region in protocol.region:
        if region.role == role and region.name in masks:
            union |= masks[region.name]
    return union


def _lies_elsewhere(region: Region, slice_number: int, *, fov_mm: Vector, pose: Pose) -> bool:
    """Whether a region lies in another slice: by its number, or by more than half a thickness."""
    if region.slice is not None:
        return region.slice != slice_number
    if region.center_mm is None:
        return False
    offset_mm = np.subtract(region.center_mm, pose.position_mm)
    return abs(float(np.dot(offset_mm, pose.slice_dir))) > fov_mm[2] / 2


def _from_file(mask: Mask, region: Region, *, shape: Shape, key: str) -> Mask:
    expected = shape if mask.ndim == 3 else shape[1:]
    if mask.shape != expected:
        raise ProtocolError(
            f"the mask of {region.name!r} is {mask.shape}, the image is {shape}", key=f"{key}.mask"
        )
    return np.broadcast_to(mask, shape) & _in_slice(region, shape=shape, key=key)


def _from_shape(region: Region, *, shape: Shape, fov_mm: Vector, pose: Pose, key: str) -> Mask:
    n_z, n_y, n_x = shape
    pixel_mm = (fov_mm[1] / n_y, fov_mm[0] / n_x)
    if region.center_mm is not None:
        center = _pixel_of(region.center_mm, shape=shape, fov_mm=fov_mm, pose=pose)
        if not -0.5 <= center[0] <= n_z - 0.5:
            raise ProtocolError(
                f"region {region.name!r} lies outside the image, {center[0] - n_z // 2:+.1f} "
                "slices from its centre",
                key=f"{key}.center_mm",
            )
        center_px = center[1:]
    else:
        center_px = region.center_px or (0.0, 0.0)
    radii_px = region.radii_px or (0.0, 0.0)
    if region.radii_mm is not None:
        radii_px = (region.radii_mm[0] / pixel_mm[0], region.radii_mm[1] / pixel_mm[1])
    for axis, n, at, radius in zip("yx", (n_y, n_x), center_px, radii_px, strict=True):
        if at - radius < -0.5 or at + radius > n - 0.5:
            raise ProtocolError(
                f"region {region.name!r} spans {axis} {at - radius:.1f} to {at + radius:.1f} px, "
                f"outside the image's -0.5 to {n - 0.5}",
                key=key,
            )
    y, x = np.ogrid[:n_y, :n_x]
    off_y, off_x = (y - center_px[0]) / radii_px[0], (x - center_px[1]) / radii_px[1]
    if region.shape == "ellipse":
        plane = off_y**2 + off_x**2 <= 1.0
    else:
        plane = (np.abs(off_y) <= 1.0) & (np.abs(off_x) <= 1.0)
    return plane[np.newaxis] & _in_slice(region, shape=shape, key=key)


def _from_roi(
    roi: Roi, region: Region, *, shape: Shape, fov_mm: Vector, pose: Pose, key: str
) -> Mask:
    """Return the pixels whose centre lies in a structure, judged to a quarter of a pixel."""
    n_z, n_y, n_x = shape
    step_mm = np.array([fov_mm[2] / n_z, fov_mm[1] / n_y, fov_mm[0] / n_x])
    z, y, x = np.ogrid[:n_z, -1 : n_y + 1, -1 : n_x + 1]  # and one pixel around
    points_mm = np.array(pose.position_mm) + sum(
        (n - size // 2)[..., np.newaxis] * by * np.array(axis)
        for n, size, by, axis in zip(
            (z, y, x), shape, step_mm, (pose.slice_dir, pose.phase_dir, pose.read_dir), strict=True
        )
    )
    inside = solid(roi, step_mm=float(step_mm[1:].min()) / 2).contains(points_mm)
    middle = inside[:, 1:-1, 1:-1]
    if inside.sum() > middle.sum():
        raise ProtocolError(
            f"region {region.name!r}: ROI {roi.name!r} reaches out of the image", key=f"{key}.roi"
        )
    return np.asarray(middle & _in_slice(region, shape=shape, key=key))


def _in_slice(region: Region, *, shape: Shape, key: str) -> Mask:
    if region.slice is None:
        return np.ones((shape[0], 1, 1), np.bool_)
    if region.slice >= shape[0]:
        raise ProtocolError(
            f"is {region.slice}, the image has {shape[0]} slice(s)", key=f"{key}.slice"
        )
    chosen = np.zeros((shape[0], 1, 1), np.bool_)
    chosen[region.slice] = True
    return chosen


def _pixel_of(
    point_mm: Vector, *, shape: Shape, fov_mm: Vector, pose: Pose
) -> tuple[float, float, float]:
    offset_mm = np.subtract(point_mm, pose.position_mm)
    axes = (pose.slice_dir, pose.phase_dir, pose.read_dir)
    z, y, x = (
        float(np.dot(offset_mm, axis)) / (extent_mm / n) + n // 2
        for axis, extent_mm, n in zip(axes, reversed(fov_mm), shape, strict=True)
    )
    return z, y, x
