"""Where a template fits best: normalised cross-correlation over a whole search box."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from motion.tracking.structure import Structure

LEAST_VARIANCE = 1e-4  # of the view's own, below which there is nothing to correlate


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One view of an image, transformed once for all templates of a structure.

    spectrum: complex64 (y, x) of the view. mean, variance: float32 (shift y, shift x), weighted,
        of the box at every shift.
    """

    spectrum: NDArray[np.complex64]
    variance: NDArray[np.float32]
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Match:
    """The best shift (y, x) in pixels, its correlation, and whether it lies on the rim."""

    shift_px: tuple[float, float]
    correlation: float
    is_at_edge: bool


class Search:
    """Normalised cross-correlation of a structure's templates in its search box.

    Weighted by the structure's weights, by FFT after Lewis 1995, "Fast normalized
    cross-correlation", with local sums that are correlations too because of the weights
    (Padfield 2012, doi:10.1109/TIP.2011.2181402, eqs. 6–14 with one mask).
    """

    def __init__(self, structure: Structure) -> None:
        box, search = structure.box, structure.search
        self._structure = structure
        self._size = tuple(fft.next_fast_len(n, real=True) for n in (search.height, search.width))
        self._n_shifts = (search.height - box.height + 1, search.width - box.width + 1)
        self._origin = (box.top - search.top, box.left - search.left)
        self._weights_spectrum = self._spectrum(structure.weights)

    def _spectrum(self, patch: NDArray[np.float32]) -> NDArray[np.complex64]:
        spectrum: NDArray[np.complex64] = fft.rfft2(patch, s=self._size).conj()
        return spectrum

    def template_spectrum(self, pixels: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Return what `match` needs of a template, float32 (y, x) of the structure's box."""
        weights = self._structure.weights
        centred = pixels - np.sum(weights * pixels)
        scale = np.sqrt(np.sum(weights * centred**2))
        return self._spectrum(weights * centred / max(float(scale), np.finfo(np.float32).tiny))

    def seen(self, view: NDArray[np.float32]) -> Seen:
        """Return the view transformed, with its local variance."""
        centred = view - view.mean()
        spectra = fft.rfft2(np.stack([centred, centred * centred]), s=self._size)
        sums = fft.irfft2(spectra * self._weights_spectrum, s=self._size)
        n_y, n_x = self._n_shifts
        sums = sums[:, :n_y, :n_x]
        variance = sums[1] - sums[0] ** 2
        floor = LEAST_VARIANCE * float(np.mean(centred * centred))
        # where nothing varies the correlation is 0, not a quotient of rounding errors
        variance = np.where(variance > floor, variance, np.inf)
        return Seen(spectra[0], variance, self._size)

    def match(self, seen: Seen, template_spectrum: NDArray[np.complex64]) -> Match:
        """Return the best shift, to a part of a pixel by a parabola in each direction."""
        n_y, n_x = self._n_shifts
        product = fft.irfft2(seen.spectrum * template_spectrum, s=seen.size)[:n_y, :n_x]
        correlation = product / np.sqrt(seen.variance)
        best = int(np.argmax(correlation))
        y, x = divmod(best, n_x)
        part_y = _vertex(correlation[max(y - 1, 0) : y + 2, x]) if 0 < y < n_y - 1 else 0.0
        part_x = _vertex(correlation[y, max(x - 1, 0) : x + 2]) if 0 < x < n_x - 1 else 0.0
        origin_y, origin_x = self._origin
        return Match(
            (y + part_y - origin_y, x + part_x - origin_x),
            float(correlation[y, x]),
            # a structure that lies at the image's border from the start may stay there
            (y in (0, n_y - 1) and y != origin_y) or (x in (0, n_x - 1) and x != origin_x),
        )


def _vertex(three: NDArray[np.float32]) -> float:
    """Return where a parabola through three values at -1, 0, 1 is highest, in ±0.5."""
    low, middle, high = (float(value) for value in three)
    bend = low - 2.0 * middle + high
    return min(max(0.5 * (low - high) / bend, -0.5), 0.5) if bend < 0.0 else 0.0
