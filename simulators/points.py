"""k-space at any positions, in closed form: no grid and no FFT between object and sample."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import j1

from simulators.coils import Coils
from simulators.phantom import Ellipse

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


def ellipse_samples(ellipses: Sequence[Ellipse], k_per_mm: Real) -> Complex:
    """Return ∫ object · exp(-2πi k·r) dr in mm² at positions k (sample, 2 or more), cycles/mm.

    Van de Walle et al. 1997, the Fourier transform of an ellipse: a b J1(2πκ)/κ.
    """
    fx, fy = k_per_mm[:, 0], k_per_mm[:, 1]
    value: Complex = np.zeros(fx.shape, np.complex128)
    for ellipse in ellipses:
        a, b = ellipse.semi_axes_mm
        turn = np.deg2rad(ellipse.angle_deg)
        along = a * (fx * np.cos(turn) + fy * np.sin(turn))
        across = b * (fy * np.cos(turn) - fx * np.sin(turn))
        kappa = np.maximum(np.hypot(along, across), 1e-9)  # J1(2πκ)/κ tends to π there
        x0, y0 = ellipse.center_mm
        shift = np.exp(-2j * np.pi * (fx * x0 + fy * y0))
        value += (ellipse.weight * a * b) * (j1(2 * np.pi * kappa) / kappa) * shift
    return value


def coil_samples(
    coils: Coils, object_samples: Callable[[Real], Complex], k_per_mm: Real
) -> Complex:
    """Return the coils' k-space (coil, sample) at positions k (sample, 2 or more).

    object_samples: the object's own k-space at any positions.
    """
    used = np.flatnonzero(np.any(coils.weights != 0, axis=0))
    shifted = np.repeat(k_per_mm[None], used.size, axis=0)
    shifted[:, :, :2] -= coils.waves_per_mm[used, None, :]
    values = object_samples(shifted.reshape(-1, k_per_mm.shape[1]))
    return np.asarray(coils.weights[:, used] @ values.reshape(used.size, -1))
