"""Which of the pixels that fold onto each other holds the heat, and when nobody can know."""

from typing import Final

import numpy as np

from thermometry.kspace.columns import Chosen, Columns, Lengths
from thermometry.kspace.lines import TINY, Lines, smoothed

FOLDS: Final = 0.3  # of a point: pixels that get less of it could not pass for it
APART_PX: Final = 5  # nearer pixels belong to the same heat
LARGE_HEAT_RAD: Final = 0.3  # its cosine differs from 1 by 5 %: less turns no normal matrix


def beats_its_ghosts(lines: Lines, matched: Columns) -> Chosen:
    """Return where heat alone would leave more of itself than at any pixel that it folds onto.

    |matched|² / weight is what one heated pixel explains of the lines; by Cauchy and Schwarz it is
    largest where the heat is. A neighbourhood of it, because noise decides for single pixels.
    """
    weight = np.maximum(lines.weight, TINY)
    energy = (matched.real**2 + matched.imag**2) / weight
    explained = smoothed(lines, np.where(lines.modelled, energy, np.float32(0)))
    return np.asarray(explained >= _of_those_that_fold(lines, explained))


def alike_heat(lines: Lines, theta: Lengths, chosen: Chosen) -> Lengths:
    """Return how much of a chosen pixel's signal the chosen ones that fold onto it could pass for.

    Σ |coherence|² of the coils and of what folds; 0 where no heat folds onto heat, 1 where the
    lines do not tell them apart. Small phases do not count: of them the inverse normal matrix
    tells the truth, since it does not change with them.
    """
    alike = np.zeros(chosen.shape, np.float32)
    at = np.flatnonzero(np.count_nonzero(chosen, axis=1) > 1)
    if at.size == 0:
        return alike
    n, some, held = lines.measured.size, lines.baseline[:, at], chosen[at]
    large = held & (np.abs(theta[at]) > LARGE_HEAT_RAD)
    energy, found = lines.weight[at], np.zeros(held.shape, np.float32)
    for distance in _folding(lines):
        if distance < 0:
            continue
        pairs = (large[:, :-distance] & held[:, distance:]) | (
            held[:, :-distance] & large[:, distance:]
        )
        if not pairs.any():
            continue
        product = np.sum(some[..., :-distance].conj() * some[..., distance:], axis=0)
        product *= lines.kernel[n - 1 + distance]
        power = product.real**2 + product.imag**2
        both = np.maximum(energy[:, :-distance] * energy[:, distance:], TINY)
        share = np.where(pairs, power / both, np.float32(0))
        found[:, :-distance] += share
        found[:, distance:] += share
    alike[at] = found
    return alike


def _of_those_that_fold(lines: Lines, value: Lengths) -> Lengths:
    """Return the largest value of the pixels that fold onto each; 0 where all are below it."""
    n, largest = lines.measured.size, np.zeros_like(value)
    for distance in _folding(lines):
        here = slice(max(distance, 0), n + min(distance, 0))
        there = slice(max(-distance, 0), n + min(-distance, 0))
        largest[:, here] = np.maximum(largest[:, here], value[:, there])
    return largest


def _folding(lines: Lines) -> list[int]:
    """Return the distances along y, of both signs, from which a pixel folds onto another."""
    n = lines.measured.size
    folds = np.abs(lines.kernel) > FOLDS * np.abs(lines.kernel[n - 1])
    return [int(one) for one in np.flatnonzero(folds) - (n - 1) if abs(one) >= APART_PX]
