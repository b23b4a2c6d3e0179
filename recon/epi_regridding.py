"""EPI readouts sampled at equal times under a trapezoid: where they lie in k, and the way back."""

import numpy as np
from numpy.typing import NDArray

from messages import EpiTiming, HeaderError

_MARGIN = 6  # nodes beyond the sampled band: the tails of the sinc
# Of the largest eigenvalue. A node that lies a quarter of a step beyond the last sample of lines in
# one direction is hardly determined: with 1e-6 it doubled those lines' noise.
_RIDGE = 1e-3
_WIDEST_FOV = 2.0  # of the encoded one; beyond it nothing is kept apart


def readout_positions(timing: EpiTiming, n_kx: int) -> NDArray[np.float64]:
    """Return k of the samples of a forward line, in steps of 1 / encoded field of view.

    Samples are taken in the middle of their dwell times; k is 0 at the middle of the trapezoid and
    the area while the receiver is open is n_kx steps (as Siemens converters mean it).
    Raises HeaderError for a trapezoid without area while samples are taken.
    """
    stops_us = [timing.ramp_up_us, timing.flat_top_us, timing.ramp_down_us]
    numbers = [*stops_us, timing.delay_us, timing.dwell_us]
    if not np.isfinite(numbers).all() or min(numbers) < 0 or timing.n_samples < 2:
        raise HeaderError(
            f"is {timing}, expected times that are not negative and 2 or more samples",
            field="encoding.trajectoryDescription",
        )
    total_us = sum(stops_us)
    dwells_us = timing.delay_us + timing.dwell_us * np.arange(timing.n_samples + 1, dtype=float)
    ends = _area_us(dwells_us[[0, -1]], timing)
    span_us = float(ends[1] - ends[0])
    if span_us <= 0 or dwells_us[-1] > total_us + timing.dwell_us:
        raise HeaderError(
            f"samples from {dwells_us[0]:g} to {dwells_us[-1]:g} us, expected them under the "
            f"gradient of {total_us:g} us",
            field="encoding.trajectoryDescription",
        )
    middle = _area_us(np.array([total_us], float), timing) / 2
    area = _area_us(dwells_us[:-1] + 0.5 * timing.dwell_us, timing)
    positions: NDArray[np.float64] = (area - middle) * (n_kx / span_us)
    return positions


def profile_matrix(positions: NDArray[np.float64], n_kx: int, n_x: int) -> NDArray[np.complex64]:
    """Return (sample, x), which a readout (coil, sample) is multiplied by to give its profile.

    positions: of the samples, in steps of 1 / field of view. n_kx: pixels of the field of view.
    n_x: pixels kept about its centre.
    Each sample is the sinc interpolation of k-space on a grid (an object inside its field of view
    has no other value there); the least-squares inverse of that, unweighted because the noise of
    samples of equal dwell is white, gives the grid, and a centred orthonormal inverse DFT the
    profile. The grid's field of view is as wide as the samples keep apart, so that what lies beside
    the image does not fold into it. float64: the inverse is worth its digits, once a session.
    """
    step = float(np.diff(np.sort(positions)).max())
    n_fine = max(n_kx, int(min(1 / step, _WIDEST_FOV) * n_kx))
    wide = n_fine / n_kx
    first = -(n_fine // 2)
    nodes = np.arange(first - _MARGIN, first + n_fine + _MARGIN)
    sinc = np.sinc(positions[:, None] * wide - nodes)
    gram = sinc.T @ sinc
    ridge = _RIDGE * np.linalg.norm(gram, 2) * np.eye(len(nodes))
    inverse = np.linalg.solve(gram + ridge, sinc.T)[_MARGIN:-_MARGIN]
    middle = n_fine // 2
    inverse /= inverse[middle] @ sinc[:, middle + _MARGIN]  # the ridge makes all a little smaller
    pixels = np.arange(n_x) - n_x // 2
    fourier = np.exp(2j * np.pi / n_fine * np.outer(pixels, nodes[_MARGIN:-_MARGIN]))
    matrix = np.sqrt(n_kx) / n_fine * (fourier @ inverse).T
    return np.ascontiguousarray(matrix, dtype=np.complex64)


def sampling_matrix(positions: NDArray[np.float64], n_kx: int, n_x: int) -> NDArray[np.complex64]:
    """Return (sample, x): the forward model, pixels of a profile → samples of its readout."""
    pixels = np.arange(n_x) - n_x // 2
    matrix = np.exp(-2j * np.pi / n_kx * np.outer(positions, pixels)) / np.sqrt(n_kx)
    samples: NDArray[np.complex64] = matrix.astype(np.complex64)
    return samples


def _area_us(t_us: NDArray[np.float64], timing: EpiTiming) -> NDArray[np.float64]:
    """Return the area of a trapezoid of unit height up to a time."""
    up, flat, down = timing.ramp_up_us, timing.flat_top_us, timing.ramp_down_us
    rising = np.clip(t_us, 0, up)
    level = np.clip(t_us - up, 0, flat)
    falling = np.clip(t_us - up - flat, 0, down)
    area: NDArray[np.float64] = level + falling
    area = area + (rising**2 / (2 * up) if up > 0 else 0)
    return area - (falling**2 / (2 * down) if down > 0 else 0)
