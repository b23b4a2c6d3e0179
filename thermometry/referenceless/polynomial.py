"""A smooth phase as a polynomial, found without unwrapping it in space."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray

from thermometry.drift import DriftBasis, DriftFit, deviation
from thermometry.phase import Observation, wrap

GRADIENT_ROUNDS: Final = 3  # of reweighting: edges of vessels and of heat lose their pull
FLAT: Final = 1e-12  # of a normal matrix's largest eigenvalue: a direction that nothing determines

Fit = Callable[..., DriftFit | None]


@dataclass(frozen=True, slots=True, eq=False)
class PhasePolynomial:
    """Legendre products up to a total order, over a box about the pixels that matter.

    terms: float32 (term, pixel), pixels in C order; they mean nothing far outside the box.
    steps: float32 (axis, term, pixel), by how much a term changes to the next pixel of an axis;
        axes of one pixel are left out. spread: chooses pixels evenly.
    """

    shape: tuple[int, int, int]
    terms: NDArray[np.float32]
    steps: NDArray[np.float32]
    axes: tuple[int, ...]
    spread: DriftBasis

    def evaluate(self, coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
        """Evaluate the polynomial on the grid, float32 (z, y, x)."""
        return (coefficients.astype(np.float32) @ self.terms).reshape(self.shape)

    def variance(self, covariance: NDArray[np.float64]) -> NDArray[np.float32]:
        """Evaluate the polynomial's variance on the grid, float32 (z, y, x)."""
        root = np.linalg.cholesky(covariance).T.astype(np.float32)
        spread = root @ self.terms
        variance: NDArray[np.float32] = np.einsum("ij,ij->j", spread, spread)
        return variance.reshape(self.shape)


def phase_polynomial(order: int, where: NDArray[np.bool_]) -> PhasePolynomial:
    """Return the polynomials up to `order` for the pixels of `where`, bool (z, y, x)."""
    shape = (where.shape[0], where.shape[1], where.shape[2])
    axes = tuple(axis for axis in (1, 2, 0) if shape[axis] > 1)
    vanders = [_legendre(order, where, axis) for axis in axes]
    # n pixels in a row determine powers up to n - 1: three slices no cubic
    ranges = [range(min(order, _extent(where, axis) - 1) + 1) for axis in axes]
    powers = [p for p in product(*ranges) if sum(p) <= order]
    powers.sort(key=lambda p: (sum(p), tuple(-one for one in p)))
    rows = []
    for one in powers:
        row = np.ones(shape)
        for axis, vander, power in zip(axes, vanders, one, strict=True):
            along = [1, 1, 1]
            along[axis] = shape[axis]
            row = row * vander[:, power].reshape(along)
        rows.append(row)
    # float64 until here: a step is a small difference
    whole = np.asarray(rows)
    steps = [np.roll(whole, -1, axis + 1) - whole for axis in axes]
    n_pixels = math.prod(shape)
    return PhasePolynomial(
        shape,
        whole.reshape(len(rows), n_pixels).astype(np.float32),
        np.asarray(steps, np.float32).reshape(len(axes), len(rows), n_pixels),
        axes,
        DriftBasis(shape, 0),
    )


def _extent(where: NDArray[np.bool_], axis: int) -> int:
    """Return in how many places along an axis there is a pixel; all where there is none at all."""
    across = tuple(other for other in range(3) if other != axis)
    return int(np.count_nonzero(where.any(axis=across))) or where.shape[axis]


def _legendre(order: int, where: NDArray[np.bool_], axis: int) -> NDArray[np.float64]:
    """Return the polynomials along an axis, (index, power): from -1 to 1 over the pixels' extent.

    Beyond the extent they stay at what they are at its ends, so that no float32 overflows.
    """
    across = tuple(other for other in range(3) if other != axis)
    inside = np.flatnonzero(where.any(axis=across))
    low, high = (inside[0], inside[-1]) if inside.size > 1 else (0, where.shape[axis] - 1)
    index = np.arange(where.shape[axis])
    values: NDArray[np.float64] = legvander(
        np.clip((2 * index - low - high) / (high - low), -1, 1), order
    )
    return values


def fit_phase(
    polynomial: PhasePolynomial,
    seen: Observation,
    region: NDArray[np.bool_],
    *,
    fit: Fit,
    heat_sign: float,
) -> DriftFit | None:
    """Return the polynomial through the phase in a region, or None where it is not determined.

    Its shape comes first from the differences between neighbours, which wrap nowhere in a smooth
    phase; what is left is small, and `fit` (as `drift.fit_drift`) goes through it pixel by pixel.
    heat_sign: of the phase that heat in the region adds, 0 where none can lie there: then all that
    the fit leaves is misfit, outliers too, else what it leaves on the other side. Heat does not
    cool.
    """
    known = seen.usable & region
    pixels = polynomial.spread.choose_pixels(known)
    if pixels.size == 0:
        return None
    phase, variance = seen.phase_rad.ravel(), seen.total_rad2.ravel()
    start = _from_differences(polynomial, phase, variance, known, pixels)
    terms = polynomial.terms.take(pixels, axis=1)
    variance = variance.take(pixels)
    expected = start.astype(np.float32) @ terms
    residual = phase.take(pixels) - expected
    turn = math.atan2(
        float(np.sum(np.sin(residual) / variance)), float(np.sum(np.cos(residual) / variance))
    )
    absolute = expected + wrap(residual - np.float32(turn)) + np.float32(turn)
    start[0] += turn
    found = fit(terms, absolute, variance_rad2=variance, start=start)
    if found is None:
        return None
    rest = wrap(absolute - found.coefficients.astype(np.float32) @ terms)
    excess_rad2 = float(np.mean(rest**2 - variance))
    is_cooler = rest * np.float32(heat_sign) < 0
    if is_cooler.any():
        spread = deviation(np.abs(rest[is_cooler]) / np.sqrt(variance[is_cooler]))
        excess_rad2 = (spread**2 - 1.0) * float(np.median(variance))
    excess_rad = math.sqrt(max(excess_rad2, 0.0))
    return DriftFit(found.coefficients, found.covariance, found.weights, excess_rad, pixels)


def _from_differences(
    polynomial: PhasePolynomial,
    phase: NDArray[np.float32],
    variance: NDArray[np.float32],
    known: NDArray[np.bool_],
    pixels: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the coefficients, the first of them 0, that explain the wrapped differences."""
    designs, targets, sizes = [], [], []
    for axis, steps in zip(polynomial.axes, polynomial.steps, strict=True):
        stride = math.prod(polynomial.shape[axis + 1 :])
        has_next = known.copy()
        last: list[slice | int] = [slice(None)] * 3
        last[axis] = -1
        has_next[tuple(last)] = False
        first = pixels[has_next.ravel()[pixels]]
        first = first[known.ravel()[first + stride]]
        designs.append(steps[1:].take(first, axis=1))
        targets.append(wrap(phase[first + stride] - phase[first]))
        sizes.append(variance[first + stride] + variance[first])
    design = np.concatenate(designs, axis=1).astype(np.float64)
    target, size = np.concatenate(targets), np.sqrt(np.concatenate(sizes))
    coefficients = np.zeros(len(design) + 1)
    if design.size == 0:
        return coefficients
    weight = 1.0 / size.astype(np.float64) ** 2
    for _ in range(GRADIENT_ROUNDS):
        normal = (design * weight) @ design.T
        values, vectors = np.linalg.eigh(normal)
        inverse = np.where(values > FLAT * values[-1], 1.0 / np.maximum(values, 1e-300), 0.0)
        coefficients[1:] = vectors @ (inverse * (vectors.T @ (design @ (weight * target))))
        residual = np.abs(target - coefficients[1:] @ design) / size
        scale = max(float(np.median(residual)), 1.0)
        weight = 1.0 / (size * size * np.maximum(residual / (2.0 * scale), 1.0)).astype(np.float64)
    return coefficients
