"""ESPIRiT coil maps: what calibration lines say about each pixel, eigenvector by eigenvector."""

from typing import Any

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.coil_maps import CoilMaps
from recon.reconstruction_plan import ReconstructionPlan

_KERNEL = 6
_THRESHOLD = 0.02  # of the largest singular value: weaker rows hold noise
_N_ITERATIONS = 30
_ROWS_AT_ONCE = 8


def espirit_maps(
    center: NDArray[np.complex64], first: CoilMaps, plan: ReconstructionPlan
) -> CoilMaps:
    """Return the maps of k-space's measured centre.

    center: complex64 (coil, kz, ky, kx), its middle at n // 2. first: maps to start from.
    Uecker 2014 (doi:10.1002/mrm.24751): patches of 6 samples a side span a space; the operator
    that projects every patch onto it acts in each pixel as a matrix of coils, whose first
    eigenvector is the map. Found by power iteration from the fast maps. Only the relative phase of
    coils is determined, so each pixel keeps the phase that the fast maps' combination has:
    Σ first · map is real and positive, and temperature's reference stays where it was. Two
    dimensions at a time: of a volume, the slices of the centre transformed along z.
    """
    _, n_ky, n_kz = plan.grid
    n_coils, n_z, n_y, n_x = first.weights.shape
    slices = center
    if n_kz > 1:
        wide = (n_coils, n_kz, *center.shape[2:])
        slices = sigpy.ifft(sigpy.resize(center, wide), axes=(1,))
        slices = sigpy.resize(slices, (n_coils, n_z, *center.shape[2:]))
    weights = np.empty_like(first.weights)
    y = (np.arange(n_y) - n_y // 2) / n_ky
    x = (np.arange(n_x) - n_x // 2) / n_x
    for z in range(n_z):
        products = _kernel_products(slices[:, z])
        weights[:, z] = _eigenvectors(products, first.weights[:, z], y, x)
    weights.flags.writeable = False
    return CoilMaps(weights)


def _kernel_products(center: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return the coils' matrix by its spatial frequency (dy, dx, coil, coil).

    center: complex64 (coil, ky, kx). float64 for the eigenvalues of nearly dependent patches.
    """
    n_coils = center.shape[0]
    height, width = (min(_KERNEL, size) for size in center.shape[1:])
    windows = np.lib.stride_tricks.sliding_window_view(center, (height, width), axis=(1, 2))
    patches = windows.transpose(1, 2, 0, 3, 4).reshape(-1, n_coils * height * width)
    exact = patches.astype(np.complex128)
    values, vectors = np.linalg.eigh(exact.T @ exact.conj())
    kept = vectors[:, values > _THRESHOLD**2 * values[-1]]
    projection = (kept @ kept.conj().T).reshape(n_coils, height, width, n_coils, height, width)
    products = np.zeros((2 * height - 1, 2 * width - 1, n_coils, n_coils), np.complex128)
    for one in np.ndindex(height, width):
        for other in np.ndindex(height, width):
            step = one[0] - other[0] + height - 1, one[1] - other[1] + width - 1
            products[step] += projection[:, *one, :, *other]
    scaled: NDArray[np.complex64] = (products / (height * width)).astype(np.complex64)
    return scaled


def _eigenvectors(
    products: NDArray[np.complex64],
    first: NDArray[np.complex64],
    y: NDArray[np.float64],
    x: NDArray[np.float64],
) -> NDArray[np.complex64]:
    """Return conjugated maps (coil, y, x); y, x: of the pixels, in fields of view."""
    n_dy, n_dx, n_coils, _ = products.shape
    turns_y = _turns(y, n_dy)
    turns_x = _turns(x, n_dx)
    weights = np.empty_like(first)
    for begin in range(0, len(y), _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        along_y = turns_y[rows] @ products.reshape(n_dy, -1)
        matrices = turns_x @ along_y.reshape(-1, n_dx, n_coils * n_coils)
        matrices = matrices.reshape(*matrices.shape[:2], n_coils, n_coils)
        start = first[:, rows].transpose(1, 2, 0)
        maps: NDArray[np.complexfloating[Any, Any]] = start.conj()[..., None]
        for _ in range(_N_ITERATIONS):
            maps = matrices @ maps
            norm = np.linalg.norm(maps, axis=2, keepdims=True)
            maps = maps / np.where(norm > 0, norm, 1)
        together = np.sum(start * maps[..., 0], axis=2)
        size = np.abs(together)
        phase = np.where(size > 0, together / np.where(size > 0, size, 1), 1)
        weights[:, rows] = (maps[..., 0].conj() * phase[..., None]).transpose(2, 0, 1)
    return weights


def _turns(position: NDArray[np.float64], n_steps: int) -> NDArray[np.complex64]:
    steps = np.arange(n_steps) - n_steps // 2
    turns: NDArray[np.complex64] = np.exp(2j * np.pi * np.outer(position, steps)).astype(
        np.complex64
    )
    return turns
