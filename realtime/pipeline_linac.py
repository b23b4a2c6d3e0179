"""The MR-linac in the fold: dose so far, the rules of motion and delivery, verdict and maps."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import BeamLog, DeliveredDose, Frame, Maps, MotionReading, Verdict
from realtime.alerts.observation_motion import MotionObservation
from realtime.alerts.rules import decide, unseen
from realtime.alerts.rules_always import wholeness
from realtime.alerts.rules_linac import judge_motion
from realtime.pipeline_delivery import deliver, plane_gy
from realtime.pipeline_motion import aim, organs_percent, watch_breath
from realtime.pipeline_place import place
from realtime.pipeline_state import (
    Followed,
    Measured,
    MotionMemory,
    Pipeline,
    PipelineState,
    stream_of,
)
from realtime.region_bits import moved_masks, region_bits

_KEPT_TIMES: Final = 8
MOST_REPORTS: Final = 512  # of the accelerator, two minutes of four a second


def conclude_linac(
    pipeline: Pipeline, state: PipelineState, measured: Measured, frame: Frame, beam: BeamLog
) -> tuple[PipelineState, Verdict, Maps]:
    """Return the verdict on a frame of an MR-linac, its maps, and the state for the next frame.

    beam: what the accelerator said since the last frame, and before. A slice in which no target is
    followed is never granted.
    """
    measured = _aimed(pipeline, measured, frame)
    image, followed = measured.image, measured.followed
    state = replace(state, beam=_recent(state.beam.merged(beam)))
    slice_state, stream = measured.slice, stream_of(frame)
    if followed is not None:
        state, memory = place(state, slice_state.motion, followed.displacement, image.pose)
        slice_state = replace(slice_state, motion=memory)
        measured = replace(measured, slice=slice_state)
    state, delivered = deliver(pipeline, state, measured, stream)
    observation = _observe(pipeline, state, measured, frame, delivered)
    following, memory = slice_state.following, slice_state.motion
    if following is not None and followed is not None:
        breath, breathing = watch_breath(following, memory.breath, followed)
        memory = replace(memory, breath=breath)
        organs = organs_percent(following, followed, slice_state.masks)
        observation = replace(observation, breath=breathing, organs_percent=organs)
    findings = judge_motion(pipeline.protocol, observation)
    others = (one.masks.keys() for one in state.slices.values())
    findings += unseen(pipeline.protocol, set(slice_state.masks).union(*others))
    decision = decide(
        findings,
        is_baseline=_is_learning(followed),
        therapy="mrlinac",
        is_gate_open=followed is not None and followed.gate is not None and followed.gate.is_open,
    )
    time_s = observation.time_s
    memory = _remembered(memory, observation, frame.frame_id)
    verdict = Verdict(
        frame.frame_id,
        frame.key,
        "COMPUTED",
        decision,
        time_s,
        findings,
        motion=None if followed is None else _reading(state, memory, followed),
        delivered=delivered,
    )
    if followed is not None:
        seen = followed.displacement
        trained, wanted = seen.training_frames, seen.training_wanted
        verdict = replace(verdict, baseline_frames=trained, baseline_wanted=wanted)
    held_since_s = None
    if decision == "HELD":
        held_since_s = time_s if memory.held_since_s is None else memory.held_since_s
    slice_state = replace(slice_state, motion=replace(memory, held_since_s=held_since_s))
    if time_s is not None and frame.is_complete:
        slice_state = replace(slice_state, previous_time_s=time_s)
    slices = {**state.slices, stream: slice_state}
    state = replace(state, slices=slices)
    maps = _maps(measured, time_s, plane_gy(state, stream, measured.image))
    return state, verdict, replace(maps, region_bits=_region_bits(pipeline, measured))


def _region_bits(pipeline: Pipeline, measured: Measured) -> NDArray[np.uint16] | None:
    slice_state, followed = measured.slice, measured.followed
    following = slice_state.following
    if followed is None or following is None:
        return slice_state.region_bits
    masks = moved_masks(
        pipeline.protocol, slice_state.masks, followed.displacement, following.tracker.plan
    )
    return region_bits(pipeline.protocol, masks, shape=measured.image.pixels.shape)


def _aimed(pipeline: Pipeline, measured: Measured, frame: Frame) -> Measured:
    following, followed = measured.slice.following, measured.followed
    if following is None or followed is None:
        return measured
    plan, interval_s = pipeline.reconstructor.plan, measured.slice.motion.frame_period_s
    following, followed = aim(
        following, followed, frame, plan, interval_s=math.nan if interval_s is None else interval_s
    )
    slice_state = replace(measured.slice, following=following)
    return replace(measured, slice=slice_state, followed=followed)


def _is_learning(followed: Followed | None) -> bool:
    return followed is None or followed.displacement.is_training


def _recent(beam: BeamLog) -> BeamLog:
    """Return the last reports: dose remembers what the others have said."""
    last = slice(-MOST_REPORTS, None)
    return BeamLog(beam.time_s[last], beam.number[last], beam.is_on[last], beam.mu[last])


def _observe(
    pipeline: Pipeline,
    state: PipelineState,
    measured: Measured,
    frame: Frame,
    delivered: DeliveredDose | None,
) -> MotionObservation:
    image, followed, slice_state = measured.image, measured.followed, measured.slice
    memory = slice_state.motion
    plan = None if pipeline.accumulator is None else pipeline.accumulator.plan
    observation = MotionObservation(
        displacement=None if followed is None else followed.displacement,
        time_s=image.time_s if math.isfinite(image.time_s) else None,
        previous_time_s=slice_state.previous_time_s,
        frame_period_s=memory.frame_period_s,
        **wholeness(frame, image),
        pose=frame.pose,
        is_reference_lost=memory.is_reference_lost,
        first_pose=memory.first_pose,
        first_volume_mm3=memory.first_volume_mm3,
        beam=state.beam,
        held_since_s=memory.held_since_s,
        delivered=delivered,
        prescription_gy=None if plan is None else plan.prescription_gy,
    )
    if followed is None:
        return observation
    return replace(
        observation,
        prediction=followed.prediction,
        gate=followed.gate,
        surrogate_mm=followed.by_surrogate_mm,
    )


def _remembered(memory: MotionMemory, seen: MotionObservation, frame_id: int) -> MotionMemory:
    """Return the memory with one more frame; the first one that taught is the reference."""
    if not seen.is_complete or not seen.is_finite or seen.displacement is None:
        return memory
    if memory.first_pose is None and not seen.displacement.doubts:
        volume_mm3 = seen.displacement.volume_mm3
        memory = replace(
            memory,
            reference_frame=frame_id,
            first_pose=seen.pose,
            first_volume_mm3=volume_mm3,
        )
    if seen.time_s is None:
        return memory
    earlier = tuple(one for one in memory.times_s if one < seen.time_s)
    return replace(memory, times_s=(*earlier, seen.time_s)[-_KEPT_TIMES:])


def _reading(state: PipelineState, memory: MotionMemory, followed: Followed) -> MotionReading:
    """Return what a verdict says of motion: what is not known is None, for JSON has no NaN."""
    seen, prediction, gate = followed.displacement, followed.prediction, followed.gate
    reading = MotionReading(
        time_s=_number(seen.time_s),
        displacement_mm=_pair(seen.displacement_mm),
        displacement_lps_mm=state.place_lps_mm,
        similarity=_number(seen.similarity),
        similarity_limit=_number(seen.similarity_limit),
        area_mm2=_number(seen.area_mm2),
        volume_mm3=_number(seen.volume_mm3),
        doubts=seen.doubts,
        is_beam_on=state.beam.is_beam_on,
        reference_frame=memory.reference_frame,
    )
    if prediction is not None:
        reading = replace(
            reading,
            effect_time_s=_number(prediction.effect_time_s),
            predicted_mm=_pair(prediction.position_mm),
            predicted_low_mm=_pair(prediction.low_mm),
            predicted_high_mm=_pair(prediction.high_mm),
        )
    if gate is None:
        return reading
    return replace(
        reading,
        outside_percent=_number(gate.outside_percent),
        predicted_outside_percent=_number(gate.predicted_outside_percent),
        probability=_number(gate.probability),
        is_gate_open=gate.is_open,
        gate_center_mm=_pair(gate.center_mm),
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _pair(values: Sequence[float]) -> tuple[float, float] | None:
    return (values[0], values[1]) if len(values) == 2 and all(map(math.isfinite, values)) else None


def _maps(measured: Measured, time_s: float | None, dose_gy: NDArray[np.float32]) -> Maps:
    image, followed = measured.image, measured.followed
    shape = image.pixels.shape
    target_mask = np.zeros(shape, np.bool_)
    if followed is not None:
        target_mask[0] = followed.displacement.target_mask
    return Maps(
        image.frame_id,
        image.key,
        time_s,
        image.fov_mm,
        image.pose,
        magnitude=np.abs(image.pixels),
        target_mask=target_mask,
        dose_gy=dose_gy,
    )
