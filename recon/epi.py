"""EPI: how far lines of one polarity are turned against those of the other, and turning them back.

A line that runs backwards is displaced in k and turned in phase against its neighbours; half of the
signal then stands half a field of view away (N/2 ghost). Readouts without phase encoding show by
how much (Bruder 1992, doi:10.1002/mrm.1910230211).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from messages.acquisition import REVERSE
from recon.settings import EpiReverse

Profile = NDArray[np.complex64]

_WIDEST_TILT = 0.3  # of the gain from the middle of the image to its edge; more is no receiver's


@dataclass(frozen=True, slots=True, eq=False)
class Misalignment:
    """Forward lines over reverse ones, e^(tilt · x + i (constant + slope · x)), of each coil.

    x: pixels from the centre of the image. constant_rad, slope_rad, tilt: float64 (coil,).
    The slope is a shift in k. A receiver whose gain is not level over its band passes forward and
    reverse lines with opposite tilts, each coil with its own; on a 3 T body coil that was half of
    the ghost that phases alone left.
    """

    constant_rad: NDArray[np.float64]
    slope_rad: NDArray[np.float64]
    tilt: NDArray[np.float64]

    def turns(self, n_x: int) -> tuple[Profile, Profile]:
        """Return the factors (coil, x) that forward and reverse lines are multiplied by.

        Each polarity takes half, so their mean stays: what both share is temperature.
        """
        pixels = np.arange(n_x) - n_x // 2
        line = self.tilt[:, None] * pixels + 1j * (
            self.constant_rad[:, None] + self.slope_rad[:, None] * pixels
        )
        return np.exp(-line / 2).astype(np.complex64), np.exp(line / 2).astype(np.complex64)


def misalignment(profiles: list[Profile], are_reverse: list[bool]) -> Misalignment | None:
    """Return how the polarities of consecutive readouts without phase encoding differ.

    profiles: of each readout, complex64 (coil, x), in order of time.
    The mean of two lines of one polarity is what a line of it would be at the time of the one
    between, so that the field's drift and offset cancel; only two readouts in all are compared as
    they are. Pixels count by their power. None where no neighbours differ in polarity or nothing
    was received.
    """
    pairs: list[tuple[Profile, Profile]] = []
    for middle in range(1, len(profiles) - 1):
        before, here, after = are_reverse[middle - 1 : middle + 2]
        if before == after != here:
            mean = (profiles[middle - 1] + profiles[middle + 1]) / 2
            pairs.append((mean, profiles[middle]) if here else (profiles[middle], mean))
    if len(profiles) == 2 and are_reverse[0] != are_reverse[1]:
        first, second = profiles
        pairs.append((second, first) if are_reverse[0] else (first, second))
    if not pairs:
        return None
    products = [forward * reverse.conj() for forward, reverse in pairs]
    product = np.stack(products).sum(axis=0, dtype=np.complex128)
    if not np.isfinite(product).all() or not product.any():
        return None
    powers = [(np.abs(forward) ** 2, np.abs(reverse) ** 2) for forward, reverse in pairs]
    forward_power, reverse_power = np.array(powers, np.float64).sum(axis=0)
    constant, slope = _straight_phase(product)
    return Misalignment(constant, slope, _tilt(forward_power, reverse_power))


def _straight_phase(
    product: NDArray[np.complex128],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit constant + slope · x to the phase of `product` (coil, x), weighted by its magnitude."""
    pixels = np.arange(product.shape[1]) - product.shape[1] // 2
    # The step from pixel to pixel needs no unwrapping; what is left after it is small.
    slope = np.angle(np.sum(product[:, 1:] * product[:, :-1].conj(), axis=1))
    rest = product * np.exp(-1j * slope[:, None] * pixels)
    constant = np.angle(rest.sum(axis=1))
    residual = np.angle(rest * np.exp(-1j * constant)[:, None])
    shift, more = _weighted_line(residual, np.abs(rest))
    return constant + shift, slope + more


def _tilt(forward: NDArray[np.float64], reverse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit the slope along x of the logarithm of a ratio of amplitudes, from powers (coil, x)."""
    floor = np.finfo(np.float64).tiny
    ratio = np.log(np.maximum(forward, floor) / np.maximum(reverse, floor)) / 2
    _, tilt = _weighted_line(ratio, np.sqrt(forward * reverse))
    widest = _WIDEST_TILT / max(forward.shape[1] // 2, 1)
    return np.clip(tilt, -widest, widest)


def _weighted_line(
    values: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (constant, slope) of each row's weighted regression; 0 where nothing weighs."""
    pixels = np.arange(values.shape[1]) - values.shape[1] // 2
    total = weight.sum(axis=1)
    weight = weight / np.where(total > 0, total, 1)[:, None]
    away = pixels - (weight @ pixels)[:, None]
    spread = np.sum(weight * away**2, axis=1)
    slope = np.sum(weight * away * values, axis=1) / np.where(spread > 0, spread, 1)
    constant = np.sum(weight * (values - slope[:, None] * pixels), axis=1)
    return constant, slope


def drift_rad(profiles: list[Profile], are_reverse: list[bool]) -> float:
    """Return the phase that the field adds from one readout to the next, from the first and third.

    0 where the readouts are not of alternating polarity.
    """
    if len(profiles) < 3 or are_reverse[0] != are_reverse[2]:
        return 0.0
    return float(np.angle(np.vdot(profiles[0], profiles[2]))) / 2


@dataclass(slots=True, eq=False)
class Shot:
    """The navigators of the echo train that is arriving, and what follows from them.

    navigators, are_reverse: since the last imaging line. turns: for forward and reverse lines;
    None before any correction is known. n_echoes: lines since the second navigator.
    drift_rad: of the field from line to line. offset_rad: against the run's first navigators.
    is_uncorrected: an imaging line has come without a correction.
    first: the middle navigator (coil, x) of the frame's first shot.
    """

    turns: tuple[Profile, Profile] | None = None
    navigators: list[Profile] = field(default_factory=list)
    are_reverse: list[bool] = field(default_factory=list)
    n_echoes: int = 0
    drift_rad: float = 0.0
    offset_rad: float = 0.0
    is_uncorrected: bool = False
    first: Profile | None = None

    def add_navigator(self, profile: Profile, *, is_reverse: bool) -> None:
        """Take one readout without phase encoding; the first after imaging opens a new shot."""
        self.navigators.append(profile)
        self.are_reverse.append(is_reverse)

    def settle(self, *, is_aligned: bool, follows_drift: bool, first: Profile | None) -> None:
        """Turn the navigators that have come into the correction of the lines that follow.

        is_aligned: they decide how odd and even lines are aligned. follows_drift: they decide what
        the field's drift is taken to be. first: middle navigator of the run's first frame.
        """
        profiles, are_reverse = self.navigators, self.are_reverse
        if is_aligned:
            found = misalignment(profiles, are_reverse)
            self.turns = None if found is None else found.turns(profiles[0].shape[1])
        middle = profiles[len(profiles) // 2]
        if self.first is None:
            self.first = middle
        if follows_drift:
            self.drift_rad = drift_rad(profiles, are_reverse)
            self.n_echoes = (len(profiles) - 1) // 2
            self.offset_rad = 0.0 if first is None else float(np.angle(np.vdot(first, middle)))
        self.navigators, self.are_reverse = [], []

    def turn(self, *, is_reverse: bool) -> Profile | complex:
        """Return what the next line is multiplied by."""
        self.n_echoes += 1
        angle = self.offset_rad + self.drift_rad * self.n_echoes
        back = complex(np.exp(-1j * angle)) if angle else 1.0
        if self.turns is None:
            self.is_uncorrected = True
            return back
        return self.turns[is_reverse] * np.complex64(back)


def runs_backwards(flags: int, step_1: int, rule: EpiReverse) -> bool:
    """Whether a line runs backwards, by its flag or, where nobody set flags, by its counter."""
    if rule == "flags":
        return bool(flags & REVERSE)
    return step_1 % 2 == (1 if rule == "odd" else 0)
