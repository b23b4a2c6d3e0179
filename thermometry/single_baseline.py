"""Temperature against the mean of the first images: the single-baseline method.

It needs a target that stays where it was: motion and its field changes read as temperature. Not
validated in fat, whose electron screening hardly depends on temperature.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import Image, TemperatureMap
from thermometry.baseline import Coils, Gathering, Reference, finish, gather
from thermometry.coil_images import coils_of, frozen, noise_std_of
from thermometry.conversion import NEVER, to_temperature, torn
from thermometry.drift import DriftBasis, DriftFit, fit_drift
from thermometry.magnitude import compare_magnitudes
from thermometry.phase import Observation, observe, wrap
from thermometry.plan import ThermometryPlan

NO_PIXELS, NO_WEIGHTS = np.empty(0, np.intp), np.empty(0, np.float64)

# A step of more than π between two frames reads as its complement, for good. Where the middle of a
# spot may have done so, pixels at its flank come close to π.
AMBIGUOUS_RAD: Final = np.float32(0.8 * math.pi)


@dataclass(frozen=True, slots=True, eq=False)
class BaselineState:
    """What the next image is compared with.

    phase_rad: float32 (z, y, x), the last valid phase of each pixel, unwrapped, drift removed.
    drift_rad: float64 (term,), the last drift that could be trusted, unwrapped in time.
    """

    gathering: Gathering | None
    reference: Reference | None
    phase_rad: NDArray[np.float32]
    drift_rad: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SingleBaseline:
    """Phase difference to N averaged reference images, unwrapped in time, drift removed."""

    plan: ThermometryPlan
    basis: DriftBasis
    fitted_region: NDArray[np.bool_]

    def __init__(self, plan: ThermometryPlan) -> None:
        object.__setattr__(self, "plan", plan)
        object.__setattr__(self, "basis", DriftBasis(plan.shape, plan.drift_order))
        object.__setattr__(self, "fitted_region", plan.reference_mask & ~plan.heated_mask)

    def start(self) -> BaselineState:
        """State before the first image."""
        return BaselineState(
            gathering=None,
            reference=None,
            phase_rad=frozen(np.zeros(self.plan.shape, np.float32)),
            drift_rad=frozen(np.zeros(self.basis.n_terms)),
        )

    def step(self, state: BaselineState, image: Image) -> tuple[BaselineState, TemperatureMap]:
        """State and map after one more image.

        The first `baseline_frames` complete images make the reference and give no temperature. An
        incomplete image gives no temperature and leaves no trace.
        """
        if not image.is_complete:
            return state, self.blank(state, image)
        if state.reference is None:
            return self.gather(state, image)
        seen = see(image, state.reference, plan=self.plan)
        ratio, similarity = compare_magnitudes(seen, state.reference)
        state, measured = self.convert(state, image, seen)
        return state, replace(measured, similarity=similarity, magnitude_ratio=ratio)

    def gather(self, state: BaselineState, image: Image) -> tuple[BaselineState, TemperatureMap]:
        """Add an image to the baseline, and settle the reference with the last of them."""
        coils = coils_of(image, self.plan)
        known = None if state.gathering is None else state.gathering.mean
        _check_coils(image, coils, known=known)
        gathering = gather(state.gathering, coils, noise_std=noise_std_of(image), basis=self.basis)
        state = replace(state, gathering=gathering)
        baseline_map = replace(self.blank(state, image), is_baseline=True)
        if gathering.n_frames == self.plan.baseline_frames:
            reference = finish(gathering, min_snr=self.plan.min_snr)
            drift_rad = frozen(gathering.drift_rad)
            state = replace(state, gathering=None, reference=reference, drift_rad=drift_rad)
        return state, baseline_map

    def convert(
        self,
        state: BaselineState,
        image: Image,
        seen: Observation,
        *,
        fitted: NDArray[np.bool_] | None = None,
    ) -> tuple[BaselineState, TemperatureMap]:
        """Turn what is seen against the baseline into a map: drift off, unwrapped in time.

        fitted: bool (z, y, x), where this image shows the drift; None for the plan's own region.
        """
        plan = self.plan
        fit = self._fit_drift(state, seen, self.fitted_region if fitted is None else fitted)
        drift_rad = state.drift_rad if fit is None else frozen(fit.coefficients)
        drift = self.basis.evaluate(drift_rad)
        c_per_rad = np.float32(1.0 / plan.rad_per_c)
        drift_rad2 = np.zeros_like(drift) if fit is None else self.basis.variance(fit.covariance)
        # what moves the field where nothing heats moves it in the heat as well
        excess_rad2 = np.float32(0.0 if fit is None else fit.excess_rad**2)
        temperature_c, std_c, common_c, valid, kept_rad = to_temperature(
            seen.phase_rad.ravel(),
            drift.ravel(),
            state.phase_rad.ravel(),
            (seen.total_rad2 + excess_rad2).ravel(),
            seen.common_rad2.ravel(),
            drift_rad2.ravel(),
            NO_PIXELS if fit is None else fit.pixels,
            NO_WEIGHTS if fit is None else fit.weights,
            seen.usable.ravel(),
            c_per_rad,
            np.float32(plan.body_temperature_c),
            np.float32(plan.max_std_c),
        )
        held_rad = frozen(kept_rad.reshape(plan.shape))
        measured = TemperatureMap(
            frame_id=image.frame_id,
            key=image.key,
            time_s=image.time_s,
            temperature_c=frozen(temperature_c.reshape(plan.shape)),
            temperature_std_c=frozen(std_c.reshape(plan.shape)),
            common_std_c=frozen(common_c.reshape(plan.shape)),
            valid=frozen(valid.reshape(plan.shape)),
            is_baseline=False,
            baseline_frames=plan.baseline_frames,
            baseline_wanted=plan.baseline_frames,
            drift_rad=tuple(drift_rad.tolist()),
            drift_c=float(np.max(np.abs(drift.ravel() * valid)) * abs(c_per_rad)),
            drift_residual_c=0.0 if fit is None else fit.excess_rad * float(abs(c_per_rad)),
            is_drift_trusted=fit is not None or plan.drift_order < 0,
            ambiguous=may_have_wrapped(held_rad, state.phase_rad, valid.reshape(plan.shape)),
            misfit_sigma=math.nan if fit is None else _misfit_sigma(fit, seen),
        )
        return replace(state, phase_rad=held_rad, drift_rad=drift_rad), measured

    def _fit_drift(
        self, state: BaselineState, seen: Observation, fitted: NDArray[np.bool_]
    ) -> DriftFit | None:
        plan = self.plan
        if plan.drift_order < 0:
            return None
        pixels = self.basis.choose_pixels(seen.usable & fitted)
        if pixels.size == 0:
            return None
        terms = self.basis.terms.take(pixels, axis=1)
        variance = seen.total_rad2.take(pixels)
        expected = state.phase_rad.take(pixels) + state.drift_rad.astype(np.float32) @ terms
        residual = seen.phase_rad.take(pixels) - expected
        # the common turn first: what remains is small, so that no pixel wraps away from the rest
        turn = math.atan2(
            float(np.sum(np.sin(residual) / variance)), float(np.sum(np.cos(residual) / variance))
        )
        absolute = expected + wrap(residual - np.float32(turn)) + np.float32(turn)
        start = state.drift_rad.copy()
        start[0] += turn
        fit = fit_drift(terms, absolute, variance_rad2=variance, start=start)
        return None if fit is None else replace(fit, pixels=pixels)

    def _n_gathered(self, state: BaselineState) -> int:
        if state.reference is not None:
            return self.plan.baseline_frames
        return 0 if state.gathering is None else state.gathering.n_frames

    def blank(self, state: BaselineState, image: Image) -> TemperatureMap:
        """Return the map of an image that gives no temperature."""
        nothing = frozen(np.full(self.plan.shape, NEVER))
        return TemperatureMap(
            frame_id=image.frame_id,
            key=image.key,
            time_s=image.time_s,
            temperature_c=nothing,
            temperature_std_c=nothing,
            common_std_c=nothing,
            valid=frozen(np.zeros(self.plan.shape, np.bool_)),
            is_baseline=False,
            baseline_frames=self._n_gathered(state),
            baseline_wanted=self.plan.baseline_frames,
            drift_rad=tuple(float(c) for c in state.drift_rad),
        )


def may_have_wrapped(
    phase_rad: NDArray[np.float32], before_rad: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the pixels (z, y, x) that moved too far in this frame, or are torn from a neighbour.

    The first says so once, the second for as long as the wrong turn lasts.
    """
    return frozen((np.abs(phase_rad - before_rad) >= AMBIGUOUS_RAD) | torn(phase_rad, valid))


def _misfit_sigma(fit: DriftFit, seen: Observation) -> float:
    noise_rad2 = float(np.median(seen.total_rad2.take(fit.pixels)))
    return math.sqrt(1.0 + fit.excess_rad**2 / noise_rad2) if noise_rad2 > 0 else math.nan


def see(image: Image, reference: Reference, *, plan: ThermometryPlan) -> Observation:
    """Return the phase of an image against the reference.

    Raises ValueError where the number of coils has changed.
    """
    coils, noise_std = coils_of(image, plan), noise_std_of(image)
    _check_coils(image, coils, known=reference.profile)
    noise_variance = reference.noise_variance if noise_std is None else noise_std**2
    return observe(
        reference.white(coils), reference, noise_variance=noise_variance, min_snr=plan.min_snr
    )


def _check_coils(image: Image, coils: Coils, *, known: Coils | None) -> None:
    if known is not None and len(coils) != len(known):
        raise ValueError(
            f"frame {image.frame_id}: image has {len(coils)} coils, baseline has {len(known)}"
        )
