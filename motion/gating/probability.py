"""How probable it is that more than a share of a shape will be outside of its boundary."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from messages import Prediction
from motion.compiled import compiled
from motion.gating.boundary import Boundary, Places

# Errors of prediction are small while breath goes on and large where it turns: Student's t with
# four degrees of freedom, scaled to the calibrated interval, has both.
_FREEDOM = 4.0
_REACH = 4.0  # of the axis of errors, in units of the distribution
_NODES, _FINE = 13, 73


def _cells() -> tuple[NDArray[np.float32], ...]:
    """Return nodes where the share is computed, and of the fine axis weight, value and change.

    Value at a cell's centre and change across it are linear in the nodes. What lies beyond the
    outermost cell counts there.
    """
    nodes = np.linspace(-_REACH, _REACH, _NODES)
    fine = np.linspace(-_REACH, _REACH, _FINE)
    half = 0.5 * (fine[1] - fine[0])
    weights = np.diff(np.concatenate([[0.0], stdtr(_FREEDOM, fine[:-1] + half), [1.0]]))
    low, centre, high = (
        np.stack([np.interp(fine + off, nodes, row) for row in np.eye(_NODES)], axis=1)
        for off in (-half, 0.0, half)
    )
    return tuple(one.astype(np.float32) for one in (nodes, weights, centre, high - low))


_AT, _WEIGHT, _VALUE, _CHANGE = _cells()
_LEVEL = np.float32(1e-6)  # a cell that changes by less is even


def scales_mm(prediction: Prediction) -> NDArray[np.float32] | None:
    """Return the width (axis, low or high side) of the error, from the calibrated interval.

    None where it is not known.
    """
    quantile = float(stdtrit(_FREEDOM, 0.5 + 0.5 * prediction.coverage))
    place = np.array(prediction.position_mm)
    sides = np.stack(
        [place - np.array(prediction.low_mm), np.array(prediction.high_mm) - place], axis=1
    )
    if not (np.isfinite(place).all() and np.isfinite(sides).all() and (sides >= 0.0).all()):
        return None
    return (sides / quantile).astype(np.float32)


def outside_probability(
    line: Boundary, at_mm: Places, scale_mm: NDArray[np.float32], *, above_percent: float
) -> float:
    """Return the probability that more than a percentage of a shape lies outside the boundary.

    at_mm: (point, 2), the shape's points at the predicted place. scale_mm: see `scales_mm`. The
    share is computed on 13 × 13 errors of both axes, independent of each other, and is smooth in
    between; the threshold is applied on the finer grid, whose cells are cut where it passes.
    """
    error_y, error_x = (np.where(_AT < 0.0, _AT * low, _AT * high) for low, high in scale_mm)
    share = _shares(line, at_mm, error_y, error_x)
    along_y, along_x = _VALUE @ share, share @ _VALUE.T
    beyond = along_y @ _VALUE.T - np.float32(above_percent / 100.0) - _LEVEL
    change = np.abs(_CHANGE @ along_x) + np.abs(along_y @ _CHANGE.T) + _LEVEL
    is_over = np.clip(np.float32(0.5) + beyond / change, 0.0, 1.0)
    return min(1.0, max(0.0, float(_WEIGHT @ is_over @ _WEIGHT)))


def _shares(
    line: Boundary, at_mm: Places, error_y: NDArray[np.float32], error_x: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the share outside, 0 to 1, for each pair of errors (error y, error x)."""
    row, column = line.indices(at_mm[:, 0] + error_y[:, None], at_mm[:, 1] + error_x[:, None])
    return _mean_of_pairs(line.outside, row, column)


@compiled
def _mean_of_pairs(
    outside: NDArray[np.float32], row: NDArray[np.int32], column: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return the mean over points for each row index (error y, point) with each column index."""
    n_y, n_points = row.shape
    n_x = column.shape[0]
    share = np.empty((n_y, n_x), np.float32)
    for y in range(n_y):
        for x in range(n_x):
            total = np.float32(0.0)
            for point in range(n_points):
                total += outside[row[y, point], column[x, point]]
            share[y, x] = total / np.float32(n_points)
    return share
