"""A dry run before anybody is treated: what frames of this very geometry take here.

It also compiles, plans and touches everything that the first frame would otherwise pay for.
"""

import math
import statistics
from dataclasses import replace
from typing import Final

import numpy as np
from msgspec import structs

import thermometry
from messages import BeamLog, Frame, Pose, PowerLog
from realtime import pipeline
from realtime.clock import Clock
from realtime.lines_left_out import whole_frames
from realtime.protocol import Protocol
from realtime.synthetic_frame import synthetic_frame
from recon import Partial, Reconstructor

MOST_MEASURED, LEAST_MEASURED = 100, 3
ENOUGH_MS: Final = 250.0  # of measured frames: slow ones are known after fewer
# A mean of more images costs what one of a few does, only a library costs by its size.
MOST_MEANT: Final = 3
# of a followed target: images so far apart as a predictor needs them, and as many as it looks back
FOLLOWED_PERIOD_S, FOLLOWED_FRAMES = 0.125, 32
SHORT_TRAINING: Final = 4
TOTAL, MOSTLY, WORST, OPEN, LEARN = "total", "mostly", "worst", "open", "learn"
STAGES = ("absorb", "reconstruct", "measure", "judge")


def rehearse(
    built: pipeline.Pipeline, pose: Pose, *, clock: Clock, enough_ms: float = ENOUGH_MS
) -> dict[str, float]:
    """Return the median of each stage over synthetic frames, in ms, and TOTAL, their sum.

    Only the last readout's absorption counts: the others land while the frame is still acquired.
    MOSTLY, WORST: what nine frames of ten stay within, and what the slowest took. OPEN, LEARN: what
    the first frame takes, and the one that completes the baseline.
    enough_ms: of measured frames; 0 where only what they touch is wanted.
    """
    built = replace(built, protocol=_quick_to_learn(built.protocol))
    settings = built.protocol.thermometry
    n_baseline = 0 if settings is None else settings.baseline_frames
    n_whole = 0 if settings is None else whole_frames(settings)
    first, later = synthetic_frame(built, pose, is_whole=n_whole > 0), synthetic_frame(built, pose)
    # the heat model does its work once power flows
    power = PowerLog(np.array([n_baseline + 0.5]), np.ones(1))
    state, took = pipeline.PipelineState(), list[dict[str, float]]()
    n_warm, measured_ms = n_baseline + 2 + _frames_to_learn(built, later), 0.0
    period_s = 1.0 if built.protocol.motion is None else FOLLOWED_PERIOD_S
    for number in range(n_warm + MOST_MEASURED):
        # rules that look back need frames that follow one another in scanner time
        frame = _at(first if number < n_whole else later, number, period_s=period_s)
        beam = _delivering(built, number, period_s=period_s)
        state, stages = _timed_step(built, state, frame, power, beam, clock)
        took.append(stages)
        measured_ms += sum(stages.values()) if number >= n_warm else 0.0
        if number + 1 >= n_warm + LEAST_MEASURED and measured_ms >= enough_ms:
            break
    totals = [sum(one.values()) for one in took]
    once = {OPEN: totals[0], LEARN: totals[max(n_baseline - 1, 0)]}
    return {**_tails(took[n_warm:], totals[n_warm:]), **(once if n_baseline else {})}


def _tails(took: list[dict[str, float]], totals: list[float]) -> dict[str, float]:
    medians = {stage: statistics.median(one[stage] for one in took) for stage in STAGES}
    mostly = sorted(totals)[math.floor(0.9 * (len(totals) - 1))]
    return {**medians, TOTAL: sum(medians.values()), MOSTLY: mostly, WORST: max(totals)}


def _frames_to_learn(built: pipeline.Pipeline, frame: Frame) -> int:
    """Return how many frames pass before a method knows enough to cost what it will."""
    if built.protocol.motion is not None:
        return FOLLOWED_FRAMES
    plan = built.reconstructor.plan
    window = plan.settings.window_readouts
    if window is not None:
        return math.ceil(window / len(frame.readouts))
    return 2 * (plan.encoding.acceleration[0] - 1)


def _at(frame: Frame, number: int, *, period_s: float) -> Frame:
    """Return a frame as it would come later, its readouts one after another."""
    rows = frame.readouts.copy()
    rows["time_s"] = (number + np.arange(len(rows)) / len(rows)) * period_s
    return replace(frame, readouts=rows, time_s=number * period_s)


def _delivering(built: pipeline.Pipeline, number: int, *, period_s: float) -> BeamLog:
    """Return reports of a beam that is on from the first frame to this one."""
    if built.accumulator is None:
        return BeamLog()
    cloud, frames = built.accumulator.plan.clouds[0], np.arange(number + 2)
    return BeamLog(
        np.asarray(frames * period_s, np.float64),
        np.full(len(frames), cloud.number),
        np.ones(len(frames), np.bool_),
        frames / (2 * (FOLLOWED_FRAMES + MOST_MEASURED)) * cloud.planned_mu,
    )


def _quick_to_learn(protocol: Protocol) -> Protocol:
    """Return the protocol with as short a baseline and training as cost what long ones do."""
    document = protocol.document
    settings, motion = document.thermometry, document.motion
    if motion is not None:
        n_frames = min(motion.training_frames, SHORT_TRAINING)
        # a place that is learned for ten seconds gates as one that is not
        motion = structs.replace(motion, training_frames=n_frames, gate_center="reference")
    if settings is not None and settings.method not in thermometry.KEEPS_LIBRARY:
        n_frames = min(settings.baseline_frames, MOST_MEANT)
        settings = structs.replace(settings, baseline_frames=n_frames)
    document = structs.replace(document, thermometry=settings, motion=motion)
    return replace(protocol, document=document)


def _timed_step(
    built: pipeline.Pipeline,
    state: pipeline.PipelineState,
    frame: Frame,
    power: PowerLog,
    beam: BeamLog,
    clock: Clock,
) -> tuple[pipeline.PipelineState, dict[str, float]]:
    reconstructor = built.reconstructor
    found = state.slices.get(pipeline.stream_of(frame))
    partial = reconstructor.start(None if found is None else found.calibration)
    partial = _absorb(reconstructor, partial, frame, slice(None, -1))
    times = [clock.now_ns()]
    partial = _absorb(reconstructor, partial, frame, slice(-1, None))
    times.append(clock.now_ns())
    slice_state = pipeline.slice_of(built, state, frame)
    slice_state, image = pipeline.reconstruct(built, slice_state, partial, frame)
    times.append(clock.now_ns())
    measured = pipeline.measure(slice_state, image)
    times.append(clock.now_ns())
    state, _, _ = pipeline.conclude(built, state, measured, frame, power, beam)
    times.append(clock.now_ns())
    took_ms = np.diff(times) / 1e6
    return state, {stage: float(ms) for stage, ms in zip(STAGES, took_ms, strict=True)}


def _absorb(reconstructor: Reconstructor, partial: Partial, frame: Frame, part: slice) -> Partial:
    trajectory = None if frame.trajectory is None else frame.trajectory[part]
    return reconstructor.absorb(partial, frame.readouts[part], frame.samples[part], trajectory)
