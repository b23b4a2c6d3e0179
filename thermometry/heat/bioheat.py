"""Pennes' bio-heat equation in uniform tissue: any map by cosine series, a Gaussian in closed form.

    dT/dt = D ∇²T - P T + S,   T the rise above arterial blood, S the heating rate in °C/s

Pennes 1948, doi:10.1152/jappl.1948.1.2.93. Uniform properties, no large vessels, no boiling.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from thermometry.heat.tissue import Tissue

Real = NDArray[np.float64]


def cosine_wave_numbers(n: int, spacing_mm: float) -> Real:
    """Return the wave numbers, rad/mm, of a cosine series over n samples; (n,)."""
    return np.asarray(np.pi * np.arange(n) / (n * spacing_mm), np.float64)


def grown(rate_per_s: Real, time_s: float) -> Real:
    """Return what a unit source leaves after `time_s`: the integral of exp(-rate · t), exact."""
    rate = np.maximum(rate_per_s, 1e-30)  # no decay at all gives time_s
    return np.asarray(-np.expm1(-rate * time_s) / rate)


@dataclass(frozen=True, slots=True, eq=False)
class CosineSolver:
    """Rises on a grid, stepped exactly in time; no heat crosses the grid's border.

    rate_per_s: of each mode of the cosine series, D k² + P; any number of dimensions.
    """

    rate_per_s: Real

    @classmethod
    def over(
        cls, shape: tuple[int, ...], spacing_mm: tuple[float, ...], tissue: Tissue
    ) -> "CosineSolver":
        """Return the solver of a grid."""
        waves = [cosine_wave_numbers(n, dx) ** 2 for n, dx in zip(shape, spacing_mm, strict=True)]
        squares = reduce(np.add.outer, waves)
        return cls(tissue.diffusivity_mm2_per_s * squares + tissue.perfusion_per_s)

    def advance(self, rise_c: Real, time_s: float, *, source_c_per_s: Real) -> Real:
        """Return the rise after `time_s` of constant heating; float64, of the grid's shape.

        float64 because small differences of modes make the far field.
        """
        modes = fft.dctn(rise_c, norm="ortho") * np.exp(-self.rate_per_s * time_s)
        modes += fft.dctn(source_c_per_s, norm="ortho") * grown(self.rate_per_s, time_s)
        risen: Real = fft.idctn(modes, norm="ortho")
        return risen


def gaussian_rise_c(
    offset_mm: tuple[float, ...],
    sigma_mm: tuple[float, ...],
    tissue: Tissue,
    *,
    time_s: float,
    rate_c_per_s: float,
) -> float:
    """Return the rise after `time_s` of heating by a Gaussian source, at an offset from its centre.

    offset_mm, sigma_mm: in as many dimensions as the source has: two for a cylinder, three for a
    spot. rate_c_per_s: heating rate at the centre. Cooling follows by superposition. Gauss-Legendre
    over the logarithm of the spread, so that short and long times count alike; the Green's function
    is that of Carslaw and Jaeger 1959, chapter 10.
    """
    if time_s <= 0:
        return 0.0
    scale_s = min(sigma_mm) ** 2 / (2 * tissue.diffusivity_mm2_per_s)
    nodes, weights = np.polynomial.legendre.leggauss(64)
    span = np.log1p(time_s / scale_s)
    elapsed_s = scale_s * np.expm1(span * (nodes + 1) / 2)
    kernel = np.exp(-tissue.perfusion_per_s * elapsed_s)
    for offset, sigma in zip(offset_mm, sigma_mm, strict=True):
        variance = sigma**2 + 2 * tissue.diffusivity_mm2_per_s * elapsed_s
        kernel *= sigma / np.sqrt(variance) * np.exp(-(offset**2) / (2 * variance))
    jacobian_s = span / 2 * (elapsed_s + scale_s)
    return rate_c_per_s * float(np.sum(weights * jacobian_s * kernel))
