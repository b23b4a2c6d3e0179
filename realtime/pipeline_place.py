"""The target in the patient, from images of one plane or of several in turn."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from messages import Displacement, Pose
from realtime.pipeline_state import MotionMemory, PipelineState, SliceState

Vector = tuple[float, float, float]
_PARALLEL = 0.1  # sine between two planes under which they have both axes in common


def place(
    state: PipelineState, memory: MotionMemory, seen: Displacement, pose: Pose
) -> tuple[PipelineState, MotionMemory]:
    """Return the state with the target's displacement in the patient after an image.

    Along the image's axes as the image shows it; across them as other images last did, which is
    what interleaved sagittal and coronal images need. A doubted image changes nothing.
    """
    if seen.doubts:
        return state, memory
    if state.first_pose is None:
        state = replace(state, first_pose=pose)
    before = np.array(state.place_lps_mm)
    own = np.array(seen.displacement_mm) @ _axes(pose)
    if seen.is_training and state.first_pose is not None:
        memory = _with_origin(memory, before - own, _shared(pose, state.first_pose))
    now = _along(pose, before, np.array(memory.origin_mm) + own)
    return replace(state, place_lps_mm=_vector(now)), memory


def exhaled(slices: Iterable[SliceState]) -> Vector | None:
    """Return the end-exhale place that the gates have learned, as a displacement in the patient.

    Along the axes of each slice as its own gate has it. None while one is still being learned.
    """
    found = np.zeros(3)
    for one in slices:
        if one.following is None:
            continue
        pose, center_mm = one.motion.first_pose, one.following.gating.center_mm
        if pose is None or center_mm is None:
            return None
        own = np.array(center_mm) @ _axes(pose)
        found = _along(pose, found, np.array(one.motion.origin_mm) + own)
    return _vector(found)


def _with_origin(
    memory: MotionMemory, apart_mm: NDArray[np.float64], shared: NDArray[np.float64]
) -> MotionMemory:
    """Return where the slice's reference lies against the first slice's, by one more frame.

    The two were taken at different moments of a breath. What both show, the axes in common, they
    show an image's time apart: over the breaths of training that is as often late as early. Of the
    first slice itself the difference is zero.
    """
    n = memory.n_origins + 1
    before = np.array(memory.origin_mm)
    return replace(
        memory, origin_mm=_vector(before + (shared @ apart_mm - before) / n), n_origins=n
    )


def _shared(pose: Pose, first: Pose) -> NDArray[np.float64]:
    """Return the projector (3, 3) on what two planes have in common; zero for one and the same."""
    if pose.slice_dir == first.slice_dir and pose.position_mm == first.position_mm:
        return np.zeros((3, 3))
    along = np.cross(pose.slice_dir, first.slice_dir)
    sine = float(np.linalg.norm(along))
    if sine < _PARALLEL:
        return np.asarray(_axes(pose).T @ _axes(pose))
    along = along / sine
    return np.outer(along, along)


def _axes(pose: Pose) -> NDArray[np.float64]:
    """Return the axes of an image in the patient, (2, 3): y and x."""
    return np.array([pose.phase_dir, pose.read_dir])


def _along(
    pose: Pose, before_mm: NDArray[np.float64], seen_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a place as it was, but along an image's axes as the image shows it."""
    axes = _axes(pose)
    return np.asarray(before_mm + axes @ (seen_mm - before_mm) @ axes)


def _vector(values: NDArray[np.float64]) -> Vector:
    x_mm, y_mm, z_mm = values.tolist()
    return x_mm, y_mm, z_mm
