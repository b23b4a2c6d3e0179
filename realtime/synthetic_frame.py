"""Frames of a session's very geometry, made of a bright centre and noise, for the dry run."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from messages import READOUT, Encoding, Frame, FrameKey, Pose
from messages.acquisition import (
    PARALLEL_CALIBRATION_AND_IMAGING,
    PHASE_CORRECTION,
    REVERSE,
)
from realtime.pipeline import Pipeline
from recon import ReconstructionPlan
from recon.trajectory import GOLDEN_ANGLE_RAD

_N_CALIBRATION_LINES = 24  # about what scanners acquire; it only decides what the dry run costs
_BRIGHT = 50.0  # of the k-space centre over the noise of a sample, before the matrix's size


def synthetic_frame(built: Pipeline, pose: Pose, *, is_whole: bool = False) -> Frame:
    """Return a complete frame of this geometry, every readout in place.

    is_whole: with every line, even where the header says that lines are left out.
    """
    plan = built.reconstructor.plan
    if not plan.encoding.is_on_grid:
        return _with_contrasts(_off_the_grid(plan, pose), built.n_joined)
    rows = _lines(plan, 1 if is_whole else plan.encoding.acceleration[0])
    at_centre = rows["kspace_encode_step_1"] == plan.line_center
    return _with_contrasts(_frame(plan, rows, at_centre, None, pose), built.n_joined)


def _with_contrasts(frame: Frame, n_joined: int) -> Frame:
    """Return a frame with every readout once for each contrast, one straight after the other."""
    if n_joined == 1:
        return frame
    trajectory = frame.trajectory
    rows = np.repeat(frame.readouts, n_joined)
    rows["contrast"] = np.arange(len(rows)) % n_joined
    return replace(
        frame,
        readouts=rows,
        samples=np.repeat(frame.samples, n_joined, axis=0),
        trajectory=None if trajectory is None else np.repeat(trajectory, n_joined, axis=0),
    )


def _lines(plan: ReconstructionPlan, factor: int) -> NDArray[np.void]:
    """Return the rows of a Cartesian or EPI frame: navigators, then lines in linear order."""
    lines = np.arange(plan.n_lines) - plan.line_offset
    lines = lines[(lines >= 0) & _in_limits(plan.encoding, lines)]
    is_regular = (lines - plan.line_center) % factor == 0
    is_calibration = np.abs(lines - plan.line_center) <= _N_CALIBRATION_LINES // 2
    kept = is_regular | (is_calibration if factor > 1 else False)
    rows = np.zeros(int(kept.sum()), READOUT)
    rows["kspace_encode_step_1"] = lines[kept]
    if factor > 1:
        rows["flags"][is_calibration[kept]] = PARALLEL_CALIBRATION_AND_IMAGING
    if plan.encoding.trajectory == "epi":
        rows["flags"][1::2] |= REVERSE
        navigators = np.zeros(3, READOUT)
        navigators["kspace_encode_step_1"] = plan.line_center
        navigators["flags"] = (PHASE_CORRECTION | REVERSE, PHASE_CORRECTION, PHASE_CORRECTION)
        navigators["flags"][2] |= REVERSE
        rows = np.concatenate([navigators, rows])
    return _all_partitions(plan, rows)


def _all_partitions(plan: ReconstructionPlan, rows: NDArray[np.void]) -> NDArray[np.void]:
    steps = [one - plan.partition_offset for one in range(plan.n_partitions)]
    planes = []
    for step in (one for one in steps if one >= 0):
        plane = rows.copy()
        plane["kspace_encode_step_2"] = step
        planes.append(plane)
    return np.concatenate(planes)


def _in_limits(encoding: Encoding, lines: NDArray[np.int_]) -> NDArray[np.bool_]:
    limit = encoding.kspace_encoding_step_1
    if limit is None or limit.maximum == 0:
        return np.ones(lines.shape, np.bool_)
    return (lines >= limit.minimum) & (lines <= limit.maximum)


def _off_the_grid(plan: ReconstructionPlan, pose: Pose) -> Frame:
    """Return golden-angle spokes or spiral arms, of about the density that a scan has."""
    limit = plan.encoding.kspace_encoding_step_1
    told = plan.n_lines if limit is None else limit.maximum - limit.minimum + 1
    n_readouts = plan.settings.readouts_per_frame or told
    rows = np.zeros(n_readouts, READOUT)
    rows["kspace_encode_step_1"] = np.arange(n_readouts)
    trajectory = None
    if plan.settings.trajectory == "header":
        is_spiral = plan.encoding.trajectory == "spiral"
        trajectory = _arms(plan, n_readouts) if is_spiral else _spokes(plan, n_readouts)
    return _frame(plan, rows, np.ones(n_readouts, np.bool_), trajectory, pose)


def _spokes(plan: ReconstructionPlan, n_readouts: int) -> NDArray[np.float32]:
    angle = np.arange(n_readouts) * GOLDEN_ANGLE_RAD
    steps = np.arange(plan.n_samples) - plan.n_samples // 2
    radius = steps * (plan.encoded_matrix[0] / plan.n_samples)
    spokes = np.stack([np.cos(angle), np.sin(angle)], -1)[:, None] * radius[:, None]
    return np.asarray(spokes, np.float32)


def _arms(plan: ReconstructionPlan, n_readouts: int) -> NDArray[np.float32]:
    along = np.linspace(0, 1, plan.n_samples)
    n_turns = plan.encoded_matrix[0] / 2 / n_readouts  # arms one field of view's step apart
    turn = 2 * np.pi * (n_turns * along + np.arange(n_readouts)[:, None] / n_readouts)
    radius = plan.encoded_matrix[0] / 2 * along
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], -1).astype(np.float32)


def _frame(
    plan: ReconstructionPlan,
    rows: NDArray[np.void],
    at_centre: NDArray[np.bool_],
    trajectory: NDArray[np.float32] | None,
    pose: Pose,
) -> Frame:
    center = plan.n_samples // 2
    rows["n_samples"], rows["center_sample"], rows["sample_time_us"] = plan.n_samples, center, 5.0
    rng = np.random.default_rng(0)
    shape = (len(rows), plan.n_coils, plan.n_samples)
    samples = rng.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
    x, y, _ = plan.encoded_matrix
    samples[at_centre, :, center] = _BRIGHT * np.sqrt(x * y)
    return Frame(0, FrameKey(), rows, samples, 0.0, pose, is_complete=True, trajectory=trajectory)
