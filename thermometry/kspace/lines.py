"""What one frame measured, and what it is compared with."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from thermometry.kspace.columns import (
    Chosen,
    CoilColumns,
    Columns,
    Crop,
    Lengths,
    match,
    only_measured,
    spread,
    turn,
)

BINOMIAL: Final = np.array([1, 4, 6, 4, 1], np.float32) / np.float32(16)
CHANGE_SHOWS: Final = np.float32(3.0)  # over its noise
MOST_CHANGE: Final = 0.5  # of brightness, within heat
TINY: Final = np.float32(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class Lines:
    """What a frame measured and what it is compared with. Arrays end in (column, y).

    baseline: complex64 (coil, column, y), 0 where it has too little signal to be modelled.
    coils: the frame's zero-filled coil images. measured: bool (y,), lines of k-space.
    noise: E|n|² of one sample of one coil. baseline_noise: E|n_b|² of a coil of the baseline.
    """

    crop: Crop
    baseline: CoilColumns
    coils: CoilColumns
    measured: NDArray[np.bool_]
    noise: float
    baseline_noise: float

    @cached_property
    def kernel(self) -> NDArray[np.complex64]:
        """How a point spreads along y."""
        return spread(self.measured)

    @cached_property
    def modelled(self) -> Chosen:
        """Pixels with signal."""
        return np.asarray(self.baseline.any(axis=0))

    @cached_property
    def weight(self) -> Lengths:
        """The normal matrix's diagonal: what the lines know of each pixel if all else is known."""
        share = np.float32(np.mean(self.measured))
        energy = np.sum(self.baseline.real**2 + self.baseline.imag**2, axis=0)
        return np.asarray(share * energy)

    @cached_property
    def total_noise(self) -> Lengths:
        """E|n|² with what the baseline's own noise adds: that of all pixels that fold onto one."""
        power = self.kernel.real**2 + self.kernel.imag**2
        n = self.measured.size
        folding = power[n - 1 + np.arange(n)[:, None] - np.arange(n)] / np.mean(self.measured)
        added = self.modelled.astype(np.float32) @ folding.astype(np.float32)
        total = np.float32(self.noise) + np.float32(self.baseline_noise) * added
        return np.asarray(total, np.float32)

    def left(self, phase_rad: Lengths) -> tuple[Columns, CoilColumns]:
        """Return what the model leaves in each pixel's direction, and the model's coil images."""
        turned = self.baseline * turn(phase_rad)
        return match(self.coils - only_measured(turned, self.measured), turned), turned


def smoothed(lines: Lines, columns: NDArray[Any], *, squared: bool = False) -> NDArray[Any]:
    """Return the binomial mean over 5 x 5 neighbours in the plane; `squared`: by squared weights.

    The latter is the variance of the mean, where `columns` are variances.
    """
    weights = BINOMIAL**2 if squared else BINOMIAL
    planes = columns.reshape(lines.crop.planes)
    for axis in (1, 2):
        planes = convolve1d(planes, weights, axis=axis, mode="constant")
    return planes.reshape(columns.shape)


def as_bright(lines: Lines, phase_rad: Lengths, chosen: Chosen) -> Lines:
    """Return the lines with a baseline that is as bright in the heat as the frame is.

    Heat changes T1 and T2*, and the change folds onto other pixels as the phase does.
    """
    if not chosen.any():
        return lines
    matched, _ = lines.left(phase_rad)
    weight = np.where(chosen, lines.weight, np.float32(0))
    known = np.maximum(smoothed(lines, weight), TINY)
    change = smoothed(lines, np.where(chosen, matched.real, np.float32(0))) / known
    noise = smoothed(lines, np.float32(0.5) * weight * lines.total_noise, squared=True)
    # what noise could have made is left to noise, which the standard deviation knows of
    shows = chosen & (np.abs(change) * known > CHANGE_SHOWS * np.sqrt(noise))
    gain = 1 + np.where(shows, np.clip(change, -MOST_CHANGE, MOST_CHANGE), np.float32(0))
    return replace(lines, baseline=lines.baseline * gain.astype(np.float32))
