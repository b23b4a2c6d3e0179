"""How late a sinusoid is seen: Borman et al. 2019 (doi:10.1088/1361-6560/ab3e99), the fit of the
tracked position against the clock of what moves.
"""  # noqa: D205

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SineFit:
    """Of amplitude · sin(2π (t - lag) / T) + offset by least squares.

    lag_s: how much later than sin(2π t / T), or than its opposite, whichever is nearer.
    residual: root mean square of what is left.
    """

    amplitude: float
    lag_s: float
    residual: float


def fit_sine(times_s: Real, values: Real, *, period_s: float) -> SineFit:
    """Return the sinusoid of a known period through values; raises ValueError for fewer than 4."""
    if len(times_s) < 4:
        raise ValueError(f"{len(times_s)} values, expected 4 or more for a sinusoid")
    angle = 2 * np.pi * times_s / period_s
    basis = np.stack([np.sin(angle), np.cos(angle), np.ones_like(angle)], axis=1)
    weights, *_ = np.linalg.lstsq(basis, values, rcond=None)
    # an axis of the image may run against the motion: half a turn is no lag
    phase = (np.arctan2(weights[1], weights[0]) + np.pi / 2) % np.pi - np.pi / 2
    return SineFit(
        amplitude=float(np.hypot(weights[0], weights[1])),
        lag_s=float(-phase / (2 * np.pi) * period_s),
        residual=float(np.sqrt(np.mean((values - basis @ weights) ** 2))),
    )
