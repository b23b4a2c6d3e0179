"""Fat as the scanner hears it: six peaks, none of which moves with temperature."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FAT_PEAKS: tuple[tuple[float, float], ...] = (
    (-3.80, 0.087),
    (-3.40, 0.693),
    (-2.60, 0.128),
    (-1.94, 0.004),
    (-0.39, 0.039),
    (0.60, 0.048),
)
"""Shift from water at 37 °C (ppm) and share: Hamilton et al. 2011, doi:10.1002/nbm.1622, rounded.

The shares add up to 0.999, as printed; they are normalised where they are used.
"""


def fat_signal(
    times_s: NDArray[np.floating[Any]],
    *,
    h1_frequency_hz: float,
    sign: int = 1,
    peaks: tuple[tuple[float, float], ...] = FAT_PEAKS,
) -> NDArray[np.complex128]:
    """Return the signal of all peaks together at times since the excitation, 1 at time 0."""
    shift_ppm, share = np.array(peaks).T
    turns = np.multiply.outer(times_s, shift_ppm * 1e-6 * h1_frequency_hz)
    return np.asarray(np.exp(2j * np.pi * sign * turns) @ (share / share.sum()))
