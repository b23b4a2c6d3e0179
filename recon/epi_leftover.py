"""EPI: what navigators leave of the misalignment of odd and even lines, from one image."""

from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.optimize
from numpy.typing import NDArray

_MAX_COILS = 4  # of the mixtures that receive most power; the rest would only cost time
_WIDEST_RAD = 0.5  # beyond it a ghost and the patient could change places
_STEP_RAD = 0.05
_PRECISION_RAD = 2e-3  # a ghost of 0.1 %


class Leftover(NamedTuple):
    """Phase of forward lines minus that of reverse ones, constant + slope · x, all coils alike."""

    constant_rad: float
    slope_rad: float

    def turn(self, n_x: int, *, is_reverse: bool) -> NDArray[np.complex64]:
        """Return the factor (x,) that lines of one polarity are multiplied by."""
        pixels = np.arange(n_x) - n_x // 2
        half = 0.5j if is_reverse else -0.5j
        turn: NDArray[np.complex64] = np.exp(
            half * (self.constant_rad + self.slope_rad * pixels)
        ).astype(np.complex64)
        return turn


def leftover(rows: NDArray[np.complex64], are_reverse: NDArray[np.bool_]) -> Leftover:
    """Return what makes the image of one fully sampled frame sparsest, near zero.

    rows: complex64 (coil, kz, ky, x). are_reverse: bool (kz, ky).
    Navigators are the first echoes of a train, where eddy currents have not settled; what they
    get wrong by that is the same in every frame, so it is measured once. A ghost spreads signal
    over the field of view, and the sum of magnitudes grows while the sum of squares stays. The
    result turns polarities against each other and nothing else.
    """
    n_x = rows.shape[-1]
    mixed = _strongest(rows)
    half_width = max(n_x // 2, 1)

    def spread(point: NDArray[np.float64]) -> float:
        found = Leftover(float(point[0]), float(point[1]) / half_width)
        forward, reverse = (found.turn(n_x, is_reverse=way) for way in (False, True))
        turned = mixed * np.where(are_reverse[..., None], reverse, forward)
        coils = scipy.fft.ifft2(turned, axes=(1, 2))
        return float(np.sqrt(np.sum(np.abs(coils) ** 2, axis=0)).sum())

    start = np.array([[0.0, 0.0], [_STEP_RAD, 0.0], [0.0, _STEP_RAD]])
    at_zero = spread(start[0])
    if not np.isfinite(at_zero) or at_zero == 0:
        return Leftover(0.0, 0.0)
    found = scipy.optimize.minimize(
        lambda point: spread(point) / at_zero,
        start[0],
        method="Nelder-Mead",
        bounds=[(-_WIDEST_RAD, _WIDEST_RAD)] * 2,
        options={
            "initial_simplex": start,
            "xatol": _PRECISION_RAD,
            "fatol": 1e-6,
            "maxfev": 80,
        },
    )
    constant_rad, edge_rad = map(float, found.x)
    return Leftover(constant_rad, edge_rad / half_width)


def _strongest(rows: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return the mixtures of coils that receive most power."""
    if rows.shape[0] <= _MAX_COILS:
        return rows
    flat = rows.reshape(rows.shape[0], -1)
    power = (flat @ flat.conj().T).astype(np.complex128)
    mixtures = np.linalg.eigh(power)[1][:, -_MAX_COILS:].astype(np.complex64)
    mixed: NDArray[np.complex64] = np.tensordot(mixtures.conj().T, rows, axes=1)
    return mixed
