"""The treatment as a fold: (state, frame) → (state, verdict, maps). No clock, no socket, no file.

Live, replayed and simulated treatments all run through these functions, so a replay of a recording
gives the same bits on the same machine.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

import recon
import thermometry
from messages import (
    Frame,
    Image,
    Maps,
    Pose,
    RegionReading,
    SessionHeader,
    TemperatureMap,
    ThermalDose,
    Verdict,
)
from realtime.alerts.rules import Observation, decide, judge, read_regions, unseen, whole
from realtime.echo import echo_time_and_frequency
from realtime.header_in_force import header_in_force
from realtime.protocol import AUTO, Protocol
from realtime.regions import heated_mask, reference_mask, region_masks
from thermometry import DoseState, Thermometer

Stream = tuple[int, int, int, int]  # slice, contrast, phase, set


@dataclass(frozen=True, slots=True)
class NoiseScan:
    """The noise readouts of a session, and the dwell times that relate them to imaging."""

    samples: NDArray[np.complex64]
    sample_time_us: float
    imaging_sample_time_us: float


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """What stays the same for the whole session."""

    protocol: Protocol
    header: SessionHeader
    reconstructor: recon.Reconstructor
    echo_times_s: tuple[float, ...]
    h1_frequency_hz: float


@dataclass(frozen=True, slots=True, eq=False)
class SliceState:
    """What is carried from frame to frame of one slice (and contrast, phase and set).

    is_refined: its calibration is as good as it gets. is_settled: a temperature has been measured
        against its baseline, so that the phase of its images may no longer change.
    """

    masks: Mapping[str, NDArray[np.bool_]]
    calibration: recon.Calibration | None = None
    thermometer: Thermometer | None = None
    thermometry: object = None
    dose: DoseState | None = None
    previous_time_s: float | None = None
    is_refined: bool = False
    is_settled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PipelineState:
    """All that the worker remembers. Picklable: this is the checkpoint."""

    slices: Mapping[Stream, SliceState] = field(default_factory=dict)
    is_interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Power:
    """What the therapy device last said: watts, and since when they flow (scanner time)."""

    watts: float | None = None
    on_since_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """An image with its temperature and dose; None where the therapy has none."""

    image: Image
    slice: SliceState
    temperature: TemperatureMap | None
    dose: ThermalDose | None


def build(
    protocol: Protocol,
    header: SessionHeader,
    *,
    n_coils: int,
    n_samples: int,
    noise: NoiseScan | None,
) -> Pipeline:
    """Return the pipeline for one session.

    header: as received; what the protocol overrides is applied here.
    Raises HeaderError or ProtocolError where header and protocol do not suffice.
    """
    whitening = None
    # noise of unknown bandwidth says nothing of its size in the image: thermometry then measures
    # the noise itself, from how the baseline scatters
    if noise is not None and min(noise.sample_time_us, noise.imaging_sample_time_us) > 0:
        whitening = recon.whitening_from_noise(
            noise.samples,
            noise_sample_time_us=noise.sample_time_us,
            acquisition_sample_time_us=noise.imaging_sample_time_us,
            relative_receiver_noise_bandwidth=header.relative_receiver_noise_bandwidth,
        )
    header = header_in_force(header, protocol)
    plan = recon.plan(
        header,
        n_coils=n_coils,
        n_samples=n_samples,
        whitening=whitening,
        settings=reconstruction_settings(protocol),
        epi_reference=protocol.epi_reference,
    )
    name = protocol.recon.method
    name = recon.method_for(plan.encoding) if name == AUTO else name
    reconstructor = recon.METHODS[name](plan)
    settings = protocol.thermometry
    if settings is None:
        return Pipeline(protocol, header, reconstructor, (), 0.0)
    echo_time_s, h1_frequency_hz = echo_time_and_frequency(settings, header)
    is_overridden = settings.echo_time_ms is not None
    echo_times_s = (echo_time_s,) if is_overridden else header.echo_times_s
    return Pipeline(protocol, header, reconstructor, echo_times_s, h1_frequency_hz)


def reconstruction_settings(protocol: Protocol) -> recon.ReconstructionSettings:
    """Return what [recon] says to the reconstruction: its fields carry the same names."""
    names = (one.name for one in fields(recon.ReconstructionSettings))
    return recon.ReconstructionSettings(**{name: getattr(protocol.recon, name) for name in names})


def open_slice(
    pipeline: Pipeline, pose: Pose, *, slice_number: int = 0, contrast: int = 0
) -> SliceState:
    """Return the state before the first frame of a slice: its regions placed, nothing measured."""
    plan = pipeline.reconstructor.plan
    x, y, z = plan.recon_matrix
    shape = (z, y, x)
    protocol = pipeline.protocol
    # slices that are imaged one by one; those of a volume lie in one image
    is_one_of_many = z == 1 and (slice_number > 0 or pipeline.header.encodings[0].n_slices > 1)
    masks = region_masks(
        protocol,
        shape=shape,
        fov_mm=plan.recon_fov_mm,
        pose=pose,
        slice_number=slice_number if is_one_of_many else None,
    )
    settings = protocol.thermometry
    if settings is None:
        return SliceState(masks)
    if contrast >= len(pipeline.echo_times_s):
        raise ValueError(
            f"contrast {contrast} has no echo time, the header names {len(pipeline.echo_times_s)}"
        )
    thermometer = thermometry.METHODS[settings.method](
        thermometry.ThermometryPlan(
            echo_time_s=pipeline.echo_times_s[contrast],
            h1_frequency_hz=pipeline.h1_frequency_hz,
            alpha_ppm_per_c=settings.alpha_ppm_per_c,
            phase_sign=settings.phase_sign,
            body_temperature_c=settings.body_temperature_c,
            baseline_frames=settings.baseline_frames,
            drift_order=settings.drift_order,
            shape=shape,
            reference_mask=reference_mask(masks, protocol, shape=shape),
            heated_mask=heated_mask(masks, protocol, shape=shape),
            min_snr=settings.min_snr,
            max_std_c=settings.max_std_c,
        )
    )
    return SliceState(
        masks,
        thermometer=thermometer,
        thermometry=thermometer.start(),
        dose=thermometry.start_dose(shape),
    )


def slice_of(pipeline: Pipeline, state: PipelineState, frame: Frame) -> SliceState:
    """Return the state of the frame's slice, opened where the frame is its first."""
    found = state.slices.get(_stream(frame))
    if found is not None:
        return found
    key = frame.key
    opened = open_slice(pipeline, frame.pose, slice_number=key.slice, contrast=key.contrast)
    if state.is_interrupted and opened.dose is not None:
        opened = replace(opened, dose=thermometry.interrupt(opened.dose))
    return opened


def reconstruct(
    pipeline: Pipeline, slice_state: SliceState, partial: recon.Partial, frame: Frame
) -> tuple[SliceState, Image]:
    """Return the frame's image; the first complete frames of a slice settle its calibration."""
    reconstructor, calibration = pipeline.reconstructor, slice_state.calibration
    if calibration is None or not calibration.is_ready:
        calibration = reconstructor.calibrate(partial, frame, calibration)
        slice_state = replace(slice_state, calibration=calibration)
    return slice_state, reconstructor.finish(partial, frame, calibration)


def measure(slice_state: SliceState, image: Image) -> Measured:
    """Return temperature and dose of an image."""
    thermometer = slice_state.thermometer
    if thermometer is None or slice_state.dose is None:
        return Measured(image, slice_state, None, None)
    next_thermometry, temperature = thermometer.step(slice_state.thermometry, image)
    next_dose, dose = thermometry.accumulate_dose(slice_state.dose, temperature)
    is_measured = image.is_complete and not temperature.is_baseline
    moved = replace(
        slice_state,
        thermometry=next_thermometry,
        dose=next_dose,
        is_settled=slice_state.is_settled or is_measured,
    )
    return Measured(image, moved, temperature, dose)


def conclude(
    pipeline: Pipeline, state: PipelineState, measured: Measured, frame: Frame, power: Power
) -> tuple[PipelineState, Verdict, Maps]:
    """Return the verdict on a measured frame, its maps, and the state for the next frame."""
    protocol = pipeline.protocol
    slice_state = measured.slice
    time_s = frame.time_s if math.isfinite(frame.time_s) else None
    is_finite = bool(np.isfinite(measured.image.pixels).all())
    is_complete = frame.is_complete and measured.image.is_complete
    is_calibrated = measured.image.is_complete or not frame.is_complete
    findings = whole(is_complete=is_complete, is_finite=is_finite, is_calibrated=is_calibrated)
    readings: tuple[RegionReading, ...] = ()
    if measured.temperature is not None:
        readings = read_regions(protocol, slice_state.masks, measured.temperature, measured.dose)
        observation = Observation(
            temperature=measured.temperature,
            dose=measured.dose,
            masks=slice_state.masks,
            regions=readings,
            time_s=time_s,
            previous_time_s=slice_state.previous_time_s,
            power_w=power.watts,
            power_on_since_s=power.on_since_s,
            is_complete=is_complete,
            is_calibrated=is_calibrated,
            is_finite=is_finite,
        )
        others = (one.masks.keys() for one in state.slices.values())
        findings = judge(protocol, observation)
        findings += unseen(protocol, set(slice_state.masks).union(*others))
    is_baseline = measured.temperature is not None and measured.temperature.is_baseline
    decision = decide(findings, is_baseline=is_baseline, therapy=protocol.protocol.therapy)
    verdict = Verdict(frame.frame_id, frame.key, "COMPUTED", decision, time_s, findings, readings)
    if time_s is not None and frame.is_complete:
        slice_state = replace(slice_state, previous_time_s=time_s)
    slices = {**state.slices, _stream(frame): slice_state}
    return replace(state, slices=slices), verdict, _maps(measured, time_s)


def fold(
    pipeline: Pipeline, state: PipelineState, frame: Frame, power: Power | None = None
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
    return conclude(pipeline, state, measure(slice_state, image), frame, power or Power())


def to_refine(pipeline: Pipeline, state: PipelineState) -> tuple[Stream, recon.Calibration] | None:
    """Return a slice whose calibration a slower method can still better; None where there is none.

    `pipeline.reconstructor.refine` takes longer than a frame may: run it beside the stream.
    """
    if pipeline.protocol.recon.coil_maps == "low-resolution":
        return None
    for stream, one in state.slices.items():
        calibration = one.calibration
        if calibration is not None and calibration.is_ready and not one.is_refined:
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
    slices = {
        stream: replace(one, dose=None if one.dose is None else thermometry.interrupt(one.dose))
        for stream, one in state.slices.items()
    }
    return PipelineState(slices, is_interrupted=True)


def _stream(frame: Frame) -> Stream:
    key = frame.key
    return key.slice, key.contrast, key.phase, key.set


def _maps(measured: Measured, time_s: float | None) -> Maps:
    image, temperature, dose = measured.image, measured.temperature, measured.dose
    shape = image.pixels.shape
    nothing = np.full(shape, np.nan, np.float32)
    has_dose = dose is not None and temperature is not None and not temperature.is_baseline
    return Maps(
        frame_id=image.frame_id,
        key=image.key,
        time_s=time_s,
        fov_mm=image.fov_mm,
        pose=image.pose,
        magnitude=np.abs(image.pixels),
        temperature_c=nothing if temperature is None else temperature.temperature_c,
        temperature_std_c=nothing if temperature is None else temperature.temperature_std_c,
        valid=np.zeros(shape, np.bool_) if temperature is None else temperature.valid,
        dose_cem43_min=dose.cem43_min if has_dose and dose else nothing,
        dose_low_cem43_min=dose.cem43_low_min if has_dose and dose else nothing,
        dose_high_cem43_min=dose.cem43_high_min if has_dose and dose else nothing,
    )
