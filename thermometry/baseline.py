"""The reference that later images are compared with: the mean of the first complete images."""

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from thermometry.drift import DriftBasis, fit_drift
from thermometry.noise import noise_variance_from_detail, noise_variance_from_scatter

Coils = NDArray[np.complex64]
Scalar = TypeVar("Scalar", bound=np.generic)
# Variance that rounding alone makes, relative to the signal: a few times the 1.4e-14 of
# complex64. It keeps the weights of a noise-free phantom finite.
ROUNDING: Final = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Gathering:
    """Mean and scatter of the baseline images so far (Welford 1962, doi:10.2307/1266577).

    mean: complex64 (coil, z, y, x), each image turned to the phase of the first.
    scatter: float32 (z, y, x), Σ|x - mean|² over frames and coils.
    count: int32 (z, y, x), images that were finite in this pixel.
    noise_variances: σ² of each image that gave one.
    """

    n_frames: int
    mean: Coils
    scatter: NDArray[np.float32]
    count: NDArray[np.int32]
    noise_variances: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The finished baseline b.

    profile: complex64 (coil, z, y, x), conj(b) / |b| with |b|² = Σ over coils; 0 where not usable.
    share: float32 (z, y, x), noise of one coil of b over |b|², E|n_b|² / |b|²; 0 where not usable.
    usable: bool (z, y, x), enough signal.
    noise_variance: E|n|² of one image in one coil, for images that do not give their own.
    """

    profile: Coils
    share: NDArray[np.float32]
    usable: NDArray[np.bool_]
    noise_variance: float


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
    pass for noise. Pixels that are not finite stay out.
    """
    finite = np.isfinite(coil_energy(coils))
    coils = coils if finite.all() else np.where(finite, coils, np.complex64(0))
    noise = () if so_far is None else so_far.noise_variances
    noise += () if noise_std is None else (noise_std**2,)
    if so_far is None:
        zeros = np.zeros(finite.shape, np.float32)
        return Gathering(1, coils.copy(), zeros, finite.astype(np.int32), noise)
    aligned = coils * np.exp(-1j * _phase_between(coils, so_far.mean, basis=basis))
    count = so_far.count + finite
    delta = aligned - so_far.mean
    mean = so_far.mean + delta * (finite / np.maximum(count, 1)).astype(np.float32)
    added = np.sum((delta * np.conj(aligned - mean)).real, axis=0)
    scatter = so_far.scatter + np.where(finite, added, np.float32(0))
    return Gathering(so_far.n_frames + 1, mean.astype(np.complex64), scatter, count, noise)


def finish(gathering: Gathering, *, min_snr: float) -> Reference:
    """Make the reference of the gathered images; `min_snr` as in the plan."""
    n_coils = gathering.mean.shape[0]
    # float64: an energy is a square, and scanners choose any scale for their images
    energy = coil_energy(gathering.mean).astype(np.float64)
    rounding = ROUNDING * float(np.max(energy)) / n_coils
    noise_variance = max(_noise_variance(gathering, rounding=rounding), rounding)
    variance = noise_variance / np.maximum(gathering.count, 1)
    signal = energy - n_coils * variance
    usable = (gathering.count > 0) & (signal > 0) & (signal >= 0.5 * min_snr**2 * noise_variance)
    energy = np.where(usable, energy, np.inf)
    profile = (np.conj(gathering.mean) / np.sqrt(energy)).astype(np.complex64)
    share = (variance / energy).astype(np.float32)
    return Reference(_frozen(profile), _frozen(share), _frozen(usable), noise_variance)


def _noise_variance(gathering: Gathering, *, rounding: float) -> float:
    if gathering.noise_variances:
        return float(np.mean(gathering.noise_variances))
    n_coils = gathering.mean.shape[0]
    estimate = noise_variance_from_scatter(gathering.scatter, gathering.count, n_coils=n_coils)
    # a repeated image scatters by its rounding only, which does not make it free of noise
    if estimate is None or estimate <= rounding:
        estimate = noise_variance_from_detail(gathering.mean)
    return 0.0 if estimate is None else estimate


def _phase_between(coils: Coils, reference: Coils, *, basis: DriftBasis) -> NDArray[np.float32]:
    product = np.sum(coils * np.conj(reference), axis=0)
    turn = float(np.angle(np.sum(product, dtype=np.complex128)))
    whole = np.full(product.shape, turn, np.float32)
    chosen = basis.choose_pixels(product != 0)
    if basis.n_terms == 0 or chosen.size == 0:
        return whole
    seen = product.ravel()[chosen] * np.complex64(np.exp(-1j * turn))
    # phase variance goes as 1 / |product|; its scale is unknown here and left to the fit
    weight = np.abs(seen)
    fit = fit_drift(
        basis.terms[:, chosen],
        np.angle(seen),
        variance_rad2=np.float32(1e-12) * weight.max() / weight,
        start=np.zeros(basis.n_terms),
    )
    return whole if fit is None else whole + basis.evaluate(fit.coefficients)


def _frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    array.flags.writeable = False
    return array
