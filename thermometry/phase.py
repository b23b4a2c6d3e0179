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

    coils: complex64 (coil, z, y, x), white noise of E|n|² = noise_variance in each.
    With z = Σ x·conj(b), variance = (σ_x² Σ|b|² + σ_b² Σ|x|² - C σ_x² σ_b²) / (2|z|²): the noise of
    either side across the signal of the other. The sums over squares contain noise energy
    themselves; the last term takes out what they count twice. Bernstein 1994,
    doi:10.1002/mrm.1910320308.
    """
    product = np.sum(coils * reference.conjugate, axis=0)
    squared = product.real**2 + product.imag**2
    energy = coil_energy(coils)
    noise = np.float32(noise_variance)
    own = noise * reference.energy
    # matched filter: unlike a root sum of squares, it does not rise with the number of noisy coils
    with np.errstate(invalid="ignore", over="ignore"):
        floor = np.float32(min_snr**2 / 2.0) * own
        usable = np.isfinite(energy) & np.isfinite(squared) & (squared >= floor)
    usable &= reference.energy >= np.float32(min_snr**2 / 2.0) * noise + reference.noise_energy
    usable &= squared > 0
    squared = np.where(usable, squared, np.float32(1))
    energy = np.where(usable, energy, np.float32(1))
    variance = np.where(usable, reference.variance, np.float32(1))
    own -= np.float32(len(coils)) * noise * variance
    half = np.float32(0.5) / squared
    common: NDArray[np.float32] = variance * energy * half
    phase = np.angle(np.where(usable, product, np.complex64(1))).astype(np.float32, copy=False)
    return Observation(phase, np.maximum(own, 0) * half + common, common, usable)
