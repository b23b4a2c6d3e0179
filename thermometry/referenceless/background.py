"""Temperature against a background phase that comes from the frame itself."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from messages import Image, TemperatureMap
from thermometry.baseline import Reference
from thermometry.coil_images import Coils, coils_of, frozen, noise_std_of
from thermometry.conversion import NEVER, to_temperature
from thermometry.phase import Observation, observe
from thermometry.plan import ThermometryPlan
from thermometry.referenceless.own_phase import own_phase_reference
from thermometry.single_baseline import may_have_wrapped


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """The phase as it would be without heat. Arrays are float32 (z, y, x).

    variance_rad2: what noise makes of it, without the misfit.
    known: bool (z, y, x), where it may be believed.
    excess_rad: standard deviation of what the model leaves unexplained where there is no heat,
        beyond noise; as much is taken to be wrong where there is heat.
    pixels, weights: those that it was fitted to, as `conversion.to_temperature` takes them.
    """

    phase_rad: NDArray[np.float32]
    variance_rad2: NDArray[np.float32]
    known: NDArray[np.bool_]
    excess_rad: float
    pixels: NDArray[np.intp]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class OwnPhaseState:
    """What the next image is seen against.

    reference: the coils' directions, from the first complete image with signal.
    phase_rad: float32 (z, y, x), the last valid phase of each pixel, unwrapped in time, background
        removed.
    """

    reference: Reference | None
    phase_rad: NDArray[np.float32]


def start_own_phase(plan: ThermometryPlan) -> OwnPhaseState:
    """Return the state before the first image."""
    return OwnPhaseState(None, frozen(np.zeros(plan.shape, np.float32)))


def look(
    plan: ThermometryPlan, state: OwnPhaseState, image: Image
) -> tuple[OwnPhaseState, Observation]:
    """Return the image's own phase with its variance; the first image settles the coils.

    Raises ValueError where the number of coils changes.
    """
    coils, noise_std = coils_of(image, plan), noise_std_of(image)
    reference = state.reference
    if reference is None:
        reference = own_phase_reference(coils, noise_std=noise_std)
        state = replace(state, reference=reference)
    _check_coils(image, coils, reference)
    noise_variance = reference.noise_variance if noise_std is None else noise_std**2
    seen = observe(coils, reference, noise_variance=noise_variance, min_snr=plan.min_snr)
    return state, seen


def against_background(
    plan: ThermometryPlan,
    state: OwnPhaseState,
    image: Image,
    seen: Observation,
    background: Background | None,
) -> tuple[OwnPhaseState, TemperatureMap]:
    """Return the state and the map of what stands out from the background, unwrapped in time."""
    if background is None:
        return state, replace(blank(plan, image), is_drift_trusted=False)
    c_per_rad = np.float32(1.0 / plan.rad_per_c)
    # the anatomy that a model cannot follow is there in every frame
    excess_rad2 = np.float32(background.excess_rad**2)
    temperature_c, std_c, common_c, valid, kept_rad = to_temperature(
        seen.phase_rad.ravel(),
        background.phase_rad.ravel(),
        state.phase_rad.ravel(),
        (seen.total_rad2 + excess_rad2).ravel(),
        (seen.common_rad2 + excess_rad2).ravel(),
        background.variance_rad2.ravel(),
        background.pixels,
        background.weights,
        (seen.usable & background.known).ravel(),
        c_per_rad,
        np.float32(plan.body_temperature_c),
        np.float32(plan.max_std_c),
    )
    held_rad = frozen(kept_rad.reshape(plan.shape))
    map_ = replace(
        blank(plan, image),
        temperature_c=frozen(temperature_c.reshape(plan.shape)),
        temperature_std_c=frozen(std_c.reshape(plan.shape)),
        common_std_c=frozen(common_c.reshape(plan.shape)),
        valid=frozen(valid.reshape(plan.shape)),
        drift_residual_c=background.excess_rad * float(abs(c_per_rad)),
        ambiguous=may_have_wrapped(held_rad, state.phase_rad, valid.reshape(plan.shape)),
        misfit_sigma=_misfit_sigma(seen, background),
    )
    return replace(state, phase_rad=held_rad), map_


def blank(plan: ThermometryPlan, image: Image) -> TemperatureMap:
    """Return the map of an image that gives no temperature."""
    nothing = frozen(np.full(plan.shape, NEVER))
    return TemperatureMap(
        frame_id=image.frame_id,
        key=image.key,
        time_s=image.time_s,
        temperature_c=nothing,
        temperature_std_c=nothing,
        common_std_c=nothing,
        valid=frozen(np.zeros(plan.shape, np.bool_)),
        is_baseline=False,
        baseline_frames=0,
    )


def _misfit_sigma(seen: Observation, background: Background) -> float:
    usable = seen.usable & background.known
    if not usable.any():
        return math.nan
    noise_rad2 = float(np.mean(seen.total_rad2[usable]))
    return math.sqrt(1.0 + background.excess_rad**2 / noise_rad2)


def _check_coils(image: Image, coils: Coils, reference: Reference) -> None:
    if len(coils) != len(reference.profile):
        raise ValueError(
            f"frame {image.frame_id}: image has {len(coils)} coils, "
            f"the first had {len(reference.profile)}"
        )
