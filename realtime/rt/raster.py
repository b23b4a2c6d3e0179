"""Contours as solids: which points lie inside, and how much of each voxel does."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from messages import MonitorError
from motion.dose import DoseGrid, Structure
from realtime.rt.roi import Points, Roi, normal_of

Mask = NDArray[np.bool_]

SAME_PLANE_MM = 0.05
MOST_GAP = 3.5  # in usual gaps: two planes left out are filled in, more is a structure in two parts
N_PARTS = 5  # a voxel's side in parts, when it is asked how much of it lies inside
LEAST_POINTS, MOST_POINTS = 400, 12_000  # of a structure: figures to 0.5 % of volume


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A structure's inside on a lattice of its own.

    inside: bool (w, v, u), w across the planes of the contours.
    """

    inside: Mask
    grid: DoseGrid

    @property
    def volume_mm3(self) -> float:
        """Volume of the inside."""
        return float(self.inside.sum()) * self.grid.voxel_mm3

    def contains(self, points_mm: Points) -> Mask:
        """Return whether points (…, 3) in LPS lie inside, to half a lattice step."""
        index = np.rint(self.grid.index_of(points_mm)).astype(np.int64)
        is_in = np.asarray(((index >= 0) & (index < self.inside.shape)).all(axis=-1))
        w, v, u = np.moveaxis(np.where(is_in[..., np.newaxis], index, 0), -1, 0)
        return np.asarray(self.inside[w, v, u] & is_in)


def solid(roi: Roi, *, step_mm: float) -> Solid:
    """Return the inside of a structure on a lattice of step_mm, or a little less across planes.

    In one plane contours are counted even-odd, so that one within another is a hole. Between planes
    the signed distances to their outlines are interpolated (Raya and Udupa 1990,
    doi:10.1109/42.52980); a gap of more than two missing planes parts the structure. The first and
    the last plane reach out by half the usual gap; a structure on one plane is one step thick.
    """
    axis, across = _frame_of(roi)
    flat = [points @ np.stack([axis, *across], axis=1) for points in roi.contours]  # w, v, u
    planes = _planes(flat)
    w = np.array([one for one, _ in planes])
    usual = float(np.median(np.diff(w))) if len(w) > 1 else step_mm
    # whole layers in what a plane stands for, so that no volume is lost or won across the planes
    step = np.array([usual / np.ceil(usual / step_mm), step_mm, step_mm])
    every, margin = np.concatenate(flat), np.array([usual / 2, step_mm, step_mm])
    low, high = every.min(axis=0) - margin, every.max(axis=0) + margin
    # a whole number of voxels, so that voxels can be summed
    shape = (np.ceil((high - low) / step / N_PARTS - 1e-6).astype(np.int64) * N_PARTS).tolist()
    first = (low + high - step * (np.array(shape) - 1)) / 2
    first[0] = low[0] + step[0] / 2
    w_layers, v, u = (
        start + by * np.arange(n) for start, by, n in zip(first, step, shape, strict=True)
    )
    distances = [_signed_distance(_even_odd(polygons, v, u)) for _, polygons in planes]
    inside = np.zeros(shape, np.bool_)
    for layer, at in zip(inside, w_layers.tolist(), strict=True):
        layer[:] = _layer(at, w, distances, usual=usual)
    basis = np.stack([axis, *across])
    origin = tuple((first @ basis).tolist())
    steps = tuple(tuple(one) for one in (step[:, np.newaxis] * basis).tolist())
    return Solid(inside, DoseGrid(tuple(shape), origin, steps))  # type: ignore[arg-type]


def structure(roi: Roi, *, role: str, voxel_mm: float, most_points: int = MOST_POINTS) -> Structure:
    """Return a structure as points with volumes, one for each voxel that lies partly inside.

    A point lies at the middle of its voxel's inside. voxel_mm: of the dose grid; finer for a small
    structure and coarser for a large one, for LEAST_POINTS to about most_points. In a large one a
    point may stand for more than the 0.03 cm³ that its D0.03cc is about: that is then the dose of
    its hottest point.
    """
    rough = solid(roi, step_mm=voxel_mm)
    volume = max(rough.volume_mm3, voxel_mm**3 / 8)
    finest, coarsest = (volume / most_points) ** (1 / 3), (volume / LEAST_POINTS) ** (1 / 3)
    side_mm = min(max(voxel_mm, finest), coarsest)
    fine = solid(roi, step_mm=side_mm / N_PARTS)
    shape = [n // N_PARTS for n in fine.inside.shape]
    parts = fine.inside.reshape([n for side in shape for n in (side, N_PARTS)])
    parts = parts.transpose(0, 2, 4, 1, 3, 5).reshape(*shape, -1)
    n_inside = parts.sum(axis=-1)
    chosen = n_inside > 0
    if not chosen.any():
        raise MonitorError(f"structure {roi.name!r}: its contours enclose nothing")
    offsets = np.stack(np.meshgrid(*[np.arange(N_PARTS)] * 3, indexing="ij"), -1).reshape(-1, 3)
    middle = parts[chosen] @ offsets / n_inside[chosen][:, np.newaxis]
    index = np.argwhere(chosen) * N_PARTS + middle
    grid = fine.grid
    points_mm = index @ np.array(grid.step_mm) + np.array(grid.origin_mm)
    return Structure(roi.name, role, points_mm, n_inside[chosen] * grid.voxel_mm3)


def _frame_of(roi: Roi) -> tuple[Points, tuple[Points, Points]]:
    """Return the normal of the contours' planes, and two directions (v, u) in them."""
    normals = [normal_of(points) for points in roi.contours]
    largest = normals[int(np.argmax([np.linalg.norm(one) for one in normals]))]
    length = float(np.linalg.norm(largest))
    if length == 0:
        raise MonitorError(f"structure {roi.name!r}: its contours enclose no area")
    axis = largest / length
    main = int(np.argmax(np.abs(axis)))
    axis = axis * np.sign(axis[main])
    helper = np.eye(3)[(main + 1) % 3]
    u = helper - axis * (helper @ axis)
    u /= np.linalg.norm(u)
    return axis, (np.cross(axis, u), u)


def _planes(flat: list[Points]) -> list[tuple[float, list[Points]]]:
    """Return the contours (point, (v, u)) by plane, planes by rising w."""
    planes = list[tuple[float, list[Points]]]()
    for points in sorted(flat, key=lambda one: float(one[:, 0].mean())):
        w = float(points[:, 0].mean())
        if not planes or w - planes[-1][0] > SAME_PLANE_MM:
            planes.append((w, []))
        planes[-1][1].append(points[:, 1:])
    return planes


def _even_odd(polygons: list[Points], v: Points, u: Points) -> Mask:
    """Return which lattice points (v, u) are an odd number of outlines away from the outside."""
    starts = np.concatenate(polygons)
    ends = np.concatenate([np.roll(one, -1, axis=0) for one in polygons])
    inside = np.zeros((len(v), len(u)), np.bool_)
    for row, at in zip(inside, v, strict=True):
        crossing = (starts[:, 0] <= at) != (ends[:, 0] <= at)
        a, b = starts[crossing], ends[crossing]
        at_u = a[:, 1] + (at - a[:, 0]) / (b[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
        row[:] = np.searchsorted(np.sort(at_u), u) % 2 == 1
    return inside


def _signed_distance(inside: Mask) -> NDArray[np.float64]:
    """Return the distance to the outline in lattice steps, above 0 inside."""
    if not inside.any():
        return np.full(inside.shape, -np.inf)
    return np.asarray(
        ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    )


def _layer(at: float, w: Points, distances: list[NDArray[np.float64]], *, usual: float) -> Mask:
    """Return the inside across the contours at `at`."""
    for n, (below, above) in enumerate(pairwise(w.tolist())):
        if below <= at <= above and above - below <= MOST_GAP * usual:
            share = (at - below) / (above - below)
            return np.asarray((1 - share) * distances[n] + share * distances[n + 1] > 0)
    nearest = int(np.argmin(np.abs(w - at)))
    if abs(w[nearest] - at) > usual / 2:
        return np.zeros(distances[0].shape, np.bool_)
    return np.asarray(distances[nearest] > 0)
