"""Robust polynomial fit of the phase drift between two images.

Field drift is smooth, a hot spot is not: pixels that a polynomial does not explain lose weight.
A smooth offset over most of the fitted pixels cannot be told from drift; without a reference
region a heated area must stay well under half of them.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from thermometry.compiled import compiled

HUBER_ROUNDS: Final = 2
TUKEY_ROUNDS: Final = 3
HUBER_CORNER: Final = 1.345  # 95 % efficiency for Gaussian noise; Huber 1981
TUKEY_CUTOFF: Final = 4.685  # 95 % efficiency for Gaussian noise; Beaton and Tukey 1974
MAD_TO_STD: Final = 1.4826  # median of |x| to standard deviation, Gaussian x
CHANCE: Final = 2.3  # over √n: twice how far such a deviation of n Gaussian x is off by chance
TAIL: Final = 1.959964  # standard deviations that 95 % of a Gaussian stay within
MAX_PIXELS: Final = 2048  # enough: the fit adds 0.3 % to a pixel's variance at order 2
INFINITY_BITS: Final = 0x7F800000  # of float32
MIN_PIXELS_PER_TERM: Final = 10
MIN_RECIPROCAL_CONDITION: Final = 1e-8  # below it the region does not determine the polynomial

# Generalised golden ratios (plastic numbers): fractional parts of x·a + y·b + z·c spread the kept
# pixels evenly for every matrix size, which a fixed stride does not.
SPREAD_ZYX: Final = (0.5497004779, 0.6710436067, 0.8191725134)


@dataclass(frozen=True, eq=False)
class DriftBasis:
    """Monomials up to `order` over coordinates that run from -1 to 1 across the field of view.

    Coefficients stand in the order 1, y, x, z, y², yx, yz, x², xz, z²; in a single slice the terms
    with z are left out. An order of -1 has no terms.
    """

    shape: tuple[int, int, int]
    order: int

    @cached_property
    def terms(self) -> NDArray[np.float32]:
        """float32 (term, pixel), pixels in C order."""
        grid = self._grid()
        axes = [grid[1], grid[2]] + ([grid[0]] if self.shape[0] > 1 else [])
        rows = [
            np.prod([np.ones(self.shape)] + [axes[i] for i in chosen], axis=0).ravel()
            for degree in range(self.order + 1)
            for chosen in combinations_with_replacement(range(len(axes)), degree)
        ]
        if not rows:
            return np.zeros((0, int(np.prod(self.shape))), np.float32)
        return np.asarray(rows, dtype=np.float32)

    @cached_property
    def rank(self) -> NDArray[np.float32]:
        """float32 (pixel,) from 0 to 1: pixels below f are an even share f of the grid."""
        index = np.indices(self.shape).reshape(3, -1)
        return ((np.asarray(SPREAD_ZYX) @ index) % 1.0).astype(np.float32)

    @property
    def n_terms(self) -> int:
        """Number of coefficients."""
        return int(self.terms.shape[0])

    def evaluate(self, coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
        """Evaluate the polynomial on the grid, float32 (z, y, x)."""
        return (coefficients.astype(np.float32) @ self.terms).reshape(self.shape)

    def variance(self, covariance: NDArray[np.float64]) -> NDArray[np.float32]:
        """Evaluate the polynomial's variance on the grid, float32 (z, y, x)."""
        root = np.linalg.cholesky(covariance).T.astype(np.float32)
        spread = root @ self.terms
        variance: NDArray[np.float32] = np.einsum("ij,ij->j", spread, spread)
        return variance.reshape(self.shape)

    def choose_pixels(self, usable: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Choose about MAX_PIXELS of the usable pixels at most, evenly spread; return indices."""
        flat = usable.ravel()
        n_usable = int(np.count_nonzero(flat))
        if n_usable > MAX_PIXELS:
            flat = flat & (self.rank < MAX_PIXELS / n_usable)
        return np.flatnonzero(flat)

    def _grid(self) -> list[NDArray[np.float64]]:
        axes = [np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1) for n in self.shape]
        return list(np.meshgrid(*axes, indexing="ij"))


@dataclass(frozen=True, slots=True, eq=False)
class DriftFit:
    """Coefficients, their covariance (rad²), and how the residual compares with the noise.

    weights: float64 (pixel,), what robustness left to each fitted pixel, 0 to 1.
    excess_rad: robust standard deviation of the residual beyond the noise, in the middle pixel.
    pixels: indices of the fitted pixels, where the caller knows them.
    """

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    weights: NDArray[np.float64]
    excess_rad: float
    pixels: NDArray[np.intp]


def fit_drift(
    terms: NDArray[np.float32],
    phase_rad: NDArray[np.float32],
    *,
    variance_rad2: NDArray[np.float32],
    start: NDArray[np.float64],
) -> DriftFit | None:
    """Polynomial through the phase, by reweighted least squares: Huber first, then Tukey.

    terms: (term, pixel) at the fitted pixels. phase_rad, variance_rad2: (pixel,), without wraps.
    Returns None where the pixels are too few or do not determine the polynomial.
    Holland and Welsch 1977, doi:10.1080/03610927708827533.
    """
    n_terms, n_pixels = terms.shape
    if n_pixels < MIN_PIXELS_PER_TERM * n_terms:
        return None
    design, target, products = _whiten(terms, phase_rad, variance_rad2)
    coefficients, scale = start, 1.0
    normal: NDArray[np.float64] = np.eye(n_terms)
    weights = np.ones(n_pixels)
    last = HUBER_ROUNDS + TUKEY_ROUNDS - 1
    for round_ in range(last + 1):
        weights, scale = _weigh(design, target, coefficients, round_ < HUBER_ROUNDS)
        sums = (products @ weights).reshape(n_terms, n_terms + 1)
        normal, moment = sums[:, :-1], sums[:, -1]
        if round_ in (0, last) and not _is_determined(normal):
            return None
        coefficients = np.linalg.solve(normal, moment).astype(np.float64)
    covariance = np.linalg.inv(normal).astype(np.float64)
    is_chance = scale < 1.0 + CHANCE / math.sqrt(n_pixels)
    excess2 = 0.0 if is_chance else scale**2 - 1.0
    excess_rad = math.sqrt(excess2 * float(np.median(variance_rad2)))
    return DriftFit(coefficients, covariance, weights, excess_rad, pixels=np.arange(n_pixels))


def deviation(score: NDArray[np.floating[Any]]) -> float:
    """Return the deviation of scores |r| by their median, or by the tail where that is more."""
    middle, tail = np.quantile(score, (0.5, 0.95))
    return max(MAD_TO_STD * float(middle), float(tail) / TAIL)


@compiled
def _whiten(
    terms: NDArray[np.float32], phase_rad: NDArray[np.float32], variance_rad2: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Terms (term, pixel) and phase (pixel,) over the noise, and the terms' products.

    products: (term · (term + 1), pixel), what the weights multiply in the normal equations: each
    term with every term and with the phase, so that a round costs one matrix-vector product.
    float64, because normal equations square the condition number.
    """
    n_terms, n_pixels = terms.shape
    per_std = 1.0 / np.sqrt(variance_rad2.astype(np.float64))
    # the phase stands below the terms, so that it is multiplied like one of them
    whitened = np.empty((n_terms + 1, n_pixels))
    products = np.empty((n_terms * (n_terms + 1), n_pixels))
    for row in range(n_terms + 1):
        for i in range(n_pixels):
            unwhitened = terms[row, i] if row < n_terms else phase_rad[i]
            whitened[row, i] = unwhitened * per_std[i]
    for row in range(len(products)):
        a, b = row // (n_terms + 1), row % (n_terms + 1)
        for i in range(n_pixels):
            products[row, i] = whitened[a, i] * whitened[b, i]
    return whitened[:n_terms], whitened[n_terms], products


@compiled
def _weigh(
    design: NDArray[np.float64],
    target: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    is_huber: bool,
) -> tuple[NDArray[np.float64], float]:
    """Weight of each pixel, 0 to 1, and the residuals' robust standard deviation."""
    residual = target.copy()
    for term in range(len(coefficients)):
        coefficient = coefficients[term]
        for i in range(residual.size):
            residual[i] -= coefficient * design[term, i]
    bits = np.abs(residual).astype(np.float32).view(np.int32)
    # the upper median by bisection, on the bits of float32, which are in the order of the numbers:
    # 31 counts without a branch are faster than sorting, and take the same time for every frame
    low, high = np.int32(0), np.int32(INFINITY_BITS)
    while low < high:
        middle = np.int32((low + high) >> 1)
        n_within = np.int32(0)
        for i in range(bits.size):
            n_within += np.int32(bits[i] <= middle)
        if n_within > bits.size // 2:
            high = middle
        else:
            low = np.int32(middle + 1)
    scale = MAD_TO_STD * float(np.full(1, low, np.int32).view(np.float32)[0])
    # never narrower than the known noise: a lucky median must not throw good pixels away
    per_scale = 1.0 / max(scale, 1.0)
    weights = np.empty_like(residual)
    for i in range(residual.size):
        size = abs(residual[i]) * per_scale
        if is_huber:
            weights[i] = 1.0 if size <= HUBER_CORNER else HUBER_CORNER / size
        else:
            inside = 1.0 - (size / TUKEY_CUTOFF) ** 2
            weights[i] = inside * inside if inside > 0.0 else 0.0
    return weights, scale


def _is_determined(normal: NDArray[np.float64]) -> bool:
    diagonal = np.sqrt(normal.diagonal())
    if not 0 < diagonal.min() <= diagonal.max() < np.inf:
        return False
    eigenvalues = np.linalg.eigvalsh(normal / (diagonal * diagonal[:, None]))
    return bool(eigenvalues[0] > MIN_RECIPROCAL_CONDITION * eigenvalues[-1])
