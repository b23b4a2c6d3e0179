"""What is decided before the first frame: the pipeline of a session, and a slice's first state."""

import math
from collections.abc import Mapping
from dataclasses import fields

import recon
import thermometry
from messages import Pose, ProtocolError, SessionHeader
from motion.dose import Accumulator, DosePlan
from realtime import protocol_sections
from realtime.echo import echo_time_and_frequency, echo_times_of, joined_contrasts
from realtime.header_in_force import header_in_force
from realtime.lines_left_out import require_lines
from realtime.method_demands import require_memory, require_pixels
from realtime.pipeline_following import open_following
from realtime.pipeline_state import NoiseScan, Pipeline, SliceState
from realtime.protocol import AUTO, Protocol
from realtime.protocol_methods import FOR_FOLDED_IMAGES
from realtime.readout_bandwidth import readout_bandwidth_hz_per_px, require_bandwidth
from realtime.region_bits import region_bits
from realtime.regions import Mask, heated_mask, reference_mask, region_masks
from thermometry.dose.arrhenius import MODELS
from thermometry.dose.between_frames import Integration
from thermometry.heat.forecast import Forecaster
from thermometry.heat.tissue import tissue

HAS_NAVIGATOR = ("radial", "goldenangle")


def build(
    protocol: Protocol,
    header: SessionHeader,
    *,
    n_coils: int,
    n_samples: int,
    noise: NoiseScan | None,
    imaging_sample_time_us: float = math.nan,
    dose_plan: DosePlan | None = None,
) -> Pipeline:
    """Return the pipeline for one session.

    header: as received; what the protocol overrides is applied here. imaging_sample_time_us: dwell
    time of the imaging readouts, NaN while there was none. dose_plan: what [dose] names, as read.
    Raises HeaderError or ProtocolError where header and protocol do not suffice.
    """
    whitening = _whitening(noise, header)
    header = header_in_force(header, protocol)
    plan = recon.plan(
        header,
        n_coils=n_coils,
        n_samples=n_samples,
        whitening=whitening,
        settings=reconstruction_settings(protocol),
        epi_reference=protocol.epi_reference,
    )
    _refuse_navigator(protocol, header)
    settings = protocol.thermometry
    name = reconstruction_method(protocol, plan)
    reconstructor = _reconstructor(protocol, plan, name)
    if settings is None:
        if protocol.document.dose is not None and dose_plan is None:
            raise ProtocolError("its plan was not read: no dose could be followed", key="dose")
        accumulator = None if dose_plan is None else Accumulator(dose_plan)
        return Pipeline(protocol, header, reconstructor, (), 0.0, accumulator=accumulator)
    require_lines(settings, plan, recon_method=name)
    _, h1_frequency_hz = echo_time_and_frequency(settings, header)
    n_joined = joined_contrasts(settings, header)
    require_memory(settings, plan, n_joined=n_joined)
    echo_times_s = echo_times_of(settings, header, n_joined=n_joined)
    if n_joined > 1:
        _refuse_window(protocol)
        reconstructor = recon.EchoTrain(reconstructor, n_joined)
    bandwidth_hz = readout_bandwidth_hz_per_px(plan.encoding, imaging_sample_time_us)
    if not math.isnan(imaging_sample_time_us):
        require_bandwidth(settings, plan.encoding, bandwidth_hz)
    return Pipeline(
        protocol,
        header,
        reconstructor,
        echo_times_s,
        h1_frequency_hz,
        n_joined,
        readout_bandwidth_hz_per_px=bandwidth_hz,
    )


def _whitening(noise: NoiseScan | None, header: SessionHeader) -> recon.Whitening | None:
    # noise of unknown bandwidth says nothing of its size in the image: thermometry then measures
    # the noise itself, from how the baseline scatters
    if noise is None or not min(noise.sample_time_us, noise.imaging_sample_time_us) > 0:
        return None
    return recon.whitening_from_noise(
        noise.samples,
        noise_sample_time_us=noise.sample_time_us,
        acquisition_sample_time_us=noise.imaging_sample_time_us,
        relative_receiver_noise_bandwidth=header.relative_receiver_noise_bandwidth,
    )


def _reconstructor(
    protocol: Protocol, plan: recon.ReconstructionPlan, name: str
) -> recon.Reconstructor:
    reconstructor, window = recon.METHODS[name](plan), protocol.recon.window_readouts
    return reconstructor if window is None else recon.SlidingWindow(reconstructor, window)


def _refuse_navigator(protocol: Protocol, header: SessionHeader) -> None:
    settings, sampling = protocol.motion, header.encodings[0].trajectory
    if settings is not None and settings.navigator and sampling not in HAS_NAVIGATOR:
        raise ProtocolError(
            f"is true, but the header's trajectory is {sampling!r}: it needs the centre of k-space "
            f"with each readout, expected one of {', '.join(HAS_NAVIGATOR)}",
            key="motion.navigator",
        )


def _refuse_window(protocol: Protocol) -> None:
    if protocol.recon.window_readouts is not None:
        raise ProtocolError(
            f"does not go with {protocol.protocol.therapy}'s echo trains, which are joined to one "
            "frame; expected none",
            key="recon.window_readouts",
        )


def reconstruction_method(protocol: Protocol, plan: recon.ReconstructionPlan) -> str:
    """Return the name of the method that a session is reconstructed by."""
    name, settings = protocol.recon.method, protocol.thermometry
    if name != AUTO:
        return name
    name = recon.methods_for(plan.encoding)[0]
    # it fits the lines that came: filled up, there is nothing left for it to do
    is_folded = settings is not None and settings.method == FOR_FOLDED_IMAGES
    return "fft" if is_folded and name == "grappa" else name


def reconstruction_settings(protocol: Protocol) -> recon.ReconstructionSettings:
    """Return what [recon] says to the reconstruction: its fields carry the same names."""
    names = (one.name for one in fields(recon.ReconstructionSettings))
    told = {name: getattr(protocol.recon, name) for name in names}
    return recon.ReconstructionSettings(**{**told, "iterations": protocol.recon.most_iterations})


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
    width_mm, height_mm, depth_mm = plan.recon_fov_mm
    voxel_mm = (depth_mm / z, height_mm / y, width_mm / x)
    following = open_following(protocol, masks, voxel_mm=voxel_mm, pose=pose)
    bits = region_bits(protocol, masks, shape=shape)
    if settings is None:
        return SliceState(
            masks, voxel_mm=voxel_mm, following=following, pose=pose, region_bits=bits
        )
    if contrast >= len(pipeline.echo_times_s):
        raise ValueError(
            f"contrast {contrast} has no echo time, the header names {len(pipeline.echo_times_s)}"
        )
    thermometer = thermometry.METHODS[settings.method](
        _thermometry_plan(
            pipeline, settings, masks, shape=shape, voxel_mm=voxel_mm, contrast=contrast
        )
    )
    forecaster = None
    if settings.heat_model:
        forecaster = Forecaster.around(
            _targets(protocol, masks),
            voxel_mm=voxel_mm,
            tissue=tissue(settings.tissue),
            body_c=settings.body_temperature_c,
        )
    return SliceState(
        masks,
        voxel_mm=voxel_mm,
        following=following,
        forecaster=forecaster,
        forecasts=() if forecaster is None else forecaster.start(),
        thermometer=thermometer,
        thermometry=thermometer.start(),
        dose=thermometry.start_dose(shape, integration=_between_frames(settings)),
        arrhenius=_start_arrhenius(settings.arrhenius, shape),
        pose=pose,
        region_bits=bits,
    )


def _thermometry_plan(
    pipeline: Pipeline,
    settings: protocol_sections.Thermometry,
    masks: Mapping[str, Mask],
    *,
    shape: tuple[int, int, int],
    voxel_mm: tuple[float, float, float],
    contrast: int,
) -> thermometry.ThermometryPlan:
    protocol = pipeline.protocol
    reference = reference_mask(masks, protocol, shape=shape)
    heated = heated_mask(masks, protocol, shape=shape)
    require_pixels(settings, reference=reference, heated=heated)
    return thermometry.ThermometryPlan(
        echo_time_s=pipeline.echo_times_s[contrast],
        echo_times_s=pipeline.echo_times_s if pipeline.n_joined > 1 else (),
        flip_angles_deg=pipeline.header.flip_angles_deg[: pipeline.n_joined],
        repetition_time_s=pipeline.header.repetition_time_s or math.nan,
        t1_change_percent_per_c=settings.t1_change_percent_per_c,
        t1_change_std_percent_per_c=settings.t1_change_std_percent_per_c,
        h1_frequency_hz=pipeline.h1_frequency_hz,
        alpha_ppm_per_c=settings.alpha_ppm_per_c,
        phase_sign=settings.phase_sign,
        body_temperature_c=settings.body_temperature_c,
        baseline_frames=settings.baseline_frames,
        drift_order=settings.drift_order,
        shape=shape,
        reference_mask=reference,
        heated_mask=heated,
        min_snr=settings.min_snr,
        max_std_c=settings.max_std_c,
        alpha_std_ppm_per_c=settings.alpha_std_ppm_per_c,
        voxel_mm=voxel_mm,
        readout_bandwidth_hz_per_px=pipeline.readout_bandwidth_hz_per_px,
        off_resonance_shift=settings.off_resonance_shift,
        pca_components=settings.pca_components,
        polynomial_order=settings.polynomial_order,
        sparsity=settings.sparsity,
        library_choice=settings.library_choice,
        tissue=settings.tissue,
    )


def _targets(protocol: Protocol, masks: Mapping[str, Mask]) -> dict[str, Mask]:
    return {
        one.name: masks[one.name]
        for one in protocol.region
        if one.role == "target" and one.name in masks
    }


def _start_arrhenius(name: str, shape: tuple[int, int, int]) -> thermometry.ArrheniusState | None:
    return None if name == "none" else thermometry.start_arrhenius(shape, MODELS[name])


def _between_frames(settings: protocol_sections.Thermometry) -> Integration:
    # the heat model's course needs frames to be fitted; until then the rate runs straight
    return "trapezoid" if settings.dose_integration == "model" else settings.dose_integration
