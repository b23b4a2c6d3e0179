"""How strong the noise is in each pixel of an image whose missing lines were synthesised."""

import numpy as np
from numpy.typing import NDArray

_CHUNK = 16  # columns at a time, so that the scratch stays small


def combined_noise_std(
    weights: NDArray[np.complex64],
    kernel: NDArray[np.complex64],
    feeds: NDArray[np.bool_],
    counts: NDArray[np.int64],
    steps: NDArray[np.int64],
    grid: tuple[int, int],
) -> NDArray[np.float32]:
    """Return sqrt(E|n|²) of the combined image (z, y, x) where measured samples have E|n|² = 1.

    weights: of the coils (coil, z, y, x). kernel: of each step (step, coil, coil of source, x),
    the identity for a step of 0. steps: from a measured line to a line that it feeds.
    feeds: bool (pattern, step), the steps that lines of a pattern feed. counts: lines of each.
    grid: (kz, ky), the size of the transform.
    A measured line goes into the image as itself and through every line that it helps to
    synthesise; the weights with which each coil's sample arrives in a pixel are added as complex
    numbers, the samples' noise as power. For a lattice alone that is the g-factor of Breuer 2009
    (doi:10.1002/mrm.21868); lines measured besides are counted exactly.
    """
    _, n_z, n_y, n_x = weights.shape
    y = np.arange(n_y) - n_y // 2
    turns = np.exp(2j * np.pi / grid[1] * np.outer(steps, y)).astype(np.complex64)
    n_steps, n_coils = kernel.shape[:2]
    by_column = kernel.transpose(3, 1, 0, 2).reshape(n_x, n_coils, n_steps * n_coils)
    power = np.empty((n_z, n_y, n_x))
    for z in range(n_z):
        for first in range(0, n_x, _CHUNK):
            columns = slice(first, first + _CHUNK)
            mixed = weights[:, z, :, columns].transpose(2, 1, 0) @ by_column[columns]
            arrive = mixed.reshape(*mixed.shape[:2], n_steps, n_coils) * turns.T[None, :, :, None]
            total = np.zeros(mixed.shape[:2])
            for fed, count in zip(feeds, counts, strict=True):
                together = arrive[:, :, fed].sum(axis=2)
                total += count * np.sum(together.real**2 + together.imag**2, axis=2)
            power[z, :, columns] = total.T
    std: NDArray[np.float32] = np.sqrt(power / (grid[0] * grid[1])).astype(np.float32)
    return std
