"""How the coils see a pixel, learnt from all echoes of a train."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.coil_images import Coils, frozen
from thermometry.coil_profile import CoilProfile
from thermometry.compiled import compiled

POWER_ROUNDS: Final = 4  # the second singular value is noise: each round gains a factor of SNR²


def train_profile(echoes: tuple[Coils, ...]) -> CoilProfile:
    """Return the profile of the coils in each pixel, the same for all echoes.

    echoes: mean coil images (coil, z, y, x) of each echo. What a pixel emits differs from echo to
    echo, how the coils see it does not: the matrix (echo, coil) of a pixel has rank one but for
    noise, and its first singular vector is the profile. An echo in which water and fat cancel
    takes its profile from the others. Walsh 2000,
    doi:10.1002/(SICI)1522-2594(200005)43:5<682::AID-MRM10>3.0.CO;2-G.
    """
    n_coils = len(echoes[0])
    stacked = np.stack([one.reshape(n_coils, -1) for one in echoes])
    size = np.abs(stacked.real) + np.abs(stacked.imag)
    peak = float(size.max(initial=0.0, where=np.isfinite(size)))
    gain = 1.0 / peak if peak > 0 else 1.0
    return CoilProfile(frozen(_profile(stacked, np.float64(gain))), gain)


@compiled
def _profile(echoes: NDArray[np.complex64], gain: np.float64) -> NDArray[np.complex64]:
    """Conjugate unit profile times the gain, (coil, pixel), 0 where there is no signal.

    echoes: (echo, coil, pixel). The power method on the echoes' Gram matrix; float64, because any
    scanner's scale is squared.
    """
    n_echoes, n_coils, n_pixels = echoes.shape
    profile = np.zeros((n_coils, n_pixels), np.complex64)
    gram = np.zeros((n_echoes, n_echoes), np.complex128)
    vector, image = np.zeros(n_echoes, np.complex128), np.zeros(n_echoes, np.complex128)
    for i in range(n_pixels):
        brightest = 0
        for n in range(n_echoes):
            for m in range(n + 1):
                product = 0j
                for c in range(n_coils):
                    product += echoes[n, c, i] * np.conj(echoes[m, c, i])
                gram[n, m] = product * gain**2
                gram[m, n] = np.conj(gram[n, m])
            if gram[n, n].real > gram[brightest, brightest].real:
                brightest = n
        if not 0.0 < gram[brightest, brightest].real < np.inf:
            continue
        vector[:] = gram[:, brightest] / gram[brightest, brightest].real
        for _ in range(POWER_ROUNDS):
            size = 0.0
            for n in range(n_echoes):
                image[n] = 0.0
                for m in range(n_echoes):
                    image[n] += gram[n, m] * vector[m]
                size += image[n].real ** 2 + image[n].imag ** 2
            vector[:] = image / np.sqrt(size)
        energy = 0.0
        for c in range(n_coils):
            seen = 0j
            for n in range(n_echoes):
                seen += np.conj(vector[n]) * echoes[n, c, i] * gain
            energy += seen.real**2 + seen.imag**2
            profile[c, i] = np.conj(seen)
        scale = gain / np.sqrt(energy)
        for c in range(n_coils):
            profile[c, i] *= np.complex64(scale)
    return profile
