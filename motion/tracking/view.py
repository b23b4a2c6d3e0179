"""The part of an image in which a structure is looked for: magnitude, lightly smoothed."""

import numpy as np
from numpy.typing import NDArray

from motion.compiled import compiled
from motion.tracking.structure import Box

SMOOTHING_PX = 1.0  # noise that is finer than what an image resolves helps nobody
_TAPS = np.exp(-0.5 * (np.arange(-3, 4) / SMOOTHING_PX) ** 2).astype(np.float32)
_TAPS /= _TAPS.sum()
_TAPS.setflags(write=False)


def view_of(pixels: NDArray[np.complex64], search: Box) -> tuple[NDArray[np.float32], float]:
    """Return the magnitude of `search` through a Gaussian of SMOOTHING_PX, float32 (y, x).

    And its grain: the root mean square of what the Gaussian took away, which is noise, the finest
    structure, and what does not belong into an image.
    """
    raw = np.abs(pixels[search.cut])
    view = _smoothed(raw, _TAPS)
    rest = raw - view
    return view, float(np.sqrt(np.vdot(rest, rest) / rest.size))


@compiled
def _smoothed(image: NDArray[np.float32], taps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the image through a separable filter; beyond the border its rim goes on."""
    n_y, n_x = image.shape
    n_taps = len(taps)
    reach = n_taps // 2
    half = np.empty_like(image)
    for y in range(n_y):
        for x in range(n_x):
            half[y, x] = 0.0
        for k in range(n_taps):
            tap, row = taps[k], min(max(y + k - reach, 0), n_y - 1)
            for x in range(n_x):
                half[y, x] += tap * image[row, x]
    whole = np.zeros_like(image)
    for y in range(n_y):
        for k in range(n_taps):
            tap, shift = taps[k], k - reach
            first, last = max(-shift, 0), n_x - max(shift, 0)
            for x in range(first):
                whole[y, x] += tap * half[y, 0]
            for x in range(first, last):
                whole[y, x] += tap * half[y, x + shift]
            for x in range(last, n_x):
                whole[y, x] += tap * half[y, n_x - 1]
    return whole
