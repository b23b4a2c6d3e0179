"""A head of ellipses whose image and k-space are both known in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import j1

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Ellipse:
    """A uniform ellipse that adds `weight` to the object wherever it lies.

    center_mm, semi_axes_mm: (x, y); x to the patient's left, y to the back. angle_deg turns the
    first axis from x towards y.
    """

    weight: complex
    center_mm: tuple[float, float]
    semi_axes_mm: tuple[float, float]
    angle_deg: float = 0.0


HEAD: tuple[Ellipse, ...] = (
    Ellipse(0.95, (0, 0), (80, 99)),  # scalp, bright with fat
    Ellipse(-0.87, (0, 0), (74.5, 93.5)),  # skull, nearly no signal
    Ellipse(0.52 + 0.05j, (0, 0.5), (68, 87)),  # grey matter
    Ellipse(0.10 - 0.02j, (0, 0.5), (60, 78)),  # white matter
    Ellipse(-0.30, (-9.5, -11), (6, 21), 12),  # lateral ventricles
    Ellipse(-0.30, (9.5, -11), (6, 21), -12),
    Ellipse(-0.25, (0, 18), (2.2, 9)),  # third ventricle
    Ellipse(0.09 + 0.02j, (-14.5, 15), (10, 12.5), 20),  # thalami
    Ellipse(0.09 + 0.02j, (14.5, 15), (10, 12.5), -20),
    Ellipse(0.07, (-24, -12), (6, 15), -8),  # putamina
    Ellipse(0.07, (24, -12), (6, 15), 8),
    Ellipse(-0.14, (0, -63), (1.3, 21)),  # interhemispheric fissure
    Ellipse(-0.14, (0, 66), (1.3, 18)),
    Ellipse(0.18 + 0.03j, (-38, 38), (6.5, 5.0), 35),  # a lesion
    Ellipse(-0.28, (41, -34), (1.8, 1.8)),  # vessels
    Ellipse(-0.28, (-33, 4), (1.4, 1.4)),
)
"""An axial head at the level of the thalami, fits into 240 mm. Weights add where ellipses lap."""


def image(ellipses: Sequence[Ellipse], x_mm: Real, y_mm: Real) -> Complex:
    """Return the object's value at each point; x_mm and y_mm broadcast."""
    value: Complex = np.zeros(np.broadcast_shapes(x_mm.shape, y_mm.shape), np.complex128)
    for ellipse in ellipses:
        turn = np.deg2rad(ellipse.angle_deg)
        x, y = x_mm - ellipse.center_mm[0], y_mm - ellipse.center_mm[1]
        along = (x * np.cos(turn) + y * np.sin(turn)) / ellipse.semi_axes_mm[0]
        across = (y * np.cos(turn) - x * np.sin(turn)) / ellipse.semi_axes_mm[1]
        value += ellipse.weight * (along**2 + across**2 <= 1)
    return value


def kspace(ellipses: Sequence[Ellipse], fx_per_mm: Real, fy_per_mm: Real) -> Complex:
    """Return ∫ object · exp(-2πi (fx x + fy y)) dx dy in mm², shape (fy, fx), exact.

    fx_per_mm (fx,), fy_per_mm (fy,): cycles/mm.
    Van de Walle et al. 1997, the Fourier transform of an ellipse: a b J1(2πκ)/κ.
    """
    value: Complex = np.zeros((fy_per_mm.size, fx_per_mm.size), np.complex128)
    fx, fy = fx_per_mm[None, :], fy_per_mm[:, None]
    for ellipse in ellipses:
        a, b = ellipse.semi_axes_mm
        turn = np.deg2rad(ellipse.angle_deg)
        along = a * (fx * np.cos(turn) + fy * np.sin(turn))
        across = b * (fy * np.cos(turn) - fx * np.sin(turn))
        kappa = np.maximum(np.hypot(along, across), 1e-9)  # J1(2πκ)/κ tends to π there
        x0, y0 = ellipse.center_mm
        shift_y = np.exp(-2j * np.pi * fy * y0) * (ellipse.weight * a * b)
        value += (j1(2 * np.pi * kappa) / kappa) * shift_y * np.exp(-2j * np.pi * fx * x0)
    return value
