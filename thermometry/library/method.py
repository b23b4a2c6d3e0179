"""What all methods with a library share: training, drift, misfit, conversion; each adds a model."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from messages import Image, TemperatureMap
from thermometry.coil_images import Coils, coils_of, frozen, noise_std_of
from thermometry.conversion import NEVER, to_temperature
from thermometry.drift import DriftBasis
from thermometry.library.fit import Fitted, Prediction, Seen, fit, see, that_pulled
from thermometry.library.in_plane_shift import box_around, measure_shift
from thermometry.library.moving_heat import followed
from thermometry.library.phases import Phases, turned
from thermometry.library.training import Library, Training, finish, gather, judge_library
from thermometry.phase import wrap
from thermometry.plan import ThermometryPlan
from thermometry.single_baseline import may_have_wrapped


@dataclass(frozen=True, slots=True, eq=False)
class LibraryState:
    """What the next image is compared with.

    reference: the library and what its method has learned of it; the same object from frame to
        frame once it is there.
    phase_rad: float32 (z, y, x), the last valid phase of each pixel, unwrapped, drift removed.
    drift_rad: float64 (term,), the last drift that could be trusted, unwrapped in time.
    """

    training: Training | None
    reference: tuple[Library, Any] | None
    phase_rad: NDArray[np.float32]
    drift_rad: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LibraryMethod(ABC):
    """Phase against what a library predicts, drift removed, unwrapped in time."""

    plan: ThermometryPlan
    basis: DriftBasis = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "basis", DriftBasis(self.plan.shape, self.plan.drift_order))

    @abstractmethod
    def _learn(self, library: Library) -> tuple[Any, Phases, NDArray[np.float64]]:
        """Return the model, and what leaving each image out shows.

        That is the phase (image, pixel) that the others leave of it, and their weights.
        """

    @abstractmethod
    def _predict(
        self,
        library: Library,
        model: Any,  # noqa: ANN401 - each method has a model of its own
        image: NDArray[np.complex64],
    ) -> Prediction:
        """Return the prediction for an image (pixel,) whose last known drift is taken off."""

    def start(self) -> LibraryState:
        """State before the first image."""
        zeros = frozen(np.zeros(self.plan.shape, np.float32))
        return LibraryState(None, None, zeros, frozen(np.zeros(self.basis.n_terms)))

    def step(self, state: LibraryState, image: Image) -> tuple[LibraryState, TemperatureMap]:
        """State and map after one more image.

        The first `baseline_frames` complete images make the library and give no temperature. An
        incomplete image gives no temperature and leaves no trace.
        """
        if not image.is_complete:
            return state, self._blank(state, image)
        coils = coils_of(image, self.plan)
        self._check(state, image, len(coils))
        if state.reference is None:
            return self._train(state, image, coils)
        return self._measure(state, image, coils)

    def _check(self, state: LibraryState, image: Image, n_coils: int) -> None:
        profile = None
        if state.reference is not None:
            profile = state.reference[0].profile
        elif state.training is not None:
            profile = state.training.profile
        if profile is not None and len(profile.conjugate) != n_coils:
            known = len(profile.conjugate)
            raise ValueError(
                f"frame {image.frame_id}: image has {n_coils} coils, baseline has {known}"
            )

    def _train(
        self, state: LibraryState, image: Image, coils: Coils
    ) -> tuple[LibraryState, TemperatureMap]:
        training = gather(state.training, coils, noise_std=noise_std_of(image))
        state = replace(state, training=training)
        made = replace(self._blank(state, image), is_baseline=True)
        if len(training.images) < self.plan.baseline_frames:
            return state, made
        library = finish(training, self.plan, self.basis)
        model, residual_rad, weights = self._learn(library)
        library = judge_library(library, residual_rad, weights, basis=self.basis)
        state = replace(
            state, training=None, reference=(library, model), drift_rad=library.drift_rad
        )
        c_per_rad = abs(1.0 / self.plan.rad_per_c)
        return state, replace(
            made,
            misfit_sigma=library.misfit_sigma,
            drift_residual_c=library.misfit_rad * c_per_rad,
        )

    def _measure(
        self, state: LibraryState, image: Image, coils: Coils
    ) -> tuple[LibraryState, TemperatureMap]:
        if state.reference is None:
            raise ValueError("no library yet")
        library, model = state.reference
        noise_std = noise_std_of(image)
        noise = (
            library.noise_variance if noise_std is None else (noise_std * library.profile.gain) ** 2
        )
        seen_image, finite = library.profile.project(coils)
        drift = self.basis.evaluate(state.drift_rad).ravel()
        still = turned(seen_image, -drift)
        prediction = self._predict(library, model, still)
        seen = see(library, still, finite, prediction, noise=noise, min_snr=self.plan.min_snr)
        fitted = fit(self.basis, seen, prediction, last_rad=state.drift_rad)
        return self._convert(state, image, still, prediction, seen, fitted)

    def _convert(
        self,
        state: LibraryState,
        image: Image,
        seen_image: NDArray[np.complex64],
        prediction: Prediction,
        seen: Seen,
        fitted: Fitted,
    ) -> tuple[LibraryState, TemperatureMap]:
        plan, shape = self.plan, self.plan.shape
        weights = prediction.weights
        if prediction.scores is not None:
            weights = weights + prediction.scores @ fitted.added
        grown = np.float32(np.sum(weights**2) / max(float(np.sum(prediction.weights**2)), 1e-12))
        common = seen.library_rad2 * grown
        widened = np.float32(max(1.0, fitted.misfit**2))
        unexplained = np.float32(fitted.model_share) * seen.model_rad2
        total = (seen.image_rad2 + common + unexplained) * widened
        held = followed(
            state.phase_rad,
            wrap(seen.phase_rad - fitted.phase_rad).reshape(shape),
            seen.usable.reshape(shape),
        )
        c_per_rad = np.float32(1.0 / plan.rad_per_c)
        temperature_c, std_c, common_c, valid, kept_rad = to_temperature(
            seen.phase_rad,
            fitted.phase_rad,
            held.ravel(),
            total,
            common * widened,
            fitted.variance_rad2 * widened,
            *that_pulled(fitted, total),
            seen.usable,
            c_per_rad,
            np.float32(plan.body_temperature_c),
            np.float32(plan.max_std_c),
        )
        kept = frozen(kept_rad.reshape(shape))
        drift = self.basis.evaluate(fitted.drift_rad).ravel()
        measured = TemperatureMap(
            frame_id=image.frame_id,
            key=image.key,
            time_s=image.time_s,
            temperature_c=frozen(temperature_c.reshape(shape)),
            temperature_std_c=frozen(std_c.reshape(shape)),
            common_std_c=frozen(common_c.reshape(shape)),
            valid=frozen(valid.reshape(shape)),
            is_baseline=False,
            baseline_frames=plan.baseline_frames,
            baseline_wanted=plan.baseline_frames,
            drift_rad=tuple(fitted.drift_rad.tolist()),
            drift_c=float(np.max(np.abs(drift * valid)) * abs(c_per_rad)),
            drift_residual_c=fitted.excess_rad * float(abs(c_per_rad)),
            is_drift_trusted=fitted.robust is not None or self.basis.n_terms == 0,
            ambiguous=may_have_wrapped(kept, held, valid.reshape(shape)),
            misfit_sigma=fitted.misfit_sigma,
        )
        measured = self._with_motion(measured, seen_image, prediction, seen)
        return replace(state, phase_rad=kept, drift_rad=fitted.drift_rad), measured

    def _with_motion(
        self,
        measured: TemperatureMap,
        seen_image: NDArray[np.complex64],
        prediction: Prediction,
        seen: Seen,
    ) -> TemperatureMap:
        shape = self.plan.shape
        magnitude, baseline = np.abs(seen_image), np.abs(prediction.baseline)
        ratio = magnitude / np.where(seen.usable, baseline, np.float32(np.inf))
        return replace(
            measured,
            similarity=_correlation(magnitude, baseline, seen.usable & prediction.fitted),
            shift_px=measure_shift(
                magnitude.reshape(shape), baseline.reshape(shape), box_around(self.plan.heated_mask)
            ),
            magnitude_ratio=frozen(np.where(seen.usable, ratio, NEVER).reshape(shape)),
        )

    def _blank(self, state: LibraryState, image: Image) -> TemperatureMap:
        wanted = self.plan.baseline_frames
        n_gathered = 0 if state.training is None else len(state.training.images)
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
            baseline_frames=n_gathered if state.reference is None else wanted,
            baseline_wanted=wanted,
            drift_rad=tuple(state.drift_rad.tolist()),
        )


def _correlation(
    one: NDArray[np.float32], other: NDArray[np.float32], where: NDArray[np.bool_]
) -> float:
    """Correlation of two magnitudes, their means taken off; NaN where one is flat."""
    a, b = one[where].astype(np.float64), other[where].astype(np.float64)
    if a.size == 0:
        return math.nan
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else math.nan
