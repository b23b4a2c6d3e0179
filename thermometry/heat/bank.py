"""The hypotheses of the heat model: how heat spreads and fades, and how far to trust that.

Nobody knows a patient's diffusivity, perfusion, or how long the hot spot is across the slice, and
no map shows them. So some values of each stand side by side, and the frames weigh them: a bank of
Kalman filters (Magill 1965, doi:10.1109/TAC.1965.1098191).
"""

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.special import erf

from thermometry.heat.bioheat import cosine_wave_numbers
from thermometry.heat.tissue import Tissue

Real = NDArray[np.float64]

DIFFUSIVITY_FACTORS: Final = (0.75, 0.87, 1.0, 1.15, 1.32)
# Perfusion doubles in warm tissue and ceases where it coagulates; the source's standard deviation
# across the slice is 1 to 8 mm. Both take heat from the slice, so that few pairs tell all apart.
LOSSES: Final = ((0.0, 8.0), (0.0, 2.5), (1.0, 8.0), (1.0, 2.5), (1.5, 1.0), (2.0, 8.0))
LEAST_PERFUSION_PER_S: Final = 0.003  # what factors multiply where the table has none
# How fast the temperature may leave the model, °C per √s; the last is for power that nobody logged
ROAMING_C_PER_ROOT_S: Final = (0.02, 0.15)
UNLOGGED_C_PER_ROOT_S: Final = 2.0
LENGTH_MM: Final = 2.0  # over which departures hang together
MATERN: Final = 3.0  # smoothness of departures
FINEST_PER_MM: Final = 2.2  # rad/mm: detail finer than that diffuses away in a second or two
FADING_PER_S: Final = (0.002, 0.02, 0.15)  # exponentials that loss across the slice is made of
_FITTED_S: Final = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class HeatBank:
    """What each hypothesis says, mode by mode of the cosine series over a region.

    basis_y, basis_x: (pixel, mode), orthonormal, up to FINEST_PER_MM. spread_per_s: D k² of each
        tissue (tissue, y, x).
    fading_per_s: (tissue, exponential), and share: (tissue, exponential), of loss across the
        slice and to blood: heat of age t is left in the slice by Σ share · exp(-fading · t).
    tissue: (member,), which tissue a member has. roaming: (member,), in °C/√s.
    spectrum: (y, x), variance of the modes of a departure whose pixels have variance 1.
    across_mm: (tissue,).
    """

    basis_y: Real
    basis_x: Real
    spread_per_s: Real
    fading_per_s: Real
    share: Real
    tissue: NDArray[np.intp]
    spectrum: Real
    roaming: Real
    across_mm: Real

    @property
    def n_members(self) -> int:
        """How many hypotheses there are."""
        return self.tissue.size


def heat_bank(
    shape: tuple[int, int], spacing_mm: tuple[float, float], thickness_mm: float, tissue: Tissue
) -> HeatBank:
    """Return the bank of a region. shape, spacing_mm: (y, x)."""
    ky, kx = (cosine_wave_numbers(n, dx) for n, dx in zip(shape, spacing_mm, strict=True))
    every = ky[:, None] ** 2 + kx**2
    n_y, n_x = (int(np.searchsorted(k, FINEST_PER_MM, side="right")) for k in (ky, kx))
    squares = every[:n_y, :n_x]
    perfusion = max(tissue.perfusion_per_s, LEAST_PERFUSION_PER_S)
    tissues = [(factor, *loss) for factor, loss in product(DIFFUSIVITY_FACTORS, LOSSES)]
    diffusivities = [tissue.diffusivity_mm2_per_s * factor for factor, _, _ in tissues]
    shares = [
        _shares(across, thickness_mm, diffusivity)
        for diffusivity, (_, _, across) in zip(diffusivities, tissues, strict=True)
    ]
    blood = np.array([perfusion * factor for _, factor, _ in tissues])
    members = list(product(range(len(tissues)), ROAMING_C_PER_ROOT_S))
    members.append((len(tissues) // 2, UNLOGGED_C_PER_ROOT_S))
    return HeatBank(
        basis_y=cosines(shape[0], n_y),
        basis_x=cosines(shape[1], n_x),
        spread_per_s=np.multiply.outer(np.array(diffusivities), squares),
        fading_per_s=blood[:, None] + np.array(FADING_PER_S),
        share=np.array(shares),
        tissue=np.array([one for one, _ in members]),
        spectrum=_spectrum(every)[:n_y, :n_x],
        roaming=np.array([roaming for _, roaming in members]),
        across_mm=np.array([across for _, _, across in tissues]),
    )


def _shares(across_mm: float, thickness_mm: float, diffusivity_mm2_per_s: float) -> Real:
    """Return the loss from a slice of a source that is Gaussian across it, as exponentials."""
    age_s = np.linspace(0, _FITTED_S, 61)
    width_mm = np.sqrt(across_mm**2 + 2 * diffusivity_mm2_per_s * age_s)
    left = erf(thickness_mm / (2 * np.sqrt(2) * width_mm))
    curves = np.exp(-np.outer(age_s, FADING_PER_S))
    weights = np.where(age_s == 0, 30.0, 1.0)  # at once, all is there
    found, _ = nnls(curves * weights[:, None], left / left[0] * weights)
    return np.asarray(found / found.sum(), np.float64)


def _spectrum(squares: Real) -> Real:
    shape = (1 + squares * LENGTH_MM**2 / (2 * MATERN)) ** (-MATERN - 1)
    return np.asarray(shape * (shape.size / shape.sum()), np.float64)


def cosines(n: int, n_modes: int) -> Real:
    """Return the first orthonormal cosines of n pixels, (pixel, mode)."""
    angles = np.pi * np.outer(np.arange(n) + 0.5, np.arange(n_modes)) / n
    basis = np.cos(angles) * np.sqrt(2 / n)
    basis[:, 0] /= np.sqrt(2)
    return np.asarray(basis, np.float64)
