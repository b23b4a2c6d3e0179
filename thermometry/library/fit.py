"""One image against what a library predicts: noise, and drift with the model's terms fitted."""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.coil_images import frozen
from thermometry.drift import MAD_TO_STD, DriftBasis, DriftFit, deviation, fit_drift
from thermometry.library.training import Library
from thermometry.phase import wrap

NO_PIXELS, NO_WEIGHTS = np.empty(0, np.intp), np.empty(0, np.float64)
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
CLIPPED: Final = np.float32(3.0)  # standard deviations


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the image would be without heat and drift, as far as the model knows beforehand.

    baseline: complex64 (pixel,). weights: float64 (image,), each library image's part in it.
    fitted: bool (pixel,), where drift and the model's own terms may be fitted.
    terms: float32 (term, pixel), phases that the fit may add. scores: float64 (image, term), how
        each changes the weights; None where the model adds none.
    """

    baseline: NDArray[np.complex64]
    weights: NDArray[np.float64]
    fitted: NDArray[np.bool_]
    terms: NDArray[np.float32] | None = None
    scores: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One image against its prediction; (pixel,) each.

    image_rad2, library_rad2: variance of the phase from the noise of either. model_rad2: of what
        the model does not explain. outside: bool, away from the targets.
    """

    phase_rad: NDArray[np.float32]
    image_rad2: NDArray[np.float32]
    library_rad2: NDArray[np.float32]
    model_rad2: NDArray[np.float32]
    usable: NDArray[np.bool_]
    outside: NDArray[np.bool_]

    @property
    def noise_rad2(self) -> NDArray[np.float32]:
        """Variance from all noise."""
        return self.image_rad2 + self.library_rad2


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Drift and model terms of one image.

    phase_rad, variance_rad2: float32 (pixel,), of drift and terms together.
    model_share: of the model's variance that this image shows outside the heat.
    misfit_sigma: robust deviation outside the targets, over noise. misfit: over all that is known,
        the tails' where it is larger.
    excess_rad: what goes beyond the noise.
    """

    drift_rad: NDArray[np.float64]
    added: NDArray[np.float64]
    phase_rad: NDArray[np.float32]
    variance_rad2: NDArray[np.float32]
    robust: DriftFit | None
    model_share: float = 1.0
    misfit_sigma: float = math.nan
    misfit: float = 1.0
    excess_rad: float = 0.0


def see(
    library: Library,
    image: NDArray[np.complex64],
    finite: NDArray[np.bool_],
    prediction: Prediction,
    *,
    noise: float,
    min_snr: float,
) -> Seen:
    """Compare an image (pixel,) with its prediction.

    noise: E|n|² of the image. The noise of each lies across its own signal.
    """
    product = image * np.conj(prediction.baseline)
    seen2 = image.real**2 + image.imag**2
    known2 = prediction.baseline.real**2 + prediction.baseline.imag**2
    shared = float(np.sum(prediction.weights**2)) * library.noise_variance
    least = np.float32(max(0.5 * min_snr**2 * noise, float(np.finfo(np.float32).tiny)))
    usable = library.usable & finite & (seen2 >= least) & (known2 >= least)
    share = np.float32(shared) / np.where(usable, known2, ONE)
    # |x|² holds the image's noise too; to first order the library's share of it is taken out
    own = np.float32(noise) / np.where(usable, seen2, ONE) * np.maximum(ONE - share, ZERO)
    of_image = (HALF * own).astype(np.float32)
    of_library = (HALF * share).astype(np.float32)
    return Seen(
        np.angle(product), of_image, of_library, library.model_rad2, usable, library.outside
    )


def fit(
    basis: DriftBasis, seen: Seen, prediction: Prediction, *, last_rad: NDArray[np.float64]
) -> Fitted:
    """Fit drift and the model's terms together, robustly, where nothing heats.

    last_rad: the drift that is already off the image; what is found adds to it.
    """
    terms, n_terms = basis.terms, basis.n_terms
    if prediction.terms is not None:
        terms = np.vstack([terms, prediction.terms])
    nothing = np.zeros_like(seen.phase_rad)
    none = Fitted(last_rad, np.zeros(len(terms) - n_terms), nothing, nothing, robust=None)
    pixels = basis.choose_pixels(seen.usable & prediction.fitted)
    if pixels.size == 0 or len(terms) == 0:
        return _judged(none, basis, seen)
    variance = (seen.noise_rad2 + seen.model_rad2).take(pixels)
    residual = seen.phase_rad.take(pixels)
    turn = _mean_angle(residual, variance) if n_terms else 0.0
    # the common turn first: what remains is small, so that no pixel wraps away from the rest
    residual = wrap(residual - np.float32(turn)) + np.float32(turn)
    start = np.zeros(len(terms))
    start[:n_terms][:1] = turn
    chosen = np.ascontiguousarray(terms.take(pixels, axis=1))
    robust = fit_drift(chosen, residual, variance_rad2=variance, start=start)
    if robust is None:
        return _judged(none, basis, seen)
    found = robust.coefficients
    fitted = Fitted(
        frozen(last_rad + found[:n_terms]),
        found[n_terms:],
        found.astype(np.float32) @ terms,
        _variance(terms, robust.covariance),
        replace(robust, pixels=pixels),
    )
    return _judged(fitted, basis, seen)


def _judged(fitted: Fitted, basis: DriftBasis, seen: Seen) -> Fitted:
    """Add what the residual says: of all pixels outside the targets, also those not fitted."""
    pixels = basis.choose_pixels(seen.usable & seen.outside)
    if pixels.size == 0:
        return fitted
    residual = wrap((seen.phase_rad - fitted.phase_rad).take(pixels))
    noise, model = seen.noise_rad2.take(pixels), seen.model_rad2.take(pixels)
    size, share = np.abs(residual), _model_share(residual, noise, model)
    sigma = MAD_TO_STD * float(np.median(size / np.sqrt(noise)))
    return replace(
        fitted,
        model_share=share,
        misfit_sigma=sigma,
        misfit=deviation(size / np.sqrt(noise + np.float32(share) * model)),
        excess_rad=math.sqrt(max(sigma**2 - 1.0, 0.0) * float(np.mean(noise))),
    )


def _mean_angle(phase_rad: NDArray[np.float32], variance_rad2: NDArray[np.float32]) -> float:
    sine = float(np.sum(np.sin(phase_rad) / variance_rad2))
    return math.atan2(sine, float(np.sum(np.cos(phase_rad) / variance_rad2)))


def that_pulled(
    fitted: Fitted, total_rad2: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pixels that pulled the fit towards themselves, and their weights.

    Not those where the fit is less sure than the pixel itself: they count as any other.
    """
    if fitted.robust is None:
        return NO_PIXELS, NO_WEIGHTS
    pixels = fitted.robust.pixels
    pulled = fitted.variance_rad2.take(pixels) < HALF * total_rad2.take(pixels)
    return pixels[pulled], fitted.robust.weights[pulled]


def _model_share(
    residual_rad: NDArray[np.float32],
    noise_rad2: NDArray[np.float32],
    model_rad2: NDArray[np.float32],
) -> float:
    """How much of the model's variance the residual holds: 1 as in the training, 0 for none.

    Leaving an image out of the training makes a gap that the whole library does not have, so that
    most images show less. Least squares of the residual's squares, clipped at 3σ.
    """
    expected = noise_rad2 + model_rad2
    squared = np.minimum(residual_rad**2, CLIPPED**2 * expected)
    per_square = model_rad2 / expected**2
    whole = float(np.sum(model_rad2 * per_square))
    if whole <= 0:
        return 1.0
    return max(float(np.sum((squared - noise_rad2) * per_square)) / whole, 0.0)


def _variance(terms: NDArray[np.float32], covariance: NDArray[np.float64]) -> NDArray[np.float32]:
    """Variance of the fitted terms in each pixel, float32 (pixel,)."""
    spread = np.linalg.cholesky(covariance).T.astype(np.float32) @ terms
    variance: NDArray[np.float32] = np.einsum("ij,ij->j", spread, spread)
    return variance
