"""Phase to temperature, pixel by pixel: unwrapped in time, with the standard deviations."""

import numpy as np
from numpy.typing import NDArray

from thermometry.compiled import compiled
from thermometry.phase import TURN, ZERO

Volume = NDArray[np.float32]
ONE, TWO = np.float32(1.0), np.float32(2.0)
NEVER = np.float32(np.nan)
HALF_TURN = np.float32(np.pi)


@compiled
def to_temperature(
    phase_rad: Volume,
    drift_rad: Volume,
    held_rad: Volume,
    total_rad2: Volume,
    common_rad2: Volume,
    drift_rad2: Volume,
    fitted: NDArray[np.intp],
    weights: NDArray[np.float64],
    usable: NDArray[np.bool_],
    c_per_rad: np.float32,
    body_c: np.float32,
    max_std_c: np.float32,
) -> tuple[Volume, Volume, Volume, NDArray[np.bool_], Volume]:
    """Temperature, its standard deviation, the common part, what is valid, the phase to hold.

    All arrays are (pixel,). phase_rad is wrapped; held_rad is the last valid phase of each pixel.
    drift_rad2 is the variance of the fitted drift, `fitted` the pixels it comes from with their
    weights. A pixel that took part in the fit has pulled the drift towards itself, so its residual
    is smaller than its noise by as much as the drift's variance; any other pixel adds it.
    Temperatures are NaN where not valid, and the held phase stays.
    """
    share = np.ones_like(phase_rad)
    for k in range(fitted.size):
        share[fitted[k]] -= TWO * np.float32(weights[k])
    temperature_c, std_c = np.empty_like(phase_rad), np.empty_like(phase_rad)
    common_c, kept_rad = np.empty_like(phase_rad), np.empty_like(phase_rad)
    valid = np.empty_like(usable)
    for i in range(phase_rad.size):
        step = phase_rad[i] - drift_rad[i] - held_rad[i]
        phase = held_rad[i] + (step - TURN * np.rint(step / TURN))
        inflation = ONE + drift_rad2[i] / total_rad2[i] * share[i]
        inflation = ZERO if inflation < ZERO else inflation
        std = np.sqrt(total_rad2[i] * inflation) * abs(c_per_rad)
        # false for NaN
        is_valid = usable[i] & (std <= max_std_c)
        temperature_c[i] = body_c + phase * c_per_rad if is_valid else NEVER
        std_c[i] = std if is_valid else NEVER
        common = np.sqrt(common_rad2[i] * inflation) * abs(c_per_rad)
        common_c[i] = common if is_valid else NEVER
        kept_rad[i] = phase if is_valid else held_rad[i]
        valid[i] = is_valid
    return temperature_c, std_c, common_c, valid, kept_rad


@compiled
def torn(phase_rad: Volume, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find valid pixels (z, y, x) that are more than half a turn from a valid neighbour in plane.

    No image holds a steeper phase than half a turn a pixel, so that one of the two is a turn off.
    """
    n_z, n_y, n_x = phase_rad.shape
    is_torn = np.zeros(phase_rad.shape, np.bool_)
    for z in range(n_z):
        for y in range(n_y):
            for x in range(n_x):
                for v, u in ((y, x + 1), (y + 1, x)):
                    if not (v < n_y and u < n_x and valid[z, y, x] and valid[z, v, u]):
                        continue
                    if abs(phase_rad[z, y, x] - phase_rad[z, v, u]) > HALF_TURN:
                        is_torn[z, y, x] = is_torn[z, v, u] = True
    return is_torn
