"""The reference that later images are compared with: the mean of the first complete images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermometry.drift import DriftBasis, fit_drift
from thermometry.noise import noise_variance_from_detail, noise_variance_from_scatter

Coils = NDArray[np.complex64]


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
    """The finished baseline.

    conjugate: complex64 (coil, z, y, x). energy: float32 (z, y, x), Σ|b|² over coils.
    noise_energy: float32 (z, y, x), how much of it is noise.
    variance: float32 (z, y, x), E|n|² of the mean in one coil; infinite where no image was finite.
    noise_variance: E|n|² of one image in one coil, for images that do not give their own.
    """

    conjugate: Coils
    energy: NDArray[np.float32]
    noise_energy: NDArray[np.float32]
    variance: NDArray[np.float32]
    noise_variance: float


def coil_energy(coils: Coils) -> NDArray[np.float32]:
    """Σ|x|² over coils, float32 (z, y, x); not finite where any coil is not."""
    parts = coils.view(np.float32).reshape(*coils.shape, 2)
    energy: NDArray[np.float32] = np.einsum("c...k,c...k->...", parts, parts)
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


def finish(gathering: Gathering) -> Reference:
    """Make the reference of the gathered images."""
    energy = coil_energy(gathering.mean)
    noise_variance = _noise_variance(gathering)
    # rounding of complex64 is noise too; it keeps the weights of a noise-free phantom finite
    typical = float(np.max(energy)) / gathering.mean.shape[0]
    noise_variance = max(noise_variance, typical * 1e-13, np.finfo(np.float32).tiny)
    with np.errstate(divide="ignore"):
        variance = np.float32(noise_variance) / gathering.count.astype(np.float32)
    noise_energy = variance * np.float32(gathering.mean.shape[0])
    return Reference(np.conj(gathering.mean), energy, noise_energy, variance, noise_variance)


def _noise_variance(gathering: Gathering) -> float:
    if gathering.noise_variances:
        return float(np.mean(gathering.noise_variances))
    n_coils = gathering.mean.shape[0]
    estimate = noise_variance_from_scatter(gathering.scatter, gathering.count, n_coils=n_coils)
    if estimate is None:
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
