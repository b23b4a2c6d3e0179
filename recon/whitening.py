"""Noise prewhitening: coils with equal and independent noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """The matrix that gives every sample of every coil noise of E|n|² = 1, independent of the rest.

    matrix: complex64 (coil, coil), applied from the left to samples (coil, sample).
    sample_time_us: dwell time of the noise scan.
    n_noise_samples: samples of each coil that the covariance was measured from.
    """

    matrix: NDArray[np.complex64]
    sample_time_us: float
    n_noise_samples: int


def whitening_from_noise(
    samples: NDArray[np.complex64],
    *,
    noise_sample_time_us: float,
    acquisition_sample_time_us: float,
    relative_receiver_noise_bandwidth: float | None,
) -> Whitening:
    """Return the whitening of imaging readouts from a noise scan.

    samples: complex64 (coil, sample), all noise readouts side by side; no mean is removed.
    relative_receiver_noise_bandwidth: 1.0 is taken where the header gives none.

    With L the Cholesky factor of the covariance E[n nᴴ], the matrix is
    √(acquisition dwell / noise dwell · bandwidth) · L⁻¹: noise power goes with 1 / dwell, and the
    roll-off of the receiver makes a noise scan look quieter than the centre of the band is.
    Gadgetron multiplies by a further √2, which gives unit variance to the real and to the imaginary
    part; here the complex noise has E|n|² = 1, half of it in each part.
    Raises ValueError for a noise scan that has no invertible covariance.
    """
    bandwidth = 1.0
    if relative_receiver_noise_bandwidth is not None:
        bandwidth = relative_receiver_noise_bandwidth
    for name, value in (
        ("noise_sample_time_us", noise_sample_time_us),
        ("acquisition_sample_time_us", acquisition_sample_time_us),
        ("relative_receiver_noise_bandwidth", bandwidth),
    ):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"noise scan: {name} is {value:g}, expected more than 0")
    n_coils, n_samples = samples.shape
    if n_samples <= n_coils:
        raise ValueError(f"noise scan: {n_samples} samples for {n_coils} coils, expected more")

    # float64: the inverse of a 32-coil covariance loses half its digits in float32.
    # sigpy.mri's get_cov neither divides by n nor keeps the mean, which readouts keep too.
    noise = samples.astype(np.complex128)
    covariance = noise @ noise.conj().T / n_samples
    power = np.real(np.diagonal(covariance))
    if not (np.isfinite(power).all() and (power > 0).all()):
        worst = int(np.argmin(np.where(np.isfinite(power), power, -1.0)))
        raise ValueError(f"noise scan: coil {worst} has a noise power of {power[worst]:g}")
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise ValueError("noise scan: its coils are not linearly independent") from error
    scale = np.sqrt(acquisition_sample_time_us / noise_sample_time_us * bandwidth)
    matrix = scale * solve_triangular(factor, np.eye(n_coils), lower=True)
    matrix = matrix.astype(np.complex64)
    matrix.flags.writeable = False
    return Whitening(matrix, float(noise_sample_time_us), n_samples)
