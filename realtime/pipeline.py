"""The treatment as a fold: (state, frame) → (state, verdict, maps). No clock, no socket, no file.

Live, replayed and simulated treatments all run through these functions, so a replay of a recording
gives the same bits on the same machine.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

import recon
import thermometry
from messages import BeamLog, Finding, Frame, Image, Maps, PowerLog, RegionReading, Verdict
from motion.dose import resumed
from realtime.alerts import faults
from realtime.alerts.observation_motion import MotionObservation
from realtime.alerts.remembering import remember
from realtime.alerts.rules import Observation, decide, judge, read_regions, unseen, whole
from realtime.alerts.rules_always import wholeness
from realtime.alerts.rules_linac import judge_place
from realtime.echo import doubtful_overrides
from realtime.pipeline_arfi import place_of, seek_focus
from realtime.pipeline_heat import foresee
from realtime.pipeline_inheritance import inherit, interrupted, with_inheritance
from realtime.pipeline_linac import conclude_linac
from realtime.pipeline_motion import follow
from realtime.pipeline_setup import build, open_slice, reconstruction_settings
from realtime.pipeline_state import (
    Measured,
    NoiseScan,
    Pipeline,
    PipelineState,
    SliceState,
    Stream,
    stream_of,
)
from thermometry.dose.thresholds import THRESHOLDS

__all__ = [
    "Measured",
    "NoiseScan",
    "Pipeline",
    "PipelineState",
    "SliceState",
    "Stream",
    "build",
    "conclude",
    "fold",
    "inherit",
    "interrupt",
    "measure",
    "open_slice",
    "reconstruct",
    "reconstruction_settings",
    "slice_of",
    "stream_of",
    "take_refined",
    "to_refine",
]

_NECROSIS_CEM43_MIN = THRESHOLDS["necrosis"].cem43_min


def slice_of(pipeline: Pipeline, state: PipelineState, frame: Frame) -> SliceState:
    """Return the state of the frame's slice, opened where the frame is its first."""
    found = state.slices.get(stream_of(frame))
    if found is not None:
        return found
    key = frame.key
    opened = open_slice(pipeline, frame.pose, slice_number=key.slice, contrast=key.contrast)
    opened = with_inheritance(opened, state.inherited, stream_of(frame))
    if not state.is_interrupted:
        return opened
    lost = replace(opened.motion, is_reference_lost=opened.following is not None)
    return replace(interrupted(opened), motion=lost)


def reconstruct(
    pipeline: Pipeline, slice_state: SliceState, partial: recon.Partial, frame: Frame
) -> tuple[SliceState, Image]:
    """Return the frame's image; the first complete frames of a slice settle its calibration."""
    reconstructor, calibration = pipeline.reconstructor, slice_state.calibration
    if calibration is None or calibration.is_rolling or not calibration.is_ready:
        calibration = reconstructor.calibrate(partial, frame, calibration)
        slice_state = replace(slice_state, calibration=calibration)
    return slice_state, reconstructor.finish(partial, frame, calibration)


def measure(slice_state: SliceState, image: Image) -> Measured:
    """Return where the target is in an image, and its temperature and dose."""
    following, followed = slice_state.following, None
    if following is not None:
        following, followed = follow(following, image)
        slice_state = replace(slice_state, following=following)
    thermometer = slice_state.thermometer
    if thermometer is None or slice_state.dose is None:
        return Measured(image, slice_state, None, None, followed=followed)
    next_thermometry, seen = thermometer.step(slice_state.thermometry, image)
    temperature = thermometry.correct(thermometer.plan, seen)
    if following is not None and following.registration is not None and followed is not None:
        temperature = following.registration(temperature, followed.displacement)
    next_dose, dose = thermometry.accumulate_dose(slice_state.dose, temperature)
    next_arrhenius = slice_state.arrhenius
    if next_arrhenius is not None:
        next_arrhenius, omega = thermometry.accumulate_arrhenius(next_arrhenius, temperature)
        dose = replace(dose, arrhenius_omega=omega)
    is_measured = image.is_complete and not temperature.is_baseline
    moved = replace(
        slice_state,
        thermometry=next_thermometry,
        dose=next_dose,
        arrhenius=next_arrhenius,
        is_settled=slice_state.is_settled or is_measured,
    )
    return Measured(image, moved, temperature, dose, followed=followed)


def conclude(
    pipeline: Pipeline,
    state: PipelineState,
    measured: Measured,
    frame: Frame,
    power: PowerLog,
    beam: BeamLog | None = None,
) -> tuple[PipelineState, Verdict, Maps]:
    """Return the verdict on a measured frame, its maps, and the state for the next frame."""
    protocol = pipeline.protocol
    if protocol.protocol.therapy == "mrlinac":
        return conclude_linac(pipeline, state, measured, frame, beam or BeamLog())
    measured = foresee(pipeline, measured, frame, power)
    state = seek_focus(pipeline, state, measured)
    image_s = measured.image.time_s
    time_s = image_s if math.isfinite(image_s) else None
    slice_state, readings, findings = _judged(pipeline, state, measured, frame, time_s)
    is_baseline = measured.temperature is not None and measured.temperature.is_baseline
    decision = decide(findings, is_baseline=is_baseline, therapy=protocol.protocol.therapy)
    verdict = Verdict(frame.frame_id, frame.key, "COMPUTED", decision, time_s, findings, readings)
    if measured.temperature is not None:
        verdict = replace(
            verdict,
            baseline_frames=measured.temperature.baseline_frames,
            baseline_wanted=measured.temperature.baseline_wanted,
            lesion_mm3=_lesion_mm3(measured),
        )
    if time_s is not None and frame.is_complete:
        slice_state = replace(slice_state, previous_time_s=time_s)
    slices = {**state.slices, stream_of(frame): slice_state}
    return replace(state, slices=slices), verdict, _maps(measured, time_s)


def _judged(
    pipeline: Pipeline,
    state: PipelineState,
    measured: Measured,
    frame: Frame,
    time_s: float | None,
) -> tuple[SliceState, tuple[RegionReading, ...], tuple[Finding, ...]]:
    """Return what the rules remember of a frame, its regions' figures, and what was found."""
    slice_state, protocol = measured.slice, pipeline.protocol
    how_whole = wholeness(frame, measured.image)
    if measured.temperature is None:
        return slice_state, (), whole(**how_whole)
    readings = read_regions(
        protocol, slice_state.masks, measured.temperature, measured.dose, measured.forecast
    )
    observation = replace(
        _observe(pipeline, measured, frame),
        regions=readings,
        focus=state.focus.get(place_of(frame.key)),
        time_s=time_s,
        **how_whole,
    )
    history = remember(slice_state.history, observation)
    findings = judge(protocol, replace(observation, history=history))
    if measured.followed is not None:
        followed = MotionObservation(
            displacement=measured.followed.displacement,
            is_reference_lost=slice_state.motion.is_reference_lost,
        )
        findings += judge_place(protocol, followed)
    others = (one.masks.keys() for one in state.slices.values())
    findings += unseen(protocol, set(slice_state.masks).union(*others))
    return replace(slice_state, history=history), readings, findings + _doubted(pipeline)


def _doubted(pipeline: Pipeline) -> tuple[Finding, ...]:
    """Return what stands against the protocol's own echo time and field strength."""
    settings = pipeline.protocol.thermometry
    doubts = "" if settings is None else doubtful_overrides(settings, pipeline.header)
    return (faults.header_override(doubts),) if doubts else ()


def _observe(pipeline: Pipeline, measured: Measured, frame: Frame) -> Observation:
    """Return what the rules may look at; `measured` has a temperature."""
    slice_state, settings = measured.slice, pipeline.protocol.thermometry
    if measured.temperature is None or settings is None:
        raise ValueError("rules judge a temperature, the frame has none")
    return Observation(
        temperature=measured.temperature,
        dose=measured.dose,
        masks=slice_state.masks,
        previous_time_s=slice_state.previous_time_s,
        power=slice_state.power,
        forecast=measured.forecast,
        voxel_mm=slice_state.voxel_mm,
        body_temperature_c=settings.body_temperature_c,
        pose=frame.pose,
        magnitude=_magnitude(measured),
        previous_peak_c=slice_state.history.peak_c,
    )


def fold(
    pipeline: Pipeline,
    state: PipelineState,
    frame: Frame,
    power: PowerLog | None = None,
    beam: BeamLog | None = None,
) -> tuple[PipelineState, Verdict, Maps]:
    """Return all of a frame in one step: what the worker does, without its shared memory."""
    reconstructor = pipeline.reconstructor
    slice_state = slice_of(pipeline, state, frame)
    partial = reconstructor.absorb(
        reconstructor.start(slice_state.calibration),
        frame.readouts,
        frame.samples,
        frame.trajectory,
    )
    slice_state, image = reconstruct(pipeline, slice_state, partial, frame)
    measured = measure(slice_state, image)
    return conclude(pipeline, state, measured, frame, power or PowerLog(), beam)


def to_refine(pipeline: Pipeline, state: PipelineState) -> tuple[Stream, recon.Calibration] | None:
    """Return a slice whose calibration a slower method can still better; None where there is none.

    `pipeline.reconstructor.refine` takes longer than a frame may: run it beside the stream.
    """
    if pipeline.protocol.recon.coil_maps == "low-resolution":
        return None
    for stream, one in state.slices.items():
        calibration = one.calibration
        if calibration is None or calibration.is_rolling or one.is_refined:
            continue
        if calibration.is_ready:
            return stream, calibration
    return None


def take_refined(
    state: PipelineState, stream: Stream, calibration: recon.Calibration
) -> PipelineState:
    """Return the state with a refined calibration; too late for a slice that is settled.

    Other coil maps turn the phase of the image: the baseline is gathered anew.
    """
    one = state.slices[stream]
    refined = replace(one, is_refined=True)
    if not one.is_settled and calibration is not one.calibration:
        refined = replace(refined, calibration=calibration)
        if one.thermometer is not None:
            refined = replace(refined, thermometry=one.thermometer.start())
    return replace(state, slices={**state.slices, stream: refined})


def interrupt(state: PipelineState) -> PipelineState:
    """Mark every dose as interrupted: frames were lost, so it is a lower bound from here on."""
    slices = {stream: interrupted(one) for stream, one in state.slices.items()}
    delivery = None if state.delivery is None else resumed(state.delivery)
    return replace(state, slices=slices, delivery=delivery, is_interrupted=True)


def _maps(measured: Measured, time_s: float | None) -> Maps:
    image, temperature, dose = measured.image, measured.temperature, measured.dose
    magnitude = _magnitude(measured)
    maps = Maps(image.frame_id, image.key, time_s, image.fov_mm, image.pose, magnitude)
    if temperature is None:
        return maps
    nothing = np.full(image.pixels.shape, np.nan, np.float32)
    omega = None if dose is None else dose.arrhenius_omega
    has_dose = dose is not None and not temperature.is_baseline
    return replace(
        maps,
        temperature_c=temperature.temperature_c,
        temperature_std_c=temperature.temperature_std_c,
        valid=temperature.valid,
        dose_cem43_min=dose.cem43_min if has_dose and dose else nothing,
        dose_low_cem43_min=dose.cem43_low_min if has_dose and dose else nothing,
        dose_high_cem43_min=dose.cem43_high_min if has_dose and dose else nothing,
        arrhenius_omega=nothing if omega is None else omega,
        region_bits=measured.slice.region_bits,
    )


def is_shown_as_it_is(slice_state: SliceState) -> bool:
    """Whether the picture that people see is the image's own, and nothing of motion goes along."""
    return slice_state.following is None


def _magnitude(measured: Measured) -> NDArray[np.float32]:
    """Return the magnitude, moved back with the tissue as the temperature is."""
    magnitude: NDArray[np.float32] = np.abs(measured.image.pixels)
    following, followed = measured.slice.following, measured.followed
    if followed is None or following is None or following.registration is None:
        return magnitude
    return following.registration.image(magnitude, followed.displacement)


def _lesion_mm3(measured: Measured) -> tuple[float, float, float] | None:
    dose = measured.dose
    if dose is None:
        return None
    voxel_mm = measured.slice.voxel_mm
    lesion = thermometry.measure_lesion(dose, cem43_min=_NECROSIS_CEM43_MIN, voxel_mm=voxel_mm)
    return lesion.low_mm3, lesion.volume_mm3, lesion.high_mm3
