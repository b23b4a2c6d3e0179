"""The proton spectrum of body fat: what a unit of fat signal looks like at each echo."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Hamilton 2011, doi:10.1002/nbm.1622, liver: chemical shift and share of the signal of six groups
# of peaks. 8.6 % lie about the water: 5.3 and 4.2 ppm.
PEAKS_PPM: Final = (5.3, 4.2, 2.75, 2.1, 1.3, 0.9)
SHARES: Final = (0.047, 0.039, 0.006, 0.120, 0.700, 0.088)
WATER_PPM: Final = 4.7  # at 37 °C, Hamilton 2011
WATER_AT_C: Final = 37.0


def fat_at_echoes(
    echo_times_s: tuple[float, ...],
    *,
    h1_frequency_hz: float,
    alpha_ppm_per_c: float,
    phase_sign: int,
    temperature_c: float,
) -> NDArray[np.complex128]:
    """Signal of fat against water's frequency, complex128 (echo,), 1 at echo time 0.

    temperature_c: of the water, whose own shift α moves it past the fat by 0.1 ppm in 10 °C; the
    fat stays (electron screening ≈ 0). phase_sign as in the plan.
    """
    water_ppm = WATER_PPM + alpha_ppm_per_c * (temperature_c - WATER_AT_C)
    shift_hz = (np.asarray(PEAKS_PPM) - water_ppm) * 1e-6 * h1_frequency_hz
    turns = np.multiply.outer(np.asarray(echo_times_s), shift_hz)
    share = np.asarray(SHARES) / math.fsum(SHARES)
    signal: NDArray[np.complex128] = np.exp(phase_sign * 2j * math.pi * turns) @ share
    return signal
