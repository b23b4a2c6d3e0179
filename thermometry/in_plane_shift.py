"""In-plane motion of the tissue against a baseline, from the magnitudes alone."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

MARGIN_PX: Final = 16  # around the targets: anatomy that moves with them, and room to move in
LEAST_PX: Final = 32
Box = tuple[slice, slice]


def box_around(heated: NDArray[np.bool_]) -> Box:
    """Return the rows and columns of the targets (z, y, x) with a margin; all without targets."""
    n_y, n_x = heated.shape[1:]
    if not heated.any():
        return slice(0, n_y), slice(0, n_x)
    in_plane = heated.reshape(-1, n_y, n_x).max(axis=0)
    return _span(in_plane.max(axis=1), n_y), _span(in_plane.max(axis=0), n_x)


def measure_shift(
    magnitude: NDArray[np.float32], baseline: NDArray[np.float32], box: Box
) -> tuple[float, float] | None:
    """Return the shift (y, x) in pixels of a magnitude (z, y, x) against a baseline's.

    The peak of their cross-correlation in the box, tapered, a parabola through it; all slices
    share it. None where there is nothing to see.
    """
    rows, columns = box
    taper = np.outer(*(np.hanning(one.stop - one.start + 2)[1:-1] for one in box))
    seen, known = (
        (one[:, rows, columns] - one[:, rows, columns].mean()) * taper.astype(np.float32)
        for one in (magnitude, baseline)
    )
    product = (rfft2(seen) * np.conj(rfft2(known))).sum(axis=0)
    correlation = irfft2(product, s=seen.shape[1:])
    if not float(correlation.max()) > 0:
        return None
    y, x = np.unravel_index(int(correlation.argmax()), correlation.shape)
    return _peak(correlation[:, x], int(y)), _peak(correlation[y], int(x))


def _span(has: NDArray[np.bool_], n: int) -> slice:
    where = np.flatnonzero(has)
    first, last = int(where[0]) - MARGIN_PX, int(where[-1]) + MARGIN_PX + 1
    short = max(LEAST_PX - (last - first), 0)
    return slice(max(first - short // 2, 0), min(last + short // 2, n))


def _peak(correlation: NDArray[np.float32], at: int) -> float:
    """Vertex of the parabola through the peak and its neighbours, on a circle; signed."""
    n = len(correlation)
    before, peak, after = (float(correlation[(at + step) % n]) for step in (-1, 0, 1))
    bend = before - 2.0 * peak + after
    offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return (at if at <= n // 2 else at - n) + offset
