"""Sums over the points that hold tissue, against the plain sum over the whole grid."""

import numpy as np
from numpy.polynomial import chebyshev

from simulators.tissue.filled import Filled


def ring():
    y, x = np.mgrid[-20:20, -25:25]
    r = np.hypot(y, x)
    return np.where((r > 12) & (r < 17), np.exp(0.1j * x) * (1 + 0.01 * y), 0).astype(np.complex64)


def test_points_lie_where_the_grid_is_not_empty():
    grid = ring()
    filled = Filled(grid)
    assert filled.at.size == np.count_nonzero(grid)
    assert np.array_equal(filled.spread_out(filled.values), grid)
    inside, of_box = filled.within(slice(5, 15), slice(8, 30))
    assert np.array_equal(grid[5:15, 8:30].ravel()[of_box], filled.values[inside])
    assert inside.size == np.count_nonzero(grid[5:15, 8:30])


def test_column_sums_are_those_of_the_whole_grid():
    grid, rng = ring(), np.random.default_rng(3)
    u = rng.uniform(-1, 1, grid.shape).astype(np.float32)
    along_y = np.exp(2j * np.pi * rng.uniform(size=(3, grid.shape[0]))).astype(np.complex64)
    filled = Filled(grid)
    found = filled.column_sums(filled.values, filled.of(u), along_y, n_terms=6)
    for term in range(6):
        expected = along_y @ (grid * chebyshev.chebval(u, [0] * term + [1]))
        assert np.abs(found[term] - expected).max() < 1e-4  # of sums over some 40 points of size 1


def test_an_empty_grid_sums_to_nothing():
    filled = Filled(np.zeros((4, 5), np.complex64))
    nothing = np.zeros(0, np.float32)
    sums = filled.column_sums(filled.values, nothing, np.ones((2, 4), np.complex64), n_terms=3)
    assert sums.shape == (3, 2, 5)
    assert not sums.any()
