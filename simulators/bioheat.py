"""Pennes bio-heat in uniform tissue around a Gaussian source: closed form, and step by step.

Pennes 1948, doi:10.1152/jappl.1948.1.2.93. Uniform properties, no large vessels, no boiling: a
model of heating, not of a patient.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad

Real = NDArray[np.float64]

_FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))


@dataclass(frozen=True, slots=True)
class Tissue:
    """Heat properties; the defaults are the IT'IS brain average.

    diffusivity D = k/(ρ c) in mm²/s, perfusion P = w ρ_b c_b/c in 1/s.
    """

    diffusivity_mm2_per_s: float = 1e6 * 0.51 / (1046 * 3630)
    perfusion_per_s: float = 559e-6 / 60 * 1050 * 3617 / 3630  # 559 ml/min/kg


@dataclass(frozen=True, slots=True)
class GaussianSource:
    """Absorbed power exp(-x²/2sx² - y²/2sy² - z²/2sz²), 1 at its centre. fwhm_mm: (x, y, z)."""

    fwhm_mm: tuple[float, float, float]

    @property
    def sigma_mm(self) -> tuple[float, float, float]:
        """Standard deviations (x, y, z)."""
        x, y, z = self.fwhm_mm
        return x / _FWHM_PER_SIGMA, y / _FWHM_PER_SIGMA, z / _FWHM_PER_SIGMA


def exact_rise_c(
    source: GaussianSource,
    tissue: Tissue,
    *,
    position_mm: tuple[float, float, float],
    time_s: float,
    rate_c_per_s: float,
) -> float:
    """Temperature rise after `time_s` of constant heating from rest, by quadrature.

    rate_c_per_s: heating rate at the source's centre, Q/(ρ c). Gao et al. 1995 give the Gaussian
    case; cooling follows by superposition: rise(t) - rise(t - t_on).
    """
    diffusivity, perfusion = tissue.diffusivity_mm2_per_s, tissue.perfusion_per_s

    def kernel(elapsed_s: float) -> float:
        value = float(np.exp(-perfusion * elapsed_s))
        for sigma, r in zip(source.sigma_mm, position_mm, strict=True):
            variance = sigma**2 + 2 * diffusivity * elapsed_s
            value *= float(np.sqrt(sigma**2 / variance) * np.exp(-(r**2) / (2 * variance)))
        return value

    if time_s <= 0:
        return 0.0
    return rate_c_per_s * float(quad(kernel, 0, time_s, epsabs=1e-10, limit=200)[0])


class BioheatField:
    """Temperature rise driven by any power, one exact step at a time.

    The field is a cosine series with a period far beyond the heat's reach; within a step of
    constant power each mode has its exact exponential, so a step of any length has no time error.
    """

    def __init__(self, source: GaussianSource, tissue: Tissue, *, period_mm: float = 64.0) -> None:
        self._waves = [_wave_numbers(sigma, period_mm) for sigma in source.sigma_mm]
        x, y, z = (
            _amplitudes(sigma, wave, period_mm)
            for sigma, wave in zip(source.sigma_mm, self._waves, strict=True)
        )
        kx, ky, kz = self._waves
        squares = ky[:, None, None] ** 2 + kx[:, None] ** 2 + kz**2
        self._decay_per_s = tissue.diffusivity_mm2_per_s * squares + tissue.perfusion_per_s
        self._source = y[:, None, None] * x[:, None] * z
        self._modes = np.zeros_like(self._source)
        self._step_s = 0.0
        self._factors = (np.ones_like(self._source), np.zeros_like(self._source))

    def advance(self, step_s: float, *, rate_c_per_s: float) -> None:
        """Let `step_s` pass with constant heating."""
        if step_s <= 0:
            return
        if step_s != self._step_s:
            self._step_s, self._factors = step_s, self._step_factors(step_s)
        keep, gain = self._factors
        self._modes *= keep
        if rate_c_per_s:
            self._modes += rate_c_per_s * gain

    def peak_c(self) -> float:
        """Rise at the source's centre."""
        return float(self._modes.sum())

    def in_plane(self) -> Real:
        """Return the modes of the plane z = 0, for `PlaneSampler`."""
        return np.asarray(self._modes.sum(axis=2))

    def sampler(
        self, x_mm: Real, y_mm: Real, *, box_mm: tuple[float, float] = (0.0, 0.0)
    ) -> "PlaneSampler":
        """Return what evaluates the plane z = 0 at columns and rows from the source's centre.

        box_mm: (x, y), the box to average over; 0 for points.
        """
        kx, ky, _ = self._waves
        return PlaneSampler(_cosines(ky, y_mm, box_mm[1]), _cosines(kx, x_mm, box_mm[0]).T)

    def _step_factors(self, step_s: float) -> tuple[Real, Real]:
        keep = np.exp(-self._decay_per_s * step_s)
        safe = np.where(self._decay_per_s > 0, self._decay_per_s, 1.0)
        grown = np.where(self._decay_per_s > 0, -np.expm1(-safe * step_s) / safe, step_s)
        return keep, self._source * grown


@dataclass(frozen=True, slots=True, eq=False)
class PlaneSampler:
    """Evaluates a plane of modes at rows × columns, as points or as box averages.

    rows (y, mode), columns (mode, x). A box average is exact: each cosine times its sinc.
    """

    rows: Real
    columns: Real

    def __call__(self, modes: Real) -> Real:
        """Return the rise (y, x) in °C."""
        return np.asarray(self.rows @ modes @ self.columns)


def _wave_numbers(sigma_mm: float, period_mm: float) -> Real:
    n_waves = int(np.ceil(5.4 / sigma_mm * period_mm / (2 * np.pi)))  # exp(-5.4²/2) = 5e-7
    return np.asarray(2 * np.pi / period_mm * np.arange(n_waves + 1), np.float64)


def _amplitudes(sigma_mm: float, waves_per_mm: Real, period_mm: float) -> Real:
    amplitude = np.exp(-((sigma_mm * waves_per_mm) ** 2) / 2)
    amplitude *= 2 * sigma_mm * np.sqrt(2 * np.pi) / period_mm
    amplitude[0] /= 2
    return np.asarray(amplitude, np.float64)


def _cosines(waves_per_mm: Real, at_mm: Real, box_mm: float) -> Real:
    return np.asarray(
        np.cos(np.outer(at_mm, waves_per_mm)) * np.sinc(waves_per_mm * box_mm / (2 * np.pi))
    )
