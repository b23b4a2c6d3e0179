"""Where the heat is, and how much, from the lines of k-space that one frame measured."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, convolve1d, correlate1d

from thermometry.drift import DriftBasis, fit_drift
from thermometry.kspace.columns import (
    Chosen,
    CoilColumns,
    Columns,
    Lengths,
    match,
    only_measured,
    refit,
    sparse_change,
    turn,
)
from thermometry.kspace.ghosts import alike_heat, beats_its_ghosts
from thermometry.kspace.lines import BINOMIAL, TINY, Lines, as_bright, smoothed

# Of a binomial neighbourhood, over its noise. Noise alone reaches 3.5 in one of 200 000 (|z| of
# complex noise), so that what is tried costs no time, and 4 once in ten frames of 5000 pixels.
WORTH_A_TRY: Final = 3.5
L1: Final = 0.5  # of the noise of a pixel: ghosts fall away, and a weak heat does not
FOUND: Final = 2.0  # what the sparse solution has left of that, which it has shrunk
STANDS_OUT: Final = 4.0
LEFT_ALONE: Final = 3.6  # in one pixel: noise reaches it once in 60 frames of 7000 pixels
LEFT_OVER: Final = 4.5  # noise never reaches it, and heat this strong has been found
SHOWS: Final = 2.5
# On phantoms with two heats, none of 2700 pixels less alike than 0.6 was beyond 5 deviations, and
# scores were true up to 0.4; one in 90 was beyond them between 0.8 and 1.
ALIKE: Final = 0.4
TOO_ALIKE: Final = 0.6  # heat that could pass for other heat: beyond it nobody knows whose it is
FLANK_PX: Final = 3  # heat below the threshold around heat above it
UNKNOWN_RAD: Final = 0.5  # steps are held below it where lines do not tell two pixels apart
RIDGE: Final = 1e-6  # of the largest weight, for images without noise
MOST_HEATED: Final = 0.6  # of the pixels; more is not sparse, and would take long
DRIFT_ROUNDS: Final = 2
LARGE_TURN_RAD: Final = 0.5
MEDIAN_OF_NOISE: Final = 0.8326  # √ln 2, of |z| with E|z|² = 1
TURN: Final = np.float32(2 * np.pi)


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """Phase beyond the background and its variance; arrays are (column, y).

    chosen: where heat stands out. There every pixel has its own phase; elsewhere the phase is a
        weighted mean over a binomial neighbourhood of 5 x 5 pixels, on the supposition that what
        folds onto them and does not stand out is not heated.
    common_rad2: the part of the variance that comes from the baseline.
    explained: false in columns where the lines hold what neither heat nor drift explains, so that
        nobody knows what folds onto what.
    """

    phase_rad: Lengths
    total_rad2: Lengths
    common_rad2: Lengths
    chosen: Chosen
    explained: Chosen


def follow_drift(
    lines: Lines,
    basis: DriftBasis,
    start: NDArray[np.float64],
    *,
    theta: Lengths,
    fitted: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the drift's coefficients, sought from `start` on, under a heat of `theta`.

    fitted: bool (z, y, x), where the drift shows. What each term does to a pixel is what it does
    there and in all pixels that fold onto it. Robust: what heat folds there pulls little.
    """
    pixels = basis.choose_pixels(fitted & lines.crop.volume(lines.modelled))
    if basis.n_terms == 0 or pixels.size == 0:
        return start
    weight = np.maximum(lines.weight, TINY)

    def at_pixels(columns: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        return np.asarray(lines.crop.volume(columns).ravel()[pixels], np.float32)

    found = _turned(lines, basis, start, theta=theta)
    _, turned = lines.left(background(lines, basis, found) + theta)
    terms = np.stack(
        [
            at_pixels(match(only_measured(turned * term, lines.measured), turned).real / weight)
            for term in lines.crop.columns(basis.terms.reshape(-1, *basis.shape))
        ]
    )
    variance = at_pixels(np.float32(0.5) * lines.total_noise / weight)
    for _ in range(DRIFT_ROUNDS):
        matched, _ = lines.left(background(lines, basis, found) + theta)
        step = at_pixels(matched.imag / weight)
        fit = fit_drift(terms, step, variance_rad2=variance, start=np.zeros(basis.n_terms))
        if fit is None:
            return start
        found = found + fit.coefficients
    return found


def _turned(
    lines: Lines, basis: DriftBasis, drift_rad: NDArray[np.float64], *, theta: Lengths
) -> NDArray[np.float64]:
    """Return the drift with a large turn of the whole image in it; heat makes small ones too."""
    phase = background(lines, basis, drift_rad) + theta
    product = np.sum(match(lines.coils, lines.baseline * turn(phase)), dtype=np.complex128)
    angle, found = float(np.angle(product)), drift_rad.copy()
    found[0] += angle if abs(angle) > LARGE_TURN_RAD else 0.0
    return found


def background(lines: Lines, basis: DriftBasis, drift_rad: NDArray[np.float64]) -> Lengths:
    """Return the drift's phase (column, y)."""
    return np.asarray(lines.crop.columns(basis.evaluate(drift_rad)))


def find(
    lines: Lines, background_rad: Lengths, start: Lengths, *, sign: float, sparsity: float
) -> tuple[Chosen, Lengths] | None:
    """Return where heat stands out, with a margin, and its phase, both (column, y).

    None where so much stands out that it cannot be heat alone.

    start: phase beyond the background to begin with, 0 where none is expected; it is where the
    search begins and leaves no trace in what it finds. sign: of the phase of heat. sparsity:
    weight of the L1 term over the noise.
    The search is sparse, because what is heated folds onto what is not and only the fewest heated
    pixels tell which is which; what it finds is then fitted without sparsity.
    """
    matched, turned = lines.left(background_rad + start)
    strength, size, misfit = _strength(lines, matched)
    limit = np.float32(L1 * sparsity * misfit) * np.sqrt(lines.weight * lines.total_noise)
    tried = lines.modelled & (strength > WORTH_A_TRY) & beats_its_ghosts(lines, matched)
    change = sparse_change(matched, turned, lines.kernel, tried, limit)
    found = np.abs(smoothed(lines, lines.weight * change)) / size > FOUND
    chosen = _with_flanks(lines, found | (start != 0))
    if np.count_nonzero(chosen) > MOST_HEATED * np.count_nonzero(lines.modelled):
        return None
    theta = np.where(chosen, start + np.angle(1 + change), np.float32(0))
    theta, inverse, _ = refine(lines, background_rad, theta, chosen, n_steps=2)
    # the phase of heat runs from 0 on, to one side
    theta = theta + np.where(sign * theta < -TURN / 4, np.float32(sign) * TURN, np.float32(0))
    is_known = chosen & (inverse > 0)
    weight = np.where(is_known, 1 / np.where(is_known, inverse, 1), np.float32(0))
    noise = smoothed(lines, np.float32(0.5) * weight * lines.total_noise, squared=True)
    height = smoothed(lines, weight * np.float32(sign) * theta) / np.sqrt(np.maximum(noise, TINY))
    stands_out = _with_flanks(lines, chosen & (height > np.float32(STANDS_OUT * misfit)))
    return stands_out, np.where(stands_out, theta, np.float32(0))


def refine(
    lines: Lines, background_rad: Lengths, theta: Lengths, chosen: Chosen, *, n_steps: int
) -> tuple[Lengths, Lengths, Lengths]:
    """Return the phase of the chosen pixels after some Gauss-Newton steps, without shrinking.

    Also what `refit` says of their certainty and of the others' weight.
    """
    inverse = weight = lines.weight
    for _ in range(n_steps):
        matched, turned = lines.left(background_rad + theta)
        step, inverse, weight = refit(matched, turned, lines.kernel, chosen, _least(lines))
        theta = theta + step
    return theta, inverse, weight


def settle(
    lines: Lines, background_rad: Lengths, theta: Lengths, chosen: Chosen, *, sign: float
) -> Heat:
    """Return the phase everywhere: of the chosen pixels one by one, of the others smoothed."""
    theta, _, _ = refine(lines, background_rad, theta, chosen, n_steps=2)
    lines = as_bright(lines, background_rad + theta, chosen)
    theta, inverse, weight = refine(lines, background_rad, theta, chosen, n_steps=2)
    matched, turned = lines.left(background_rad + theta)
    others = lines.modelled & ~chosen
    weight = np.where(others, weight, np.float32(0))
    known = np.maximum(smoothed(lines, weight), TINY)
    mean = smoothed(lines, np.where(others, matched.imag, np.float32(0))) / known
    half = np.float32(0.5) * lines.total_noise
    alike = alike_heat(lines, theta, chosen)
    # what folded heats do to each other hangs on their phases, which are not known: at its worst
    worst = 1 / (np.maximum(lines.weight, TINY) * np.maximum(1 - alike, np.float32(1 - TOO_ALIKE)))
    inverse = np.where(alike > ALIKE, np.maximum(inverse, worst), inverse)
    spread_rad2 = smoothed(lines, half * weight, squared=True)
    spread_rad2 = (spread_rad2 + _shared(lines, turned, half * others)) / known / known
    spread_rad2 = np.maximum(spread_rad2, TINY)
    # what shows and does not stand out may be as sharp as the neighbourhood, and twice as high
    shows = np.float32(sign) * mean > SHOWS * np.sqrt(spread_rad2)
    spread_rad2 += np.where(shows, mean**2, np.float32(0))
    total = np.where(chosen, half * inverse, spread_rad2).astype(np.float32)
    return Heat(
        phase_rad=np.where(chosen, theta, mean).astype(np.float32),
        total_rad2=total,
        common_rad2=total * (1 - np.float32(lines.noise) / lines.total_noise),
        chosen=chosen,
        explained=_explained(lines, matched) & (alike < TOO_ALIKE),
    )


def _shared(lines: Lines, turned: CoilColumns, noise: Lengths) -> Lengths:
    """Return what neighbours along y share of the variance of a neighbourhood's sum.

    Nothing for evenly spaced lines, which leave neighbours independent; much for lines that lie
    closer in the middle. noise: of each pixel, 0 where it takes no part.
    """
    n = lines.measured.size
    shared = np.zeros_like(noise)
    for distance in range(1, BINOMIAL.size):
        products = np.sum(turned[..., :-distance].conj() * turned[..., distance:], axis=0)
        pairs = np.zeros_like(noise)
        # of a pair the first is at y and the other at y + distance
        pairs[:, :-distance] = (products * lines.kernel[n - 1 - distance]).real
        pairs[:, :-distance] *= np.sqrt(noise[:, :-distance] * noise[:, distance:])
        weights = np.zeros_like(BINOMIAL)
        weights[:-distance] = 2 * BINOMIAL[:-distance] * BINOMIAL[distance:]
        along_y = correlate1d(pairs, weights, axis=1, mode="constant")
        planes = along_y.reshape(lines.crop.planes)
        across = convolve1d(planes, BINOMIAL**2, axis=1, mode="constant")
        shared += across.reshape(noise.shape)
    return shared


def _explained(lines: Lines, matched: Columns) -> Chosen:
    strength, _, misfit = _strength(lines, matched)
    # heat and its ghost may change places in a single pixel, which a neighbourhood hides
    alone = np.abs(matched) / np.sqrt(np.maximum(lines.weight * lines.total_noise, TINY))
    is_left = (strength > LEFT_OVER) | (lines.modelled & (alone > LEFT_ALONE * np.float32(misfit)))
    in_columns = is_left.any(axis=1).reshape(lines.crop.planes[:2])
    # as far as neighbourhoods reach
    beside = binary_dilation(in_columns, np.ones((1, BINOMIAL.size), np.bool_))
    return np.broadcast_to(~beside.reshape(-1, 1), matched.shape)


def _strength(lines: Lines, matched: Columns) -> tuple[Lengths, Lengths, float]:
    """Return what is left in each neighbourhood over its size, that size, and the misfit.

    The size is the noise's, or as many times larger as the median shows: heat stands out from the
    rest of the image, where drift is not yet right too. That factor is the misfit.
    """
    noise = smoothed(lines, lines.weight * lines.total_noise, squared=True)
    size = np.sqrt(np.maximum(noise, TINY))
    strength = np.abs(smoothed(lines, matched)) / size
    misfit = max(float(np.median(strength[lines.modelled])) / MEDIAN_OF_NOISE, 1.0)
    return strength / np.float32(misfit), size * np.float32(misfit), misfit


def _least(lines: Lines) -> float:
    """Return what makes the normal matrix invertible, whatever is chosen."""
    return max(0.5 * lines.noise / UNKNOWN_RAD**2, RIDGE * float(lines.weight.max()))


def _with_flanks(lines: Lines, chosen: Chosen) -> Chosen:
    cross = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], np.bool_)
    grown = binary_dilation(chosen.reshape(lines.crop.planes), cross, iterations=FLANK_PX)
    return np.asarray(grown.reshape(chosen.shape) & lines.modelled)
