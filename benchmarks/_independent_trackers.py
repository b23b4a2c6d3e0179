"""Seven plain trackers that share nothing with the product: what they agree on stands for truth.

Each is a function of the reference picture, the picture now, the centre and radius of the target
(in pixels of the reference) and the shift that it found last; it returns its shift (y, x), pixels.
Two let the target deform: demons and the affine points.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

Real = NDArray[np.float64]
Pair = tuple[float, float]
Finder = Callable[[Real, Real, Pair, float, Real, int], Real]


def correlation(
    first: Real, now: Real, centre: Pair, radius: float, _last: Real, reach: int
) -> Real:
    """Zero-mean normalised correlation of a square, in the space domain of raw pixels."""
    template = _square(first, centre, radius + 4)
    window, start = _window(now, centre, radius + 4 + reach)
    zero = template - template.mean()
    product = signal.fftconvolve(window, zero[::-1, ::-1], mode="valid")
    ones = np.ones_like(template)
    mean = signal.fftconvolve(window, ones, mode="valid") / ones.size
    power = signal.fftconvolve(window**2, ones, mode="valid") - ones.size * mean**2
    score = product / np.sqrt(np.maximum(power, 1e-9 * power.max()) * np.sum(zero**2))
    return _peak(score) + start - _corner(centre, radius + 4)


def block_matching(
    first: Real, now: Real, centre: Pair, radius: float, _last: Real, reach: int
) -> Real:
    """Least mean absolute difference of a disc, after removal of both means."""
    template = _square(first, centre, radius + 2)
    window, start = _window(now, centre, radius + 2 + reach)
    n = template.shape[0]
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    inside = np.hypot(y, x) <= radius + 2
    blocks = np.lib.stride_tricks.sliding_window_view(window, template.shape)
    values = blocks[:, :, inside].astype(np.float32)
    wanted = template[inside].astype(np.float32)
    values -= values.mean(axis=-1, keepdims=True)
    score = -np.abs(values - (wanted - wanted.mean())).mean(axis=-1)
    return _peak(score.astype(np.float64)) + start - _corner(centre, radius + 2)


def phase_correlation(
    first: Real, now: Real, centre: Pair, radius: float, last: Real, _reach: int
) -> Real:
    """Phase correlation (Kuglin and Hines 1975) of Hann windows, centred again until it stands."""
    half = int(2.5 * radius)
    taper = np.outer(np.hanning(2 * half + 1), np.hanning(2 * half + 1))
    then = _sampled(first, np.asarray(centre), half)
    spectrum = fft.rfft2((then - then.mean()) * taper).conj()
    shift = last.copy()
    for _ in range(4):
        here = _sampled(now, np.asarray(centre) + shift, half)
        cross = fft.rfft2((here - here.mean()) * taper) * spectrum
        frequency = np.hypot(fft.fftfreq(here.shape[0])[:, None], fft.rfftfreq(here.shape[1])[None])
        cross *= np.exp(-0.5 * (frequency / 0.12) ** 2) / (np.abs(cross) + 1e-9)
        score = fft.fftshift(fft.irfft2(cross, s=here.shape))
        step = _peak(score) - np.array(here.shape) // 2
        shift = shift + step
        if np.abs(step).max() < 0.02:
            break
    return shift


def lucas_kanade(
    first: Real, now: Real, centre: Pair, radius: float, last: Real, _reach: int
) -> Real:
    """Median of Lucas–Kanade (1981) at nine points, from coarse to fine, warm from the last."""
    points = np.asarray(centre) + 0.6 * radius * _grid(3)
    shifts = np.tile(last, (len(points), 1))
    for blur in (3.0, 1.5):
        then, here = (ndimage.gaussian_filter(one, blur) for one in (first, now))
        shifts = _lucas_kanade(then, here, points, shifts, half=int(radius * 0.7) + 2)
        shifts[:] = np.median(shifts, axis=0) if blur > 2 else shifts
    found: Real = np.median(shifts, axis=0)
    return found


def affine_points(
    first: Real, now: Real, centre: Pair, radius: float, last: Real, _reach: int
) -> Real:
    """Affine change through Lucas–Kanade at 25 points by consensus (Fischler and Bolles 1981).

    Its shift at the centre; NaN where fewer than half of the points agree on one.
    """
    offsets = radius * _grid(5)
    shifts = np.tile(last, (len(offsets), 1))
    for blur, half in ((3.0, int(radius * 0.8) + 2), (1.2, int(radius * 0.5) + 2)):
        then, here = (ndimage.gaussian_filter(one, blur) for one in (first, now))
        shifts = _lucas_kanade(then, here, np.asarray(centre) + offsets, shifts, half=half)
        shifts[:] = np.median(shifts, axis=0) if blur > 2 else shifts
    levers = np.column_stack([np.ones(len(offsets)), offsets])
    threes = np.random.default_rng(0).permuted(np.tile(np.arange(25), (60, 1)), axis=1)[:, :3]
    threes = threes[abs(np.linalg.det(levers[threes])) > 0.1 * radius**2]
    fits = np.linalg.solve(levers[threes], shifts[threes])
    agrees = np.linalg.norm(levers @ fits - shifts, axis=2) < 0.7
    best = agrees[int(np.argmax(agrees.sum(axis=1)))]
    if 2 * best.sum() < len(offsets):
        return np.full(2, np.nan)
    found: Real = np.linalg.lstsq(levers[best], shifts[best])[0][0]
    return found


def demons(first: Real, now: Real, centre: Pair, radius: float, last: Real, _reach: int) -> Real:
    """Mean of a demons field (Thirion 1998) over the target, from coarse to fine, warm."""
    half = int(1.8 * radius) + 4
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    inside = np.hypot(y, x) <= radius
    field = np.stack([np.full(y.shape, last[0]), np.full(y.shape, last[1])])
    for blur, smooth, steps in ((3.0, 6.0, 9), (1.5, 4.0, 9), (0.8, 3.0, 6)):
        then = _normal(_sampled(ndimage.gaussian_filter(first, blur), np.asarray(centre), half))
        here = ndimage.gaussian_filter(now, blur)
        slopes = np.gradient(then)
        power = slopes[0] ** 2 + slopes[1] ** 2
        for _ in range(steps):
            warped = _normal(
                ndimage.map_coordinates(
                    here, [centre[0] + y + field[0], centre[1] + x + field[1]],
                    order=1, mode="nearest",
                )
            )  # fmt: skip
            error = then - warped
            push = error / (power + 0.25 * error**2 + 1e-6)
            field = np.stack(
                [
                    ndimage.gaussian_filter(one + push * slope, smooth)
                    for one, slope in zip(field, slopes, strict=True)
                ]
            )
    return np.array([one[inside].mean() for one in field])


def mutual_information(
    first: Real, now: Real, centre: Pair, radius: float, last: Real, _reach: int
) -> Real:
    """Climb of the mutual information (Viola and Wells 1995) of a disc, warm from the last."""
    half = int(radius) + 3
    then = _sampled(first, np.asarray(centre), half)
    levels = np.digitize(then, np.quantile(then, np.linspace(0, 1, 9)[1:-1]))
    known: dict[tuple[int, int], float] = {}

    def score(at: tuple[int, int]) -> float:
        if at not in known:
            here = _sampled(now, np.asarray(centre) + np.asarray(at), half)
            bins = np.digitize(here, np.quantile(here, np.linspace(0, 1, 9)[1:-1]))
            known[at] = _information(levels, bins)
        return known[at]

    at = (round(float(last[0])), round(float(last[1])))
    grid = [(a, b) for a in range(-6, 7, 3) for b in (-3, 0, 3)]
    at = max(((at[0] + a, at[1] + b) for a, b in grid), key=score)
    for _ in range(6):
        best = max(((at[0] + a, at[1] + b) for a in (-1, 0, 1) for b in (-1, 0, 1)), key=score)
        if best == at:
            break
        at = best
    around = np.array([[score((at[0] + a, at[1] + b)) for b in (-1, 0, 1)] for a in (-1, 0, 1)])
    return np.asarray(at) + _vertex(around)


TRACKERS: dict[str, Finder] = {
    "correlation": correlation,
    "block matching": block_matching,
    "phase correlation": phase_correlation,
    "Lucas–Kanade": lucas_kanade,
    "affine points": affine_points,
    "demons": demons,
    "mutual information": mutual_information,
}


def _grid(n: int) -> Real:
    """Return n² points (y, x) from -1 to 1."""
    line = np.linspace(-1.0, 1.0, n)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)


def _lucas_kanade(then: Real, here: Real, points: Real, shifts: Real, *, half: int) -> Real:
    """Return the shifts (point, 2) after eight steps at every point, from `shifts` on."""
    patch = _patches(then, points, half)
    slopes = np.stack(np.gradient(patch, axis=(1, 2)), axis=-1).reshape(len(points), -1, 2)
    system = slopes.transpose(0, 2, 1) @ slopes
    system += np.eye(2) * 1e-3 * np.trace(system, axis1=1, axis2=2)[:, None, None]
    wanted, spread = _zero_mean(patch)
    at = shifts.copy()
    for _ in range(8):
        now, now_spread = _zero_mean(_patches(here, points + at, half))
        error = wanted - spread / np.maximum(now_spread, 1e-9) * now
        pull = np.einsum("nkp,nk->np", slopes, error)
        step = np.linalg.solve(system, pull[..., None])[..., 0]
        at = at + step
        if np.abs(step).max() < 0.02:
            break
    return at


def _patches(picture: Real, points: Real, half: int) -> Real:
    """Return squares (point, y, x) around the points."""
    line = np.arange(-half, half + 1)
    y, x = np.meshgrid(line, line, indexing="ij")
    places = points.T[:, :, None, None] + np.stack([y, x])[:, None]
    found: Real = ndimage.map_coordinates(picture, places, order=1, mode="nearest")
    return found


def _zero_mean(patches: Real) -> tuple[Real, Real]:
    """Return (point, pixel) less their means, and their standard deviations (point, 1)."""
    flat = patches.reshape(len(patches), -1)
    zero = flat - flat.mean(axis=1, keepdims=True)
    return zero, zero.std(axis=1, keepdims=True)


def _information(first: NDArray[np.intp], second: NDArray[np.intp]) -> float:
    joint = np.bincount((8 * first + second).ravel(), minlength=64).reshape(8, 8) / first.size
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    filled = joint > 0
    return float(np.sum(joint[filled] * np.log(joint[filled] / apart[filled])))


def _normal(patch: Real) -> Real:
    scaled: Real = (patch - patch.mean()) / max(float(patch.std()), 1e-9)
    return scaled


def _corner(centre: Pair, half: float) -> Real:
    return np.round(np.asarray(centre)) - int(half)


def _square(picture: Real, centre: Pair, half: float) -> Real:
    top, left = _corner(centre, half).astype(int)
    side = 2 * int(half) + 1
    return picture[top : top + side, left : left + side]


def _window(picture: Real, centre: Pair, half: float) -> tuple[Real, Real]:
    """Return the square where it lies in the picture, and its corner there."""
    corner = _corner(centre, half).astype(int)
    end = corner + 2 * int(half) + 1
    first, last = np.maximum(corner, 0), np.minimum(end, picture.shape)
    return picture[first[0] : last[0], first[1] : last[1]], first.astype(np.float64)


def _sampled(picture: Real, centre: Real, half: int) -> Real:
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    sampled: Real = ndimage.map_coordinates(
        picture, [y + centre[0], x + centre[1]], order=1, mode="nearest"
    )
    return sampled


def _peak(score: Real) -> Real:
    """Return the place of the greatest value, to a part of a pixel."""
    y, x = np.unravel_index(int(np.argmax(score)), score.shape)
    place = np.array([y, x], np.float64)
    if 0 < y < score.shape[0] - 1 and 0 < x < score.shape[1] - 1:
        place += _vertex(score[y - 1 : y + 2, x - 1 : x + 2])
    return place


def _vertex(nine: Real) -> Real:
    """Return the top of a parabola through the middle row and column."""
    bends = nine[:, 1].sum() - 3 * nine[1, 1], nine[1].sum() - 3 * nine[1, 1]
    slopes = 0.5 * (nine[2, 1] - nine[0, 1]), 0.5 * (nine[1, 2] - nine[1, 0])
    steps = [-a / b if b < 0 else 0.0 for a, b in zip(slopes, bends, strict=True)]
    return np.clip(steps, -0.5, 0.5)
