"""Phase of an image against the reference, and the variance of that phase."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.baseline import Coils, Reference, coil_energy

TURN: Final = np.float32(2.0 * math.pi)


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """Phase of one image against the reference, wrapped, drift still in it. Arrays are (z, y, x).

    total_rad2: variance of the phase; common_rad2: the part that comes from the reference.
    usable: enough signal in image and reference, and no NaN; the rest holds finite placeholders.
    """

    phase_rad: NDArray[np.float32]
    total_rad2: NDArray[np.float32]
    common_rad2: NDArray[np.float32]
    usable: NDArray[np.bool_]


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
    energy = coil_energy(coils)
    finite = np.isfinite(energy)
    if not finite.all():
        coils = np.where(finite, coils, np.complex64(0))
        energy = np.where(finite, energy, np.float32(0))
    product = np.sum(coils * reference.profile, axis=0)
    squared: NDArray[np.float32] = np.square(product.real) + np.square(product.imag)
    # |z| is a matched filter: unlike a root sum of squares it does not grow with the noisy coils
    least = max(0.5 * min_snr**2 * noise_variance, float(np.finfo(np.float32).tiny))
    usable = reference.usable & finite & (squared >= np.float32(least))
    squared = np.where(usable, squared, np.float32(1))
    half: NDArray[np.float32] = np.float32(0.5) / squared
    common: NDArray[np.float32] = reference.share * energy * half
    noise = np.float32(noise_variance)
    own: NDArray[np.float32] = noise * half * (1 - np.float32(len(coils)) * reference.share)
    phase = np.angle(product).astype(np.float32, copy=False)
    return Observation(phase, own + common, common, usable)
