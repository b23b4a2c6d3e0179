"""Coils to one complex image that keeps the phase of the object, whatever moves under the coils."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from thermometry.baseline import coil_energy
from thermometry.coil_images import Coils, frozen
from thermometry.compiled import compiled

Pixels = NDArray[np.complex64]
SMOOTHED_PX: Final = 5  # coils vary over centimetres, noise from pixel to pixel
ROUNDS: Final = 2  # of the power iteration; the coils of one pixel are all but of rank one
ZERO = np.complex64(0)


@dataclass(frozen=True, slots=True, eq=False)
class CoilProfile:
    """What a coil sees of an object that it sees of itself nothing.

    conjugate: complex64 (coil, pixel), conj(s) / |s| · gain of the coils' sensitivities s.
    gain: by which values are multiplied, so that the brightest pixel is about 1 on any scanner.
    """

    conjugate: NDArray[np.complex64]
    gain: float

    def project(self, coils: Coils) -> tuple[Pixels, NDArray[np.bool_]]:
        """Return Σ conj(s) x (pixel,) of coils (coil, z, y, x), and where it is finite.

        Noise of E|n|² in each coil becomes noise of gain² · E|n|². Any fixed profile, a wrong one
        too, keeps phase differences: x = s m gives m · Σ conj(p) s, whose second factor stays.
        """
        return _project(coils.reshape(len(coils), -1), self.conjugate)


def coil_profile(coils: Coils) -> CoilProfile:
    """Return the profile of an image's coils, (coil, z, y, x).

    The strongest eigenvector of the coils' covariance over a few neighbouring pixels (Walsh 2000,
    doi:10.1002/(SICI)1522-2594(200005)43:5<682::AID-MRM10>3.0.CO;2-G), by power iteration: its
    noise is a small part of one pixel's.
    """
    energy = coil_energy(coils)
    finite = np.isfinite(energy)
    peak = math.sqrt(float(np.max(energy, where=finite, initial=0.0)))
    gain = 1.0 / peak if peak > 0 else 1.0
    scaled = (np.where(finite, coils, ZERO) * gain).astype(np.complex64)
    profile = _unit(_smooth(scaled * np.sqrt(np.sum(np.abs(scaled) ** 2, axis=0))))
    for _ in range(ROUNDS):
        combined = np.sum(np.conj(profile) * scaled, axis=0)
        profile = _unit(_smooth(scaled * np.conj(combined)))
    conjugate = (np.conj(profile) * gain).astype(np.complex64).reshape(len(coils), -1)
    return CoilProfile(frozen(conjugate), gain)


def _smooth(coils: Coils) -> Coils:
    smoothed: Coils = uniform_filter(coils, (1, 1, SMOOTHED_PX, SMOOTHED_PX), mode="nearest")
    return smoothed


def _unit(coils: Coils) -> Coils:
    size = np.sqrt(np.sum(np.abs(coils) ** 2, axis=0))
    return (coils / np.where(size > 0, size, np.float32(1))).astype(np.complex64)


@compiled
def _project(
    coils: NDArray[np.complex64], conjugate: NDArray[np.complex64]
) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
    n_coils, n_pixels = coils.shape
    combined = np.zeros(n_pixels, np.complex64)
    finite = np.empty(n_pixels, np.bool_)
    for coil in range(n_coils):
        for i in range(n_pixels):
            combined[i] += coils[coil, i] * conjugate[coil, i]
    for i in range(n_pixels):
        finite[i] = np.isfinite(combined[i].real) & np.isfinite(combined[i].imag)
        if not finite[i]:
            combined[i] = ZERO
    return combined, finite
