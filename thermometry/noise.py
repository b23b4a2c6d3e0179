"""Noise of the coil images where no noise was measured: sqrt(E|n|²) of a pixel of a coil."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv


def noise_variance_from_scatter(
    scatter: NDArray[np.float32],
    count: NDArray[np.int32],
    *,
    n_coils: int,
    spread: float = 1.0,
) -> float | None:
    """Complex noise variance from repeated images: a robust mean over pixels, unbiased.

    scatter: float32 (z, y, x), Σ|x - mean|² over frames and coils; count: frames in each pixel.
    spread: Σλ² / n_coils of the coils' noise, eigenvalues λ of mean 1; 1 for equal coils.
    In noise, scatter / (σ² · spread) follows a gamma distribution of shape
    n_coils · (count - 1) / spread, whose median is known: exactly for equal coils, otherwise after
    Satterthwaite 1946, doi:10.2307/3002019. The median over pixels shrugs off vessels and edges.
    Whatever else varies from frame to frame in most pixels counts as noise here: motion, flow,
    unfitted drift. Returns None where fewer than two images stand behind every pixel, or no pixel
    changed at all.
    """
    usable = (count == count.max()) & (scatter > 0)
    degrees = n_coils * (int(count.max()) - 1)
    if degrees < 1 or not np.any(usable):
        return None
    return float(np.median(scatter[usable])) / (spread * float(gammaincinv(degrees / spread, 0.5)))


def noise_variance_from_detail(coils: NDArray[np.complex64]) -> float | None:
    """Complex noise variance from a single image: its second difference along both axes.

    coils: complex64 (coil, z, y, x); where a pixel is exactly zero or not finite, nothing is taken.
    Neither a slope of the magnitude nor one of the phase is left in it, and the median ignores
    edges. It reads too low where the image was interpolated or filtered and too high where texture
    fills it, so a noise scan is better. Returns None where the image is too small.
    Immerkaer 1996, doi:10.1006/cviu.1996.0060.
    """
    if min(coils.shape[-2:]) < 3:
        return None
    known = np.where(coils == 0, np.complex64(np.nan), coils)
    along_y = known[..., :-2, :] - 2 * known[..., 1:-1, :] + known[..., 2:, :]
    detail = (along_y[..., :-2] - 2 * along_y[..., 1:-1] + along_y[..., 2:]) / np.float32(6)
    power = (detail.real**2 + detail.imag**2).ravel()
    power = power[np.isfinite(power) & (power > 0)]
    if power.size == 0:
        return None
    # |detail|² is exponential with mean σ²; its median is σ² ln 2
    return float(np.median(power)) / math.log(2.0)
