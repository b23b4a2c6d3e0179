"""Where the target is between two images, learned from the images themselves."""

from dataclasses import dataclass, field, replace

import numpy as np

from motion.least_squares import Fit, pace, start_fit
from motion.navigator_spokes import NavigatorSpokes, Real, Signal, blocks_of

KEPT_S = 1.5  # of blocks: an image's window must still be there when its displacement comes
SETTLING_S = 6.0  # a breath or more, until the size of the signal's changes is known
LEARNING_S = 10.0
PRIOR = 1.0  # as a regressor of the signal's own spread
OFFSET_SHARE = 0.3  # of each image's disagreement that the position takes over at once
OLDEST_IMAGE_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class ImageDisplacement:
    """What the tracker said of an image. (y, x). window_s: the time that its spokes took."""

    time_s: float
    displacement_mm: tuple[float, float]
    window_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """The target at the middle of each of the newest blocks of spokes.

    time_s: (block,). displacement_mm: (block, 2), (y, x); NaN while nothing is known.
    std_mm: (2,), of the difference to the images of late, whose own noise is in it, and of the
        scatter from block to block; NaN as above.
    is_trusted: the target moves more from image to image than this is wrong, so that it is worth
        having; and the images still come.
    """

    time_s: Real
    displacement_mm: Real
    std_mm: Real
    is_trusted: bool


def _none_yet() -> Real:
    return np.zeros(2)


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Mean (feature,) and variance of the signal over the first breaths, then left as they are.

    variance: (2,), of the coils' form together, and of their common size, the last feature.
    """

    mean: Real
    variance: Real = field(default_factory=_none_yet)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """How the signal and the images' displacement belong together.

    offset_mm: (2,), what images lately add to the regression. error_mm2, change_mm2, noise_mm2:
    (2,), mean squares of late: of their disagreement, of the displacement's change from image to
    image, and of the noise of one block. seen_mm: (2,), the last image's displacement.
    """

    fit: Fit
    offset_mm: Real
    error_mm2: Real
    change_mm2: Real
    noise_mm2: Real
    seen_mm: Real
    image_s: float
    learned_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class NavigatorState:
    """What is remembered. time_s: (block,), features: (block, feature), of the last KEPT_S."""

    signal: Signal | None = None
    time_s: Real | None = None
    features: Real | None = None
    spread: Spread | None = None
    link: Link | None = None


class Navigator:
    """Ridge regression from the coils' k-space centre to the displacement, images as correction.

    The centre of k-space is each coil's sum over the body: what moves past a coil changes it. The
    self-gating of Larson 2004, doi:10.1002/mrm.10664, made quantitative by the images. Each image
    corrects the position at its own time; the signal carries it on to the last spokes.
    """

    def start(self) -> NavigatorState:
        """Return the state before the first spoke."""
        return NavigatorState()

    def step(
        self,
        state: NavigatorState,
        spokes: NavigatorSpokes,
        image: ImageDisplacement | None = None,
    ) -> tuple[NavigatorState, Positions]:
        """Return the next state, and the target at the times of these spokes.

        image: what came to be known since the last step; None where no image was believed.
        """
        signal, time_s, features = blocks_of(state.signal, spokes)
        kept = _kept(replace(state, signal=signal), time_s, features)
        if image is not None:
            kept = replace(kept, link=_learned(kept, image))
        return kept, _positions(kept, time_s, features)


def _kept(state: NavigatorState, time_s: Real, features: Real) -> NavigatorState:
    """Return it with the new blocks, and the signal's spread while that is not settled."""
    spread = state.spread or Spread(features.mean(axis=0))
    if state.time_s is None or state.features is None:
        return replace(state, time_s=time_s, features=features, spread=spread)
    if spread.seconds < SETTLING_S:
        elapsed_s = min(max(float(time_s[-1] - state.time_s[-1]), 0.0), 1.0)
        seconds = spread.seconds + elapsed_s
        share = elapsed_s / seconds if seconds else 0.0
        off = features.mean(axis=0) - spread.mean
        variance = (1 - share) * (
            spread.variance + share * np.array([off[:-1] @ off[:-1], off[-1] ** 2])
        )
        spread = Spread(spread.mean + share * off, variance, seconds)
    first = int(state.time_s.searchsorted(time_s[-1] - KEPT_S))
    return replace(
        state,
        time_s=np.concatenate([state.time_s[first:], time_s]),
        features=np.concatenate([state.features[first:], features]),
        spread=spread,
    )


def _regressors(spread: Spread, features: Real) -> Real:
    """Return features (block, feature) in units of their spread, and 1 (block, feature + 1)."""
    scales = np.sqrt(np.maximum(spread.variance, 1e-30))
    form, size = np.split(features - spread.mean, [-1], axis=1)
    return np.concatenate([form / scales[0], size / scales[1], np.ones_like(size)], axis=1)


def _learned(state: NavigatorState, image: ImageDisplacement) -> Link | None:
    """Return the link after an image; as it was where its spokes are not known any more."""
    link, spread = state.link, state.spread
    if state.time_s is None or state.features is None or spread is None:
        return link
    during = np.abs(state.time_s - image.time_s) <= 0.5 * image.window_s
    if spread.seconds < SETTLING_S or not during.any():
        return link
    seen_mm = np.array(image.displacement_mm)
    if link is None:
        weights = np.zeros((state.features.shape[1] + 1, 2))
        weights[-1] = seen_mm
        nothing = np.zeros(2)
        fit = start_fit(weights, prior=PRIOR)
        return Link(fit, nothing, nothing, nothing, nothing, seen_mm, image.time_s)
    regressors = _regressors(spread, state.features[during])
    regressor = regressors.mean(axis=0)
    error_mm = seen_mm - regressor @ link.fit.weights - link.offset_mm
    learned_s, share, forgetting = pace(
        since_s=link.image_s, now_s=image.time_s, learned_s=link.learned_s
    )
    try:
        fit = link.fit.learned(regressor, seen_mm, forgetting=forgetting)
    except FloatingPointError:
        return None
    left_mm = seen_mm - regressor @ fit.weights - link.offset_mm
    return Link(
        fit,
        link.offset_mm + OFFSET_SHARE * left_mm,
        link.error_mm2 + share * (error_mm**2 - link.error_mm2),
        link.change_mm2 + share * ((seen_mm - link.seen_mm) ** 2 - link.change_mm2),
        link.noise_mm2 + share * (_noise_mm2(regressors @ fit.weights) - link.noise_mm2),
        seen_mm,
        image.time_s,
        learned_s,
    )


def _positions(state: NavigatorState, time_s: Real, features: Real) -> Positions:
    link, spread = state.link, state.spread
    if link is None or spread is None:
        return Positions(time_s, np.full((len(time_s), 2), np.nan), np.full(2, np.nan), False)
    place_mm = _regressors(spread, features) @ link.fit.weights + link.offset_mm
    square_mm2 = link.error_mm2 + link.noise_mm2
    is_trusted = (
        bool(square_mm2.sum() < link.change_mm2.sum())
        and link.learned_s >= LEARNING_S
        and float(time_s[-1]) - link.image_s <= OLDEST_IMAGE_S
    )
    return Positions(time_s, place_mm, np.sqrt(square_mm2), is_trusted)


def _noise_mm2(place_mm: Real) -> Real:
    """Return the mean square (2,) of one block's noise, from second differences (block, 2)."""
    if len(place_mm) < 3:
        return np.zeros(2)
    return np.asarray(np.mean(np.diff(place_mm, 2, axis=0) ** 2, axis=0) / 6)
