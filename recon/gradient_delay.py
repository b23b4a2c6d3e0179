"""Gradient delays of radial spokes, from where they cross (RING).

Rosenzweig, Holme and Uecker 2019, doi:10.1002/mrm.27506. Delays of the gradients shift each spoke
by S·n, n its direction and S = [[Sx, Sxy], [Sxy, Sy]] (eq. 2 there). Two spokes measured the same
number where they cross: at a·n₁ + S·n₁ = b·n₂ + S·n₂, so each pair's (a, b) gives two equations in
the three unknowns, which are solved by least squares.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_SAMPLES = 3.0  # a delay beyond this is none, but a trajectory that is not what it says
COARSE_STEPS = 10  # a sample
REFINEMENTS = 4
LEAST_CROSSING = 0.5  # sine of the angle between two spokes that are compared


@dataclass(frozen=True, slots=True)
class GradientDelay:
    """How far gradients shift the spokes, in cycles per field of view along x: x, y and both."""

    x: float = 0.0
    y: float = 0.0
    xy: float = 0.0

    def shift(self, along: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the shift (y, x) of a spoke that runs along the unit vector (y, x)."""
        n_y, n_x = along
        shift = (self.xy * n_x + self.y * n_y, self.x * n_x + self.xy * n_y)
        return np.array(shift, np.float32)


def estimate_delay(
    spokes: list[NDArray[np.complex64]],
    centers: list[float],
    directions: list[NDArray[np.float64]],
    spacing: float,
) -> GradientDelay:
    """Return the delays that the crossings of a frame's spokes show.

    spokes: complex64 (coil, sample) each. centers: the sample, counted from 0, that nominally lies
    at the k-space centre. directions: unit vectors (y, x). spacing: of the samples, in cycles.
    Raises ValueError where the spokes cross too little, or too far from the centre.
    """
    rows, shifts = [], []
    spectra = [_Spoke(samples, center) for samples, center in zip(spokes, centers, strict=True)]
    cosines = np.abs(np.array(directions) @ np.array(directions).T)
    for one, other in enumerate(np.argmin(cosines, axis=1)):
        if np.sqrt(1 - min(cosines[one, other], 1.0) ** 2) < LEAST_CROSSING:
            continue
        a, b = _crossing(spectra[one], spectra[other])
        first, second = directions[one], directions[other]
        apart = second - first
        rows += [[0.0, apart[0], apart[1]], [apart[1], 0.0, apart[0]]]
        shifts += list(a * first - b * second)
    if len(rows) < 4:
        raise ValueError(
            "the spokes of the first frame hardly cross, expected some at right angles for "
            "recon.gradient_delay ring"
        )
    (x, y, xy), *_ = np.linalg.lstsq(np.array(rows), np.array(shifts), rcond=None)
    largest = max(abs(x), abs(y), abs(xy))
    if not largest <= LARGEST_SAMPLES:
        raise ValueError(
            f"the spokes of the first frame cross {largest:.1f} samples from the k-space centre, "
            f"limit {LARGEST_SAMPLES:g} for recon.gradient_delay ring"
        )
    return GradientDelay(float(x) * spacing, float(y) * spacing, float(xy) * spacing)


class _Spoke:
    """A spoke that can be read between its samples: the image-space profile of each coil."""

    def __init__(self, samples: NDArray[np.complex64], center: float) -> None:
        n = samples.shape[1]
        # float64: differences of nearly equal numbers are squared and divided
        self.profile = np.fft.fftshift(np.fft.fft(samples.astype(np.complex128)), axes=1) / n
        self.turn = 2j * np.pi * (np.arange(n) - n // 2) / n
        self.center = center

    def read(self, places: NDArray[np.float64], derivative: int = 0) -> NDArray[np.complex128]:
        """Return the samples, or their derivative, at places from the centre; (place, coil)."""
        basis = np.exp(np.multiply.outer(places + self.center, self.turn))
        read: NDArray[np.complex128] = (basis * self.turn**derivative) @ self.profile.T
        return read


def _crossing(one: _Spoke, other: _Spoke) -> tuple[float, float]:
    """Return where, in samples from their centres, two spokes agree best."""
    places = np.arange(-LARGEST_SAMPLES, LARGEST_SAMPLES + 0.01, 1 / COARSE_STEPS)
    first, second = one.read(places), other.read(places)
    power = np.sum(np.abs(first) ** 2, 1)[:, None] + np.sum(np.abs(second) ** 2, 1)
    # Relative to what was measured there, or two spokes would agree best where both are nothing.
    apart = 1 - 2 * np.real(first @ second.conj().T) / np.maximum(power, np.finfo(float).tiny)
    row, column = np.unravel_index(np.argmin(apart), apart.shape)
    at = np.array([places[row], places[column]])
    for _ in range(REFINEMENTS):  # Gauss-Newton on |first(a) - second(b)|²
        difference = (one.read(at[:1]) - other.read(at[1:]))[0]
        slopes = np.stack([one.read(at[:1], 1)[0], -other.read(at[1:], 1)[0]], axis=1)
        parts = np.concatenate([slopes.real, slopes.imag])
        step, *_ = np.linalg.lstsq(
            parts, -np.concatenate([difference.real, difference.imag]), rcond=1e-6
        )
        at = at + np.clip(step, -1 / COARSE_STEPS, 1 / COARSE_STEPS)
    return float(at[0]), float(at[1])
