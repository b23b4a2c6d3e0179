"""Direct least-squares unfolding of images that lack lines: one small inverse for each column."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg.lapack
from numpy.typing import NDArray

_LEAST_REGULARISATION = 1e-7  # so that pixels which no line determines are zero, not an error
_IS_COUPLED = 1e-9  # weaker aliases are rounding


@dataclass(frozen=True, slots=True, eq=False)
class Unfolding:
    """What turns the coils' adjoint image into the least-squares image.

    weights: complex64 (alias, z, y, x) where each pixel is folded onto few others, else
        (z, x, y, y): rows of the regularised inverse of the normal operator.
    shifts: (alias,) by which a pixel's aliases lie away along y; None for a full matrix.
    noise_std: float32 (z, y, x) of the image where measured samples have E|n|² = 1.
    """

    weights: NDArray[np.complex64]
    shifts: NDArray[np.int64] | None
    noise_std: NDArray[np.float32]

    def image(
        self, adjoint: NDArray[np.complex64], *, offset: int = 0, n_ky: int = 1
    ) -> NDArray[np.complex64]:
        """Return the image (z, y, x) of an adjoint image (z, y, x), where it and `weights` lie.

        offset: of `n_ky` lines, by which this frame's lines lie further on than those that the
        unfolding was made for; exact where they are the same lines but for that.
        """
        if offset == 0:
            return self._unfolded(adjoint)
        y = np.arange(adjoint.shape[1])[:, None]
        turn = np.exp(2j * np.pi * offset / n_ky * y).astype(np.complex64)
        turn = np.asarray(turn, like=adjoint)
        image: NDArray[np.complex64] = turn * self._unfolded(turn.conj() * adjoint)
        return image

    def _unfolded(self, adjoint: NDArray[np.complex64]) -> NDArray[np.complex64]:
        if self.shifts is None:
            columns = np.ascontiguousarray(adjoint.swapaxes(1, 2), like=adjoint)[..., None]
            unfolded = (self.weights @ columns)[..., 0].swapaxes(1, 2)
            return np.ascontiguousarray(unfolded, like=adjoint)
        image = np.zeros_like(adjoint)
        for weight, shift in zip(self.weights, self.shifts.tolist(), strict=True):
            here, there = _overlap(image.shape[1], shift)
            image[:, here] += weight[:, here] * adjoint[:, there]
        return image


def unfolding(
    maps: NDArray[np.complex64], measured: NDArray[np.bool_], regularisation: float
) -> Unfolding:
    """Return the unfolding of one sampling of ky.

    maps: complex64 (coil, z, y, x), conjugated coil maps. measured: bool (ky,), in k-space order.
    regularisation: Tikhonov weight where the normal operator's largest eigenvalue is at most 1.
    Pruessmann 1999 (doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S), for white
    noise: image = (Eᴴ E + λ)⁻¹ Eᴴ s, with E the coil maps and the measured lines of the Fourier
    transform. A mask along ky leaves columns apart; a regular one couples pixels only with their
    R - 1 aliases, and then R weights a pixel do. The covariance of the noise is
    N (N⁻¹ - λ) N with N the inverse: exact, the regularisation included.
    """
    n_y, n_ky = maps.shape[2], len(measured)
    regularisation = max(regularisation, _LEAST_REGULARISATION)
    lines = np.flatnonzero(measured) - n_ky // 2
    shifts = np.arange(-(n_y - 1), n_y)
    # What a pixel leaves in another one that lies `shift` before it.
    spread = np.exp(2j * np.pi / n_ky * np.outer(shifts, lines)).sum(axis=1) / n_ky
    coupled = shifts[np.abs(spread) > _IS_COUPLED]
    apart = coupled[coupled > 0]
    period = int(apart[0]) if len(apart) else n_y
    if period * 8 >= n_y and not np.any(coupled % period):
        by_shift = dict(zip(shifts.tolist(), spread.tolist(), strict=True))
        return _by_alias(maps, by_shift, regularisation, period)
    toeplitz = spread[np.subtract.outer(np.arange(n_y), np.arange(n_y)) + n_y - 1]
    return _by_column(maps, toeplitz, regularisation)


def _by_alias(
    maps: NDArray[np.complex64], spread: dict[int, complex], regularisation: float, period: int
) -> Unfolding:
    """Return the inverse of pixels that alias every `period` pixels along y."""
    n_coils, n_z, n_y, n_x = maps.shape
    n_aliases = -(-n_y // period)
    padded = np.zeros((n_coils, n_z, n_aliases * period, n_x), np.complex64)
    padded[:, :, :n_y] = maps
    # (z, x, place in a period, alias, coil); float64 for the inverse of nearly equal coils
    groups = padded.reshape(n_coils, n_z, n_aliases, period, n_x).transpose(1, 4, 3, 2, 0)
    groups = groups.astype(np.complex128)
    steps = np.subtract.outer(np.arange(n_aliases), np.arange(n_aliases)) * period
    coupling = np.vectorize(lambda step: spread.get(int(step), 0), otypes=[complex])(steps)
    normal = groups @ groups.conj().swapaxes(-1, -2) * coupling
    ridge = regularisation * np.eye(n_aliases)
    inverse = np.linalg.inv(normal + ridge).astype(np.complex128, copy=False)
    power = _noise_power(inverse, regularisation)
    shifts = np.arange(-(n_aliases - 1), n_aliases) * period
    weights = np.zeros((len(shifts), n_z, n_aliases * period, n_x), np.complex64)
    for one in range(n_aliases):
        rows = slice(one * period, (one + 1) * period)
        for other in range(n_aliases):
            weights[other - one + n_aliases - 1, :, rows] = inverse[..., one, other].swapaxes(1, 2)
    std = np.sqrt(power).transpose(0, 3, 2, 1).reshape(n_z, n_aliases * period, n_x)[:, :n_y]
    return Unfolding(np.ascontiguousarray(weights[:, :, :n_y]), shifts, std.astype(np.float32))


def _by_column(
    maps: NDArray[np.complex64], coupling: NDArray[np.complex128], regularisation: float
) -> Unfolding:
    """Return the full inverse of each column, one after the other to spare memory."""
    _, n_z, n_y, n_x = maps.shape
    weights = np.empty((n_z, n_x, n_y, n_y), np.complex64)
    std = np.empty((n_z, n_y, n_x), np.float32)
    for z in range(n_z):
        for x in range(n_x):
            column = maps[:, z, :, x].T
            normal = column @ column.conj().T * coupling
            normal[np.diag_indices(n_y)] += regularisation
            inverse = _inverse_of_positive(normal)
            weights[z, x] = inverse
            std[z, :, x] = np.sqrt(_noise_power(inverse, regularisation))
    return Unfolding(weights, None, std)


def _inverse_of_positive(matrix: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the inverse of a Hermitian positive definite matrix, by Cholesky's factors."""
    factor, info = scipy.linalg.lapack.zpotrf(matrix, lower=True)
    if info:
        raise ValueError("coil maps and lines leave pixels undetermined; regularise more")
    lower, _ = scipy.linalg.lapack.zpotri(factor, lower=True)
    lower = np.tril(lower)
    inverse: NDArray[np.complex128] = lower + np.tril(lower, -1).conj().T
    return inverse


def _noise_power(inverse: NDArray[np.complex128], regularisation: float) -> NDArray[np.float64]:
    """Return the noise power of each unknown."""
    own = np.diagonal(inverse, axis1=-2, axis2=-1).real
    power: NDArray[np.float64] = own - regularisation * np.sum(np.abs(inverse) ** 2, axis=-1)
    return np.maximum(power, 0.0)


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """Return the pixels that have an alias `shift` further on, and those aliases."""
    return slice(max(-shift, 0), size - max(shift, 0)), slice(max(shift, 0), size - max(-shift, 0))
