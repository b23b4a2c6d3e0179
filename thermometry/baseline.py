"""The reference that later images are compared with: the mean of the first complete images."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.coil_images import frozen
from thermometry.drift import DriftBasis, fit_drift
from thermometry.noise import noise_variance_from_detail, noise_variance_from_scatter

Coils = NDArray[np.complex64]
MOST_SNR: Final = 1e4  # no receiver's brightest pixel reaches it in one image
# Variance that rounding alone makes, relative to the signal: a few times the 1.4e-14 of
# complex64. It keeps the weights of a noise-free phantom finite.
ROUNDING: Final = 1e-13
UNREMARKABLE: Final = 10.0  # times the median power: noise of one coil goes beyond it in 0.1 %
LEAST_EIGENVALUE: Final = 1e-3  # of the coils' noise, mean 1: a dead coil must not blow up


@dataclass(frozen=True, slots=True, eq=False)
class Gathering:
    """Mean and scatter of the baseline images so far (Welford 1962, doi:10.2307/1266577).

    mean: complex64 (coil, z, y, x), each image turned to the phase of the first.
    scatter: float32 (z, y, x), Σ|x - mean|² over frames and coils.
    count: int32 (z, y, x), images that were finite in this pixel.
    noise_variances: σ² of each image that gave one.
    drift_rad: float64 (term,), phase of the last image against the first.
    covariance: complex128 (coil, coil), Σ(x - mean)(x - mean)ᴴ over frames and unremarkable pixels.
    """

    n_frames: int
    mean: Coils
    scatter: NDArray[np.float32]
    count: NDArray[np.int32]
    noise_variances: tuple[float, ...]
    drift_rad: NDArray[np.float64]
    covariance: NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The finished baseline b.

    profile: complex64 (coil, z, y, x), conj(b) / |b| with |b|² = Σ over coils; 0 where not usable.
    share: float32 (z, y, x), noise of one coil of b over |b|², E|n_b|² / |b|²; 0 where not usable.
    usable: bool (z, y, x), enough signal.
    noise_variance: E|n|² of one image in one coil, for images that do not give their own.
    whitening: complex64 (coil, coil), makes the noise of the coils equal and independent, for
        images that come without a noise scan; None where they have one.
    magnitude: float32 (z, y, x), |b|; 0 where not usable; None where b is another for each image.
    """

    profile: Coils
    share: NDArray[np.float32]
    usable: NDArray[np.bool_]
    noise_variance: float
    whitening: NDArray[np.complex64] | None = None
    magnitude: NDArray[np.float32] | None = None

    def white(self, coils: Coils) -> Coils:
        """Return coil images as the profile expects them, (coil, z, y, x)."""
        return coils if self.whitening is None else np.tensordot(self.whitening, coils, axes=1)


def coil_energy(coils: Coils) -> NDArray[np.float32]:
    """Σ|x|² over coils, float32 (z, y, x); not finite where any coil is not."""
    energy: NDArray[np.float32] = np.sum(coils.real**2 + coils.imag**2, axis=0)
    return energy


def gather(
    so_far: Gathering | None, coils: Coils, *, noise_std: float | None, basis: DriftBasis
) -> Gathering:
    """Add one image to the baseline.

    The image is first turned to the phase of those before it: by one angle, and by the polynomial
    of `basis` where that can be fitted. Otherwise drift inside the baseline would cancel signal and
    pass for noise. Each image's drift is sought from the last one's on, so that it may pass a turn
    while the baseline lasts. Pixels that are not finite stay out.
    """
    finite = np.isfinite(coil_energy(coils))
    coils = coils if finite.all() else np.where(finite, coils, np.complex64(0))
    noise = () if so_far is None else so_far.noise_variances
    noise += () if noise_std is None else (noise_std**2,)
    if so_far is None:
        zeros, nothing = np.zeros(finite.shape, np.float32), np.zeros((len(coils),) * 2, complex)
        start = np.zeros(basis.n_terms)
        return Gathering(1, coils.copy(), zeros, finite.astype(np.int32), noise, start, nothing)
    phase, drift_rad = _phase_between(coils, so_far.mean, basis=basis, start=so_far.drift_rad)
    aligned = coils * np.exp(-1j * phase)
    count = so_far.count + finite
    delta = aligned - so_far.mean
    mean = so_far.mean + delta * (finite / np.maximum(count, 1)).astype(np.float32)
    added = np.sum((delta * np.conj(aligned - mean)).real, axis=0)
    scatter = so_far.scatter + np.where(finite, added, np.float32(0))
    covariance = so_far.covariance + _covariance(delta, finite)
    return Gathering(
        so_far.n_frames + 1, mean.astype(np.complex64), scatter, count, noise, drift_rad, covariance
    )


def finish(gathering: Gathering, *, min_snr: float) -> Reference:
    """Make the reference of the gathered images; `min_snr` as in the plan."""
    n_coils = gathering.mean.shape[0]
    whitening, spread = _whitening(gathering)
    mean = gathering.mean
    if whitening is not None:
        mean = np.tensordot(whitening, mean, axes=1)
    # float64: an energy is a square, and scanners choose any scale for their images
    energy = coil_energy(mean).astype(np.float64)
    rounding = ROUNDING * float(np.max(energy)) / n_coils
    noise_variance = _noise_variance(gathering, mean, rounding=rounding, spread=spread)
    noise_variance = max(noise_variance, rounding)
    variance = noise_variance / np.maximum(gathering.count, 1)  # of no image: nothing, so unusable
    return reference_of(
        mean, variance, noise_variance=noise_variance, min_snr=min_snr, whitening=whitening
    )


def reference_of(
    baseline: Coils,
    variance: NDArray[np.float64] | float,
    *,
    noise_variance: float,
    min_snr: float,
    whitening: NDArray[np.complex64] | None = None,
) -> Reference:
    """Make the reference of a baseline b, complex64 (coil, z, y, x), whose noise is known.

    variance: E|n_b|² of one coil of b, (z, y, x) or one for all; noise_variance: of one image.
    whitening: that b has been through.
    """
    # float64: an energy is a square, and scanners choose any scale for their images
    energy = coil_energy(baseline).astype(np.float64)
    signal = energy - len(baseline) * variance
    usable = (signal > 0) & (signal >= 0.5 * min_snr**2 * noise_variance)
    magnitude = np.where(usable, np.sqrt(energy), 0.0).astype(np.float32)
    energy = np.where(usable, energy, np.inf)
    profile = (np.conj(baseline) / np.sqrt(energy)).astype(np.complex64)
    share = np.where(usable, variance, 0.0) / energy
    return Reference(
        frozen(profile),
        frozen(share.astype(np.float32)),
        frozen(usable),
        noise_variance,
        whitening,
        frozen(magnitude),
    )


def _noise_variance(gathering: Gathering, mean: Coils, *, rounding: float, spread: float) -> float:
    if gathering.noise_variances:
        return float(np.mean(gathering.noise_variances))
    estimate = noise_variance_from_scatter(
        gathering.scatter, gathering.count, n_coils=len(mean), spread=spread
    )
    # a repeated image scatters by its rounding only, which does not make it free of noise
    if estimate is None or estimate <= rounding:
        estimate = noise_variance_from_detail(mean)
    return 0.0 if estimate is None else estimate


def _covariance(delta: Coils, finite: NDArray[np.bool_]) -> NDArray[np.complex128]:
    """Σδδᴴ over the pixels that vessels and motion have not reached, (coil, coil)."""
    power = coil_energy(delta)
    kept = finite & (power <= UNREMARKABLE * np.median(power[finite])) if finite.any() else finite
    # float64: a hundredth of the largest eigenvalue must still be known
    pixels = delta[:, kept].astype(np.complex128)
    covariance: NDArray[np.complex128] = pixels @ pixels.conj().T
    return covariance


def _whitening(gathering: Gathering) -> tuple[NDArray[np.complex64] | None, float]:
    """Return the whitening of coils of unequal noise, and Σλ² / C of their mean-1 eigenvalues λ.

    Without a noise scan coils are neither equal nor independent: 16 of them, correlated by 0.3,
    have twice the noise in the direction of the signal that they have on average.
    """
    n_coils = len(gathering.mean)
    power = float(np.trace(gathering.covariance).real)
    if gathering.noise_variances or n_coils == 1 or not power > 0 or not _is_noisy(gathering):
        return None, 1.0
    values, vectors = np.linalg.eigh(gathering.covariance * (n_coils / power))
    spread = float(np.mean(values**2))
    values = np.maximum(values, LEAST_EIGENVALUE)
    whitening = (vectors / np.sqrt(values)) @ vectors.conj().T
    return frozen(whitening.astype(np.complex64)), spread


def _is_noisy(gathering: Gathering) -> bool:
    """Whether the scatter can be a receiver's noise; below that it is rounding and unfitted drift.

    Whitening by what is no noise would weigh the coils by nothing that means anything.
    """
    noise = noise_variance_from_scatter(
        gathering.scatter, gathering.count, n_coils=len(gathering.mean)
    )
    brightest = float(np.max(coil_energy(gathering.mean)))
    return noise is not None and 2.0 * brightest <= MOST_SNR**2 * noise


def _phase_between(
    coils: Coils, reference: Coils, *, basis: DriftBasis, start: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the phase (z, y, x) and its polynomial, sought from `start` on."""
    expected = basis.evaluate(start)
    product = np.sum(coils * np.conj(reference), axis=0) * np.exp(-1j * expected)
    turn = float(np.angle(np.sum(product, dtype=np.complex128)))
    found = start.copy()
    found[:1] += turn
    chosen = basis.choose_pixels(product != 0)
    if basis.n_terms == 0 or chosen.size == 0:
        return expected + np.float32(turn), found
    seen = product.ravel()[chosen] * np.complex64(np.exp(-1j * turn))
    # phase variance goes as 1 / |product|; its scale is unknown here and left to the fit
    weight = np.abs(seen)
    fit = fit_drift(
        basis.terms[:, chosen],
        np.angle(seen),
        variance_rad2=np.float32(1e-12) * weight.max() / weight,
        start=np.zeros(basis.n_terms),
    )
    found = found if fit is None else found + fit.coefficients
    return basis.evaluate(found), found
