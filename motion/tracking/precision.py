"""How well the place of a structure is known, from what is left after alignment."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from motion.tracking.view import SMOOTHING_PX

Real = NDArray[np.float64]

SHAPE_STD: Final = 0.06  # what a change of shape is expected to be, before anything is seen
UNSEEN_SHAPE_STD: Final = 0.02  # what it is over a breath, where nobody looks for it
# Smoothing spreads the noise of one pixel over this many: what independent samples are worth.
NOISE_AREA_PX: Final = 4.0 * np.pi * SMOOTHING_PX**2
# and leaves its slopes this variance, over its own: the curvature of its autocorrelation
NOISE_SLOPE: Final = 1.0 / (2.0 * SMOOTHING_PX**2)
# Of white noise, what a Gaussian leaves over what it takes: 1/A over 1 - 4/A + 1/A.
GRAIN_LEFT: Final = 1.0 / (NOISE_AREA_PX - 3.0)
LEAST_INFORMATION: Final = 1e-4  # of the best known direction: an aperture, not a division by 0


def shift_covariance(
    hessian: Real, levers: Real, *, residual: float, grain: float, sample_size: float,
    radius_px: float, is_rigid: bool,
) -> Real:  # fmt: skip
    """Return (2, 2) px² of the shift, by Gauss and Markov, for noise that smoothing correlates.

    hessian: (6, 6) of the template, which holds noise as well, whose slopes are no texture and are
    taken off. levers: (6,), weighted mean squares by which slopes enter it. residual: variance
    over gain²; grain: of what smoothing took away, over gain; the noise in the template is at most
    half of the one, and at most what white noise of that grain leaves. sample_size: Σ weight².
    is_rigid: the shape was not looked for, and what it may have been pulls the shift along.
    """
    own_noise = min(0.5 * residual, GRAIN_LEFT * grain**2)
    information = _texture(hessian - np.diag(own_noise * NOISE_SLOPE * levers))
    noise = residual * sample_size * NOISE_AREA_PX
    shape_variance = (SHAPE_STD * radius_px) ** 2
    if is_rigid:
        back = np.linalg.inv(_texture(information[:2, :2]))
        pull = back @ information[:2, 2:]
        left = (UNSEEN_SHAPE_STD * radius_px) ** 2
        return np.asarray(noise * back + left * pull @ pull.T)
    information[2:, 2:] += np.eye(4) * noise / shape_variance
    return np.asarray(noise * np.linalg.inv(information)[:2, :2])


def _texture(information: Real) -> Real:
    """Return the matrix with no direction that is known less than not at all."""
    values, directions = np.linalg.eigh(information)
    floor = max(LEAST_INFORMATION * float(values[-1]), 1e-30)
    return np.asarray((directions * np.maximum(values, floor)) @ directions.T)
