"""A polynomial through most of the phase, whatever the rest does: reweighted-L1 regression."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.drift import MAD_TO_STD, MIN_PIXELS_PER_TERM, DriftFit

ROUNDS: Final = 15
# ε in units of the noise: what lies within it is noise and all alike, beyond it the weight falls.
CORNER: Final = 3.0
FLAT: Final = 0.1  # of the noise: closer than that an absolute value is taken for a parabola
# Variance of the coefficients against that of least squares, in Gaussian noise e of 1, with
# ψ = e / (|e| + 3) / (|e| + 0.1): E[ψ²] / E[eψ]². What robustness against everything costs.
INEFFICIENCY: Final = 1.573
OUTSIDE: Final = 4.0  # times the noise, where a residual is no noise
MIN_RECIPROCAL_CONDITION: Final = 1e-8  # below it the pixels do not determine the polynomial


def fit_reweighted_l1(
    terms: NDArray[np.float32],
    phase_rad: NDArray[np.float32],
    *,
    variance_rad2: NDArray[np.float32],
    start: NDArray[np.float64],
) -> DriftFit | None:
    """Polynomial of least Σ w|r|, where w = 1 / (|r| + ε) is renewed until it rests.

    terms: (term, pixel) at the fitted pixels. phase_rad, variance_rad2: (pixel,), without wraps.
    start: a first guess; a hot spot may lie anywhere in less than half of the pixels.
    The residual r is in units of the noise; at rest the sum is that of log(|r| + ε). Returns None
    where the pixels are too few or do not determine the polynomial. The covariance is this
    estimator's own in the noise as found, not that of least squares.
    Grissom 2010, doi:10.1002/mrm.22502.
    """
    n_terms, n_pixels = terms.shape
    if n_pixels < MIN_PIXELS_PER_TERM * n_terms:
        return None
    # float64: normal equations square the condition number
    per_std = 1.0 / np.sqrt(variance_rad2.astype(np.float64))
    design, target = terms * per_std, phase_rad * per_std
    plain = design @ design.T
    eigenvalues = np.linalg.eigvalsh(plain)
    if not eigenvalues[0] > MIN_RECIPROCAL_CONDITION * eigenvalues[-1]:
        return None
    coefficients, scale = start.astype(np.float64), 1.0
    for _ in range(ROUNDS):
        residual = np.abs(target - coefficients @ design)
        scale = MAD_TO_STD * float(np.median(residual))
        # never narrower than the known noise: a lucky median must not throw good pixels away
        size = residual / max(scale, 1.0)
        weight = 1.0 / ((size + CORNER) * (size + FLAT))
        normal, moment = (design * weight) @ design.T, design @ (weight * target)
        coefficients = np.linalg.solve(normal, moment).astype(np.float64)
    size = np.abs(target - coefficients @ design) / max(scale, 1.0)
    is_inside = size < OUTSIDE
    normal = (design * is_inside) @ design.T
    covariance = np.linalg.inv(normal).astype(np.float64) * INEFFICIENCY * max(scale, 1.0) ** 2
    excess_rad = float(np.sqrt(max(scale**2 - 1.0, 0.0) * float(np.median(variance_rad2))))
    return DriftFit(
        coefficients, covariance, is_inside / INEFFICIENCY, excess_rad, np.arange(n_pixels)
    )
