"""A dry run before anybody is treated: whether this geometry can hold its deadline here.

It also compiles, plans and touches everything that the first frame would otherwise pay for.
"""

import statistics
from dataclasses import replace

import numpy as np

from messages import Frame, MonitorError, Pose, PowerLog
from realtime import pipeline
from realtime.clock import Clock
from realtime.lines_left_out import whole_frames
from realtime.synthetic_frame import synthetic_frame
from recon import Partial, Reconstructor

N_MEASURED = 10
_STAGES = ("absorb", "reconstruct", "measure", "judge")


def rehearse(built: pipeline.Pipeline, pose: Pose, *, clock: Clock) -> dict[str, float]:
    """Return the median of each stage over synthetic frames, in ms, and of their total.

    Only the last readout's absorption counts: the others land while the frame is still acquired.
    """
    settings = built.protocol.thermometry
    n_warm = 2 if settings is None else settings.baseline_frames + 2
    state = pipeline.PipelineState()
    n_whole = 0 if settings is None else whole_frames(settings)
    first, later = synthetic_frame(built, pose, is_whole=n_whole > 0), synthetic_frame(built, pose)
    took: list[dict[str, float]] = []
    for number in range(n_warm + N_MEASURED):
        frame = first if number < n_whole else later
        # rules that look back need frames that follow one another in scanner time
        state, stages = _timed_step(built, state, replace(frame, time_s=float(number)), clock)
        took.append(stages)
    medians = {stage: statistics.median(one[stage] for one in took[n_warm:]) for stage in _STAGES}
    return {**medians, "total": sum(medians.values())}


def refuse_too_slow(admission_ms: dict[str, float], *, frame_deadline_ms: float) -> None:
    """Raise MonitorError, with the figures and what would fit, where the deadline cannot hold."""
    if admission_ms["total"] <= frame_deadline_ms:
        return
    stages = ", ".join(f"{stage} {ms:.1f} ms" for stage, ms in admission_ms.items())
    raise MonitorError(
        f"not admitted: a frame of this geometry takes {admission_ms['total']:.1f} ms here "
        f"({stages}), protocol.frame_deadline_ms is {frame_deadline_ms:g}; "
        f"raise it to at least {2 * admission_ms['total']:.0f}, or acquire a smaller matrix"
    )


def _timed_step(
    built: pipeline.Pipeline, state: pipeline.PipelineState, frame: Frame, clock: Clock
) -> tuple[pipeline.PipelineState, dict[str, float]]:
    reconstructor = built.reconstructor
    slice_state = pipeline.slice_of(built, state, frame)
    partial = reconstructor.start(slice_state.calibration)
    partial = _absorb(reconstructor, partial, frame, slice(None, -1))
    times = [clock.now_ns()]
    partial = _absorb(reconstructor, partial, frame, slice(-1, None))
    times.append(clock.now_ns())
    slice_state, image = pipeline.reconstruct(built, slice_state, partial, frame)
    times.append(clock.now_ns())
    measured = pipeline.measure(slice_state, image)
    times.append(clock.now_ns())
    state, _, _ = pipeline.conclude(built, state, measured, frame, PowerLog())
    times.append(clock.now_ns())
    took_ms = np.diff(times) / 1e6
    return state, {stage: float(ms) for stage, ms in zip(_STAGES, took_ms, strict=True)}


def _absorb(reconstructor: Reconstructor, partial: Partial, frame: Frame, part: slice) -> Partial:
    trajectory = None if frame.trajectory is None else frame.trajectory[part]
    return reconstructor.absorb(partial, frame.readouts[part], frame.samples[part], trajectory)
