"""Phase of an image against the reference, and the variance of that phase."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.baseline import Coils, Reference
from thermometry.compiled import compiled

TURN: Final = np.float32(2.0 * math.pi)
# float32 by name: a bare 0.5 is float64 to the compiler, and would double every array's width
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
Volume = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """Phase of one image against the reference, wrapped, drift still in it. Arrays are (z, y, x).

    total_rad2: variance of the phase; common_rad2: the part that comes from the reference.
    usable: enough signal in image and reference, and no NaN; the rest holds finite placeholders.
    magnitude: |z|, the signal along the reference's coil profile; 0 where the reference has none;
        None where several images were joined.
    """

    phase_rad: NDArray[np.float32]
    total_rad2: NDArray[np.float32]
    common_rad2: NDArray[np.float32]
    usable: NDArray[np.bool_]
    magnitude: NDArray[np.float32] | None = None


def wrap(phase_rad: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take whole turns off, which leaves the phase within ±π."""
    within: NDArray[np.float32] = phase_rad - TURN * np.rint(phase_rad / TURN)
    return within


def observe(
    coils: Coils, reference: Reference, *, noise_variance: float, min_snr: float
) -> Observation:
    """Phase difference over all coils, arg Σ x·conj(b), with its variance from the noise.

    coils: complex64 (coil, z, y, x), white noise of E|n|² = noise_variance (σ²) in each of C coils.
    With z = Σ x·conj(b) / |b| and s = E|n_b|² / |b|², the variance is
    (σ² + s Σ|x|² - s C σ²) / 2|z|²: the noise of either side across the signal of the other. Σ|x|²
    and |b|² hold noise themselves; the last term takes out what they count twice.
    Bernstein 1994, doi:10.1002/mrm.1910320308.
    """
    shape = coils.shape[1:]
    # |z| is a matched filter: unlike a root sum of squares it does not grow with the noisy coils
    least = max(0.5 * min_snr**2 * noise_variance, float(np.finfo(np.float32).tiny))
    real, imaginary, total, common, usable = _compare(
        coils.reshape(len(coils), -1),
        reference.profile.reshape(len(coils), -1),
        reference.share.ravel(),
        reference.usable.ravel(),
        np.float32(noise_variance),
        np.float32(least),
    )
    magnitude = np.sqrt(real**2 + imaginary**2)
    # not in the kernel: NumPy's arctan2 is vectorised and twenty times as fast
    phase = np.arctan2(imaginary, real, out=imaginary)
    return Observation(
        phase.reshape(shape),
        total.reshape(shape),
        common.reshape(shape),
        usable.reshape(shape),
        magnitude.reshape(shape),
    )


@compiled
def _compare(
    coils: NDArray[np.complex64],
    profile: NDArray[np.complex64],
    share: NDArray[np.float32],
    usable: NDArray[np.bool_],
    noise: np.float32,
    least: np.float32,
) -> tuple[Volume, Volume, Volume, Volume, NDArray[np.bool_]]:
    """Real and imaginary part of z, total and common variance, and what is usable; (pixel,)."""
    n_coils, n_pixels = coils.shape
    product = np.zeros(n_pixels, np.complex64)
    energy = np.zeros(n_pixels, np.float32)
    for coil in range(n_coils):
        for i in range(n_pixels):
            x = coils[coil, i]
            product[i] += x * profile[coil, i]
            energy[i] += x.real * x.real + x.imag * x.imag
    real, imaginary = np.empty_like(energy), np.empty_like(energy)
    total, common = np.empty_like(energy), np.empty_like(energy)
    is_usable = np.empty_like(usable)
    for i in range(n_pixels):
        is_finite = np.isfinite(energy[i])
        re = product[i].real if is_finite else ZERO
        im = product[i].imag if is_finite else ZERO
        squared = re * re + im * im
        is_good = usable[i] & is_finite & (squared >= least)
        half = HALF / (squared if is_good else ONE)
        reference_noise = share[i] * (energy[i] if is_finite else ZERO) * half
        real[i], imaginary[i], is_usable[i], common[i] = re, im, is_good, reference_noise
        total[i] = noise * half * (ONE - np.float32(n_coils) * share[i]) + reference_noise
    return real, imaginary, total, common, is_usable
