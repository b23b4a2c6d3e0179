"""In-plane motion of the tissue against a baseline, from the magnitudes alone."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

MARGIN_PX: Final = 16  # around the targets: anatomy that moves with them, and room to move in
LEAST_PX: Final = 32
ROUNDS: Final = 3  # each may find a pixel that the one before has missed
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

    Whole pixels from the peak of their cross-correlation, the rest by least squares on the
    baseline's gradient (Lucas and Kanade 1981); all slices share it. None where there is nothing
    to see.
    """
    rows, columns = box
    taper = np.outer(*(np.hanning(one.stop - one.start + 2)[1:-1] for one in box))
    weight = taper.astype(np.float32)
    known = baseline[:, rows, columns]
    spectrum = np.conj(rfft2((known - known.mean()) * weight))
    seen = magnitude[:, rows, columns]
    correlation = irfft2(
        (rfft2((seen - seen.mean()) * weight) * spectrum).sum(axis=0), s=weight.shape
    )
    if not float(correlation.max()) > 0:
        return None
    peak = np.unravel_index(int(correlation.argmax()), correlation.shape)
    y, x = (
        int(at) if at <= n // 2 else int(at) - n for at, n in zip(peak, weight.shape, strict=True)
    )
    for _ in range(ROUNDS):
        here = np.roll(magnitude, (-y, -x), axis=(1, 2))[:, rows, columns]
        rest_y, rest_x = _below_a_pixel(here, known, weight)
        step_y, step_x = round(rest_y), round(rest_x)
        if step_y == 0 and step_x == 0:
            break
        y, x = y + step_y, x + step_x
    return y + rest_y, x + rest_x


def _below_a_pixel(
    seen: NDArray[np.float32], known: NDArray[np.float32], weight: NDArray[np.float32]
) -> tuple[float, float]:
    """Shift that explains seen - known by the gradient, at most a pixel; (y, x)."""
    along_y, along_x = np.gradient(known, axis=(1, 2))
    weighted = np.stack([(weight * along_y).ravel(), (weight * along_x).ravel()])
    normal = weighted @ np.stack([along_y.ravel(), along_x.ravel()]).T
    moment = weighted @ (known - seen).ravel()
    rest = np.linalg.pinv(normal.astype(np.float64), hermitian=True) @ moment
    return float(np.clip(rest[0], -1.0, 1.0)), float(np.clip(rest[1], -1.0, 1.0))


def _span(has: NDArray[np.bool_], n: int) -> slice:
    where = np.flatnonzero(has)
    first, last = int(where[0]) - MARGIN_PX, int(where[-1]) + MARGIN_PX + 1
    short = max(LEAST_PX - (last - first), 0)
    return slice(max(first - short // 2, 0), min(last + short // 2, n))
