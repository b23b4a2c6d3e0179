"""Where the target would be by a respiratory belt or camera: a second opinion on the image."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from messages import Waveform
from motion.least_squares import Fit, pace, start_fit

Real = NDArray[np.float64]

RESPIRATION = 2  # waveform_id, of the ISMRMRD standard
LAG_S = 0.5  # the second look at the signal: value and its lag give hysteresis
KEPT_S = 4.0
SETTLING_S = 6.0  # until the signal's size is known
LEARNING_S = 12.0
LEAST_AGREEMENT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Breathing:
    """A stretch of a respiratory signal. time_s: (sample,), scanner time. value: (sample,)."""

    time_s: Real
    value: Real


@dataclass(frozen=True, slots=True)
class SurrogateReading:
    """The target by the surrogate, at the time of an image, told before that image taught it.

    displacement_mm, std_mm: (y, x), the latter of the difference to the images of late.
    agreement: share of the motion that image and surrogate have in common, of late; 1 is all, 0 or
    less nothing. is_trusted: it has learned enough. is_doubted: it had, and agrees no more.
    """

    time_s: float
    displacement_mm: tuple[float, float]
    std_mm: tuple[float, float]
    agreement: float
    is_trusted: bool
    is_doubted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """How signal and displacement belong together; error, mean and spread are of late."""

    fit: Fit
    centre: float
    scale: float
    mean_mm: Real
    error_mm2: Real
    spread_mm2: Real
    image_s: float
    learned_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SurrogateState:
    """The last seconds of the signal, since when it comes, and what it means."""

    breathing: Breathing | None = None
    first_s: float = math.inf
    lowest: float = math.inf
    highest: float = -math.inf
    link: Link | None = None


def breathing_of(waveform: Waveform) -> Breathing | None:
    """Return the first channel of a respiratory waveform; None of any other, or without a time."""
    if waveform.waveform_id != RESPIRATION or not waveform.samples.size or waveform.time_s is None:
        return None
    value = waveform.samples[0].astype(np.float64)
    step_s = 1e-6 * waveform.sample_time_us
    if not (math.isfinite(waveform.time_s) and 0.0 < step_s < math.inf):
        return None
    times = np.asarray(waveform.time_s + step_s * np.arange(len(value)), np.float64)
    return Breathing(times, value)


class Surrogate:
    """Linear in the signal and in its value LAG_S before, learned from the images.

    Ruan 2008, doi:10.1088/0031-9155/53/4/010, augments the signal with its lag for hysteresis.
    """

    def start(self) -> SurrogateState:
        """Return the state before the first sample."""
        return SurrogateState()

    def heard(self, state: SurrogateState, breathing: Breathing) -> SurrogateState:
        """Return the state after more of the signal; what is older than KEPT_S is forgotten."""
        if not len(breathing.time_s):
            return state
        times, values = breathing.time_s, breathing.value
        if state.breathing is not None and times[0] > state.breathing.time_s[-1]:
            times = np.concatenate([state.breathing.time_s, times])
            values = np.concatenate([state.breathing.value, values])
        first = int(times.searchsorted(times[-1] - KEPT_S))
        return replace(
            state,
            breathing=Breathing(times[first:], values[first:]),
            first_s=min(state.first_s, float(times[0])),
            lowest=min(state.lowest, float(values.min())),
            highest=max(state.highest, float(values.max())),
        )

    def step(
        self, state: SurrogateState, *, time_s: float, displacement_mm: tuple[float, float] | None
    ) -> tuple[SurrogateState, SurrogateReading | None]:
        """Return the next state, and the target by the surrogate at the time of an image.

        displacement_mm: (y, x) by the image; None where it was not believed. No reading where the
        signal does not reach the image's time, or too little of it is known.
        """
        breathing = state.breathing
        if breathing is None or not _reaches(breathing, time_s):
            return state, None
        if state.link is None:
            is_settled = time_s - state.first_s >= SETTLING_S and state.highest > state.lowest
            if displacement_mm is None or not is_settled:
                return state, None
            state = replace(state, link=_begun(state, displacement_mm, time_s))
        link = state.link
        if link is None:
            return state, None
        regressor = _regressor(link, breathing, time_s)
        place_mm = regressor @ link.fit.weights
        if displacement_mm is not None:
            link = _learned(link, regressor, place_mm, np.array(displacement_mm), time_s)
        return replace(state, link=link), _reading(link, place_mm, time_s)


def _reaches(breathing: Breathing, time_s: float) -> bool:
    times = breathing.time_s
    return bool(times[0] <= time_s - LAG_S and time_s <= times[-1] + 0.1)


def _begun(state: SurrogateState, seen_mm: tuple[float, float], time_s: float) -> Link:
    weights, nothing = np.zeros((3, 2)), np.zeros(2)
    weights[-1] = seen_mm
    centre, scale = 0.5 * (state.highest + state.lowest), 0.5 * (state.highest - state.lowest)
    fit = start_fit(weights, prior=0.1)
    return Link(fit, centre, scale, np.array(seen_mm), nothing, nothing, time_s)


def _regressor(link: Link, breathing: Breathing, time_s: float) -> Real:
    """Return the signal now and LAG_S before, in units of half its range, and 1."""
    times = np.array([time_s, time_s - LAG_S])
    value = np.interp(times, breathing.time_s, breathing.value)
    return np.append((value - link.centre) / link.scale, 1.0)


def _learned(
    link: Link, regressor: Real, place_mm: Real, seen_mm: Real, time_s: float
) -> Link | None:
    learned_s, share, forgetting = pace(
        since_s=link.image_s, now_s=time_s, learned_s=link.learned_s
    )
    try:
        fit = link.fit.learned(regressor, seen_mm, forgetting=forgetting)
    except FloatingPointError:
        return None
    mean_mm = link.mean_mm + share * (seen_mm - link.mean_mm)
    return replace(
        link,
        fit=fit,
        mean_mm=mean_mm,
        error_mm2=link.error_mm2 + share * ((seen_mm - place_mm) ** 2 - link.error_mm2),
        spread_mm2=link.spread_mm2 + share * ((seen_mm - mean_mm) ** 2 - link.spread_mm2),
        image_s=time_s,
        learned_s=learned_s,
    )


def _reading(link: Link | None, place_mm: Real, time_s: float) -> SurrogateReading | None:
    if link is None:
        return None
    spread_mm2, error_mm2 = float(link.spread_mm2.sum()), float(link.error_mm2.sum())
    agreement = 1 - error_mm2 / spread_mm2 if spread_mm2 > 0 else 0.0
    std_mm = np.sqrt(link.error_mm2)
    has_learned = link.learned_s >= LEARNING_S
    return SurrogateReading(
        time_s,
        (float(place_mm[0]), float(place_mm[1])),
        (float(std_mm[0]), float(std_mm[1])),
        agreement,
        is_trusted=has_learned and agreement >= LEAST_AGREEMENT,
        is_doubted=has_learned and agreement < LEAST_AGREEMENT,
    )
