"""The library: complex images of a patient who breathes, gathered before the heat.

One image of each breathing state stands for the field that the moving organs make there. Images
keep what breathing does to them; only a drift that grows evenly through the training is taken out.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from thermometry.baseline import ROUNDING
from thermometry.coil_images import Coils, frozen
from thermometry.coil_profile import CoilProfile, coil_profile
from thermometry.drift import MAD_TO_STD, DriftBasis
from thermometry.library.likeness import Likeness, likeness, similarity
from thermometry.library.phases import Phases, polynomials, slow_drift, turned, unwrapped
from thermometry.noise import noise_variance_from_detail
from thermometry.plan import ThermometryPlan

ZERO = np.float32(0)
SMOOTHED_PX: Final = 5  # the variance of few images is known over many pixels


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """The images so far: complex64 (pixel,) each, coils combined by the first one's profile.

    finite: bool (pixel,), in all of them. noise_variances: E|n|² of each image that gave one.
    """

    profile: CoilProfile
    images: tuple[NDArray[np.complex64], ...]
    finite: NDArray[np.bool_]
    noise_variances: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """The finished library. Arrays end in (pixel,).

    images: complex64 (image, pixel), slow drift taken out.
    phases: float32 (image, pixel), theirs, unwrapped.
    drift_rad: float64 (term,), the drift at the last image.
    noise_variance: E|n|² of one image, for images that do not give their own.
    usable: bool, enough signal on average. outside: bool, where drift and breath may be fitted.
    model_rad2: float32, variance of the phase that leaving one image out does not explain.
    misfit_sigma, misfit_rad: the same over all pixels outside the heat: over the noise, and what
        is beyond it; NaN of one image.
    """

    profile: CoilProfile
    images: NDArray[np.complex64]
    phases: Phases
    likeness: Likeness
    drift_rad: NDArray[np.float64]
    noise_variance: float
    usable: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    model_rad2: NDArray[np.float32]
    misfit_sigma: float = float("nan")
    misfit_rad: float = 0.0

    @property
    def energy(self) -> NDArray[np.float32]:
        """Mean |x|² over the images, without that of the noise; (pixel,)."""
        mean = np.mean(np.abs(self.images) ** 2, axis=0, dtype=np.float32)
        energy: NDArray[np.float32] = np.maximum(mean - np.float32(self.noise_variance), ZERO)
        return energy


def gather(so_far: Training | None, coils: Coils, *, noise_std: float | None) -> Training:
    """Add one image (coil, z, y, x) to the training."""
    profile = coil_profile(coils) if so_far is None else so_far.profile
    image, finite = profile.project(coils)
    noise = () if noise_std is None else ((noise_std * profile.gain) ** 2,)
    if so_far is None:
        return Training(profile, (frozen(image),), frozen(finite), noise)
    return Training(
        profile,
        (*so_far.images, frozen(image)),
        frozen(so_far.finite & finite),
        (*so_far.noise_variances, *noise),
    )


def finish(training: Training, plan: ThermometryPlan, basis: DriftBasis) -> Library:
    """Make the library of the gathered images; what a model fails to explain comes afterwards."""
    images = np.stack(training.images)
    noise_variance = _noise_variance(training, plan)
    energy: NDArray[np.float32] = np.mean(np.abs(images) ** 2, axis=0, dtype=np.float32)
    energy = energy - np.float32(noise_variance)
    enough = (energy > 0) & (energy >= 0.5 * plan.min_snr**2 * noise_variance)
    usable = training.finite & enough
    outside = usable & (plan.reference_mask & ~plan.heated_mask).ravel()
    chosen = basis.choose_pixels(outside)
    phases = unwrapped(images, similarity(images[:, chosen]))
    moved = slow_drift(
        phases[:, chosen] - phases[0, chosen],
        basis.terms[:, chosen],
        energy[chosen],
        n_components=plan.pca_components,
    )
    drift = moved.astype(np.float32) @ basis.terms
    images = turned(images, -drift)
    return Library(
        profile=training.profile,
        images=frozen(images),
        phases=frozen(phases - drift),
        likeness=likeness(images, outside, shape=plan.shape, choice="image"),
        drift_rad=frozen(moved[-1].copy()),
        noise_variance=noise_variance,
        usable=frozen(usable),
        outside=frozen(outside),
        model_rad2=frozen(np.zeros(len(usable), np.float32)),
    )


def judge_library(
    library: Library,
    residual_rad: Phases,
    weights: NDArray[np.float64],
    *,
    basis: DriftBasis,
) -> Library:
    """Return the library with what its model does not explain when an image is left out.

    residual_rad: (image, pixel), phase of each image against what the others make of it. weights:
    (image, image), in what shares; their own noise is part of the residual.
    """
    energy = library.energy
    outside = basis.choose_pixels(library.outside)
    if len(library.images) < 2 or outside.size == 0:
        return library
    free = polynomials(residual_rad[:, outside], basis.terms[:, outside], energy[outside])
    residual = residual_rad - free.astype(np.float32) @ basis.terms
    signal = np.where(library.usable, energy, np.float32(np.inf))
    of_one = (0.5 * library.noise_variance / signal).astype(np.float32)
    noisier = (1.0 + np.sum(weights**2, axis=1)).astype(np.float32)
    squared: NDArray[np.float32] = np.mean(residual**2, axis=0, dtype=np.float32)
    excess = _smoothed(squared - of_one * np.float32(noisier.mean()), library)
    score = residual[:, outside] / np.sqrt(of_one[outside] * noisier[:, None])
    sigma = MAD_TO_STD * float(np.median(np.abs(score)))
    misfit_rad = float(
        np.sqrt(max(sigma**2 - 1.0, 0.0) * np.mean(of_one[outside]) * noisier.mean())
    )
    # of so many samples of noise; less than twice that is no excess
    unsure = np.sqrt(2.0 / (len(residual) * SMOOTHED_PX**2)) * _smoothed(of_one, library)
    is_known = excess > np.float32(2.0 * unsure * noisier.mean())
    model_rad2 = frozen(np.where(is_known, excess, ZERO))
    return replace(library, model_rad2=model_rad2, misfit_sigma=sigma, misfit_rad=misfit_rad)


def _smoothed(excess_rad2: NDArray[np.float32], library: Library) -> NDArray[np.float32]:
    """Mean over neighbouring usable pixels, (pixel,)."""
    size = (1, SMOOTHED_PX, SMOOTHED_PX)
    shape = library.likeness.shape
    inside = library.usable.astype(np.float32).reshape(shape)
    summed = uniform_filter(np.where(library.usable, excess_rad2, ZERO).reshape(shape), size)
    share = np.maximum(uniform_filter(inside, size), np.float32(1e-3))
    smoothed: NDArray[np.float32] = (summed / share).ravel().astype(np.float32)
    return smoothed


def _noise_variance(training: Training, plan: ThermometryPlan) -> float:
    brightest = max(float(np.max(np.abs(one) ** 2)) for one in training.images)
    least = ROUNDING * brightest
    if training.noise_variances:
        return max(float(np.mean(training.noise_variances)), least)
    images = np.stack(training.images).reshape(-1, *plan.shape)
    estimate = noise_variance_from_detail(images)
    return max(0.0 if estimate is None else estimate, least)
