"""The phase of an image itself, without a baseline: coils combined so that what is left is smooth.

The phase of a coil differs from that of the others by its own smooth pattern, in which heat and
field have no part: that pattern is taken from the image and taken off.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from thermometry.baseline import ROUNDING, Reference, coil_energy
from thermometry.coil_images import Coils, frozen
from thermometry.noise import noise_variance_from_detail

SMOOTHING_PX: Final = 7  # coils change over centimetres; 49 pixels add 2 % of their noise


def own_phase_reference(coils: Coils, *, noise_std: float | None) -> Reference:
    """Return a reference without phase and without noise: the coils' directions, pixel by pixel.

    coils: complex64 (coil, z, y, x), one image. noise_std: of a coil's pixels, sqrt(E|n|²); where
    it is None, the noise of the combined image is taken from its finest detail.
    The image's phase against it is that of the coils' strongest common mode, as ESPIRiT's phase is
    (Uecker 2014, doi:10.1002/mrm.24751); directions as Walsh 2000, doi:10.1002/(SICI)1522-2594(
    200005)43:5<682::AID-MRM10>3.0.CO;2-G. Heat changes all coils alike and cancels in them.
    """
    finite = np.isfinite(coil_energy(coils))
    coils = coils if finite.all() else np.where(finite, coils, np.complex64(0))
    pattern = _smooth(coils * np.conj(_common_mode(coils)))
    size = np.sqrt(coil_energy(pattern).astype(np.float64))
    usable = finite & (size > 0)
    profile = (np.conj(pattern) / np.where(usable, size, np.inf)).astype(np.complex64)
    combined = np.sum(profile * coils, axis=0)
    rounding = ROUNDING * float(np.max(coil_energy(coils), initial=0.0))
    measured = noise_variance_from_detail(combined[None]) if noise_std is None else noise_std**2
    return Reference(
        frozen(profile),
        frozen(np.zeros(finite.shape, np.float32)),
        frozen(usable),
        max(measured or 0.0, rounding),
    )


def _common_mode(coils: Coils) -> NDArray[np.complex64]:
    """Return the one combination of coils (z, y, x) that has the most energy."""
    flat = coils.reshape(len(coils), -1).astype(np.complex128)
    _, vectors = np.linalg.eigh(flat @ flat.conj().T)
    strongest = vectors[:, -1].conj().astype(np.complex64)
    mode: NDArray[np.complex64] = np.tensordot(strongest, coils, axes=1)
    return mode


def _smooth(pattern: Coils) -> Coils:
    for axis in (-2, -1):
        real = uniform_filter1d(pattern.real, SMOOTHING_PX, axis=axis, mode="constant")
        imaginary = uniform_filter1d(pattern.imag, SMOOTHING_PX, axis=axis, mode="constant")
        pattern = real + np.complex64(1j) * imaginary
    return pattern
