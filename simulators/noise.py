"""Receiver noise: complex, Gaussian, correlated between coils."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.coils import Coils

Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """Noise of k-space samples. covariance: E[n nᴴ] (coil, coil) of an imaging sample.

    noise_scan_scale: standard deviation in the noise scan relative to imaging. A receiver's noise
    power falls with its dwell time, and its filter passes only `noise_bandwidth` of the band.
    """

    covariance: Complex
    noise_scan_scale: float

    def draw(
        self, n_samples: int, rng: np.random.Generator, *, is_noise_scan: bool = False
    ) -> NDArray[np.complex64]:
        """Return noise (coil, sample)."""
        scale = self.noise_scan_scale if is_noise_scan else 1.0
        mixing = (np.linalg.cholesky(self.covariance) * (scale / np.sqrt(2))).astype(np.complex64)
        white = rng.standard_normal((len(mixing), 2 * n_samples), dtype=np.float32)
        return np.asarray(mixing @ white.view(np.complex64))


def receiver_noise(
    coils: Coils,
    *,
    snr: float,
    at_mm: tuple[float, float],
    signal: float,
    n_averaged: int,
    noise_scan_scale: float,
) -> Noise:
    """Return the noise for which an optimally combined image has this SNR at one point.

    SNR = |signal| / std of the noise's real part, the MR convention. Combining coils s with image
    noise covariance Ψ optimally (Roemer 1990) gives |signal| sqrt(2 sᴴ Ψ⁻¹ s).
    n_averaged: samples that the inverse FFT averages.
    """
    sensitivity = coils.sensitivity(np.array(at_mm[0]), np.array(at_mm[1]))
    shape = _correlation(coils.n_coils)
    gain = np.real(sensitivity.conj() @ np.linalg.solve(shape, sensitivity))
    image_power = 2 * signal**2 * gain / snr**2
    return Noise(shape * image_power * n_averaged, noise_scan_scale)


def noise_scan_scale(*, dwell_us: float, noise_dwell_us: float, bandwidth: float) -> float:
    """Return the standard deviation of the noise scan relative to imaging."""
    return float(np.sqrt(dwell_us / noise_dwell_us * bandwidth))


def _correlation(n_coils: int) -> Complex:
    """Neighbours on the ring share noise through the tissue; no two preamplifiers are alike."""
    index = np.arange(n_coils)
    steps = index[:, None] - index[None, :]
    apart = np.minimum(abs(steps), n_coils - abs(steps))
    lag = (steps + n_coils // 2) % n_coils - n_coils // 2
    shared = 0.3**apart * np.exp(0.4j * lag)
    shared[apart * 2 == n_coils] = 0.3 ** (n_coils // 2)  # opposite: no side is nearer
    gains = 1 + 0.2 * np.sin(1.7 * index + 0.5)
    return np.asarray(shared * np.outer(gains, gains))
