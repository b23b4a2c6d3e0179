"""A head of ellipsoids: image, slices and k-space in closed form."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.phantom import HEAD, Ellipse

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """A uniform ellipsoid that adds `weight` to the object wherever it lies.

    center_mm, semi_axes_mm: (x, y, z). angle_deg turns it about z, from x towards y.
    """

    weight: complex
    center_mm: tuple[float, float, float]
    semi_axes_mm: tuple[float, float, float]
    angle_deg: float = 0.0


def _inflated(ellipse: Ellipse) -> Ellipsoid:
    """Give an ellipse of the axial head a third axis, the mean of its two: shells still nest."""
    (x, y), (a, b) = ellipse.center_mm, ellipse.semi_axes_mm
    return Ellipsoid(ellipse.weight, (x, y, 0.0), (a, b, (a + b) / 2), ellipse.angle_deg)


HEAD_3D: tuple[Ellipsoid, ...] = tuple(_inflated(ellipse) for ellipse in HEAD)
"""The axial head with a third dimension; its cut at z = 0 is the axial head. 179 mm high."""


def cut(bodies: Sequence[Ellipse | Ellipsoid], z_mm: float) -> tuple[Ellipse, ...]:
    """Return what an infinitely thin slice at z meets; an ellipse is the same in every slice."""
    ellipses = []
    for body in bodies:
        if isinstance(body, Ellipse):
            ellipses.append(body)
            continue
        (x, y, z), (a, b, c) = body.center_mm, body.semi_axes_mm
        rest = 1 - ((z_mm - z) / c) ** 2
        if rest > 0:
            size = math.sqrt(rest)
            ellipses.append(Ellipse(body.weight, (x, y), (a * size, b * size), body.angle_deg))
    return tuple(ellipses)


def ellipsoid_samples(ellipsoids: Sequence[Ellipsoid], k_per_mm: Real) -> Complex:
    """Return ∫ object · exp(-2πi k·r) dr in mm³ at positions k (sample, 3), cycles/mm.

    Koay et al. 2007, doi:10.1002/mrm.21292: a b c (sin 2πκ - 2πκ cos 2πκ) / (2π²κ³), where κ is
    the length of k scaled by the semi-axes.
    """
    fx, fy, fz = k_per_mm.T
    value: Complex = np.zeros(fx.shape, np.complex128)
    for body in ellipsoids:
        a, b, c = body.semi_axes_mm
        turn = np.deg2rad(body.angle_deg)
        along = a * (fx * np.cos(turn) + fy * np.sin(turn))
        across = b * (fy * np.cos(turn) - fx * np.sin(turn))
        argument = 2 * np.pi * np.sqrt(along**2 + across**2 + (c * fz) ** 2)
        x0, y0, z0 = body.center_mm
        shift = np.exp(-2j * np.pi * (fx * x0 + fy * y0 + fz * z0))
        value += (body.weight * a * b * c) * _ball(argument) * shift
    return value


def _ball(argument: Real) -> Real:
    """4π (sin u - u cos u) / u³ of the unit ball; its series where the difference cancels."""
    u = np.maximum(argument, 1e-2)
    far = 4 * np.pi * (np.sin(u) - u * np.cos(u)) / u**3
    near = 4 * np.pi * (1 / 3 - argument**2 / 30 + argument**4 / 840)
    return np.asarray(np.where(argument < 1e-2, near, far))
