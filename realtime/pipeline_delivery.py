"""Radiation dose in the fold: of structures, and in the plane of each image."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from messages import DeliveredDose, Image
from motion.dose import Accumulator, ImageField, Place
from motion.dose.tissue import Tissue
from realtime.pipeline_inheritance import inherited_plane
from realtime.pipeline_place import Vector, exhaled
from realtime.pipeline_state import (
    Measured,
    Pipeline,
    PipelineState,
    PlaneDose,
    SliceState,
    Stream,
)

_NO_SHIFT: Vector = (0.0, 0.0, 0.0)


def deliver(
    pipeline: Pipeline, state: PipelineState, measured: Measured, stream: Stream
) -> tuple[PipelineState, DeliveredDose | None]:
    """Return the state after what the accelerator delivered by this image, and the dose so far.

    What it delivered lies where the target was meanwhile. None where the protocol names no plan.
    Structures lie where the plan has them; the tissue of a picture lies as in the reference image,
    which may be another place (`plan_at`).
    """
    accumulator, image = pipeline.accumulator, measured.image
    if accumulator is None or not math.isfinite(image.time_s):
        return state, None
    plan_mm = _plan_lps_mm(pipeline, {**state.slices, stream: measured.slice})
    place = _place(measured, state.place_lps_mm, plan_mm)
    before = accumulator.start() if state.delivery is None else state.delivery
    delivery, delivered = accumulator.step(before, place, state.beam)
    planes = dict(state.planes)
    if stream not in planes:
        left = inherited_plane(state.inherited, stream, image.pose, image.pixels.size)
        planes[stream] = left or _open_plane(accumulator, image)
    if delivery.arrived:
        arrived = [
            replace(one, at_mm=one.at_mm + np.array(plan_mm or _NO_SHIFT))
            for one in delivery.arrived
        ]
        planes = {
            name: replace(one, gy=one.gy + one.tissue.received_gy(accumulator.plan, arrived))
            for name, one in planes.items()
        }
    return replace(state, delivery=delivery, planes=planes), delivered


def _plan_lps_mm(pipeline: Pipeline, slices: Mapping[Stream, SliceState]) -> Vector | None:
    """Return where the plan's anatomy lies against the reference image; None while not known."""
    settings = pipeline.protocol.document.dose
    if settings is None or settings.plan_at == "reference":
        return _NO_SHIFT
    return exhaled(slices.values())


def _place(measured: Measured, place_mm: Vector, plan_mm: Vector | None) -> Place:
    """Return the target's displacement from the plan's place, with a field where there is one.

    A field is of the reference image's pixels: where the plan lies elsewhere, tissue moves rigidly.
    """
    image, followed = measured.image, measured.followed
    if followed is None or not followed.displacement.is_tracked or plan_mm is None:
        return Place(image.time_s, None)
    field = followed.displacement.field_mm
    left, back, up = np.subtract(place_mm, plan_mm).tolist()
    if field is None or any(plan_mm):
        return Place(image.time_s, (left, back, up))
    return Place(image.time_s, (left, back, up), ImageField(field, image.pose, image.fov_mm))


def plane_gy(state: PipelineState, stream: Stream, image: Image) -> NDArray[np.float32]:
    """Return the dose that the tissue of each pixel has received, (z, y, x), NaN where not known.

    Of an image that begins after the delivery, from then on: a plane that was not imaged before.
    """
    plane = state.planes.get(stream)
    if plane is None:
        return np.full(image.pixels.shape, np.nan, np.float32)
    return plane.gy.astype(np.float32).reshape(image.pixels.shape)


def _open_plane(accumulator: Accumulator, image: Image) -> PlaneDose:
    """Return the tissue that an image of one slice shows, a point a pixel.

    Pixel n // 2 of each axis lies at the pose's position, as it does for regions.
    """
    _, n_y, n_x = image.pixels.shape
    width_mm, height_mm, _ = image.fov_mm
    y_mm = (np.arange(n_y) - n_y // 2) * (height_mm / n_y)
    x_mm = (np.arange(n_x) - n_x // 2) * (width_mm / n_x)
    pose, grid = image.pose, accumulator.plan.grid
    down, along = np.array(pose.phase_dir), np.array(pose.read_dir)
    points = np.array(pose.position_mm) + y_mm[:, None, None] * down + x_mm[:, None] * along
    points = points.reshape(-1, 3)
    index = grid.index_of(points)
    is_inside = ((index >= 0) & (index <= np.array(grid.shape) - 1)).all(axis=1)
    return PlaneDose(Tissue(grid, points), np.where(is_inside, 0.0, np.nan))
