"""Whether what a tracker found may be believed, judged against the frames believed before."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from messages import Doubt

N_REMEMBERED = 64  # believed frames: more than a breath at any frame rate in use
N_LEAST = 6  # of them, before a limit says anything
N_CONSISTENT = 3  # frames that agree with each other make a jump a movement
DEVIATIONS = 6.0  # of the median absolute deviation, under which a similarity is not believed
LEAST_DEVIATION = 0.005  # of the similarity: noise that a quiet stretch has not shown yet
LEAST_SIMILARITY = 0.5  # below it two pictures do not show the same thing
JUMP_DEVIATIONS = 10.0
JUMP_MM_S, JUMP_MM = 60.0, 1.5  # a cough is slower, and localisation not worse
AREA_DEVIATIONS, LEAST_AREA_DEVIATION = 6.0, 0.04
SHARP = 1.25  # a picture is as sharp as those before it, if its grain is within this factor
LEAST_CONTRAST = 0.5  # of the running median
MOST_STD_MM = 1.0  # three of them are a lost track
MOST_OUTSIDE = 0.1  # of the weight
LONGEST_GAP_S = 1.0  # after it a target may be anywhere that it can reach in this time


@dataclass(frozen=True, slots=True)
class Measured:
    """What one frame says.

    contrast: of the structure, over brightness. area: the determinant. outside: of the search box,
    a share. grain: of the image there, NaN where it does not matter.
    """

    time_s: float
    displacement_mm: tuple[float, float]
    std_mm: float
    similarity: float
    contrast: float
    area: float
    outside: float
    is_at_edge: bool
    grain: float = math.nan


@dataclass(frozen=True, slots=True)
class Trust:
    """What is remembered of believed frames, newest last, and of jumps not believed yet."""

    similarities: tuple[float, ...] = ()
    contrasts: tuple[float, ...] = ()
    areas: tuple[float, ...] = ()
    grains: tuple[float, ...] = ()
    speeds_mm_s: tuple[float, ...] = ()
    last: tuple[float, float, float] | None = None  # time_s, y, x
    jumped: tuple[tuple[float, float, float], ...] = ()

    @property
    def similarity_limit(self) -> float:
        """The running threshold, NaN while it is learned.

        Lost frames are not remembered, so that a long failure does not lower it.
        """
        if len(self.similarities) < N_LEAST:
            return math.nan
        middle, deviation = _middle(self.similarities)
        limit = middle - DEVIATIONS * max(deviation, LEAST_DEVIATION)
        return max(limit, LEAST_SIMILARITY)


def judge(trust: Trust, now: Measured) -> tuple[Trust, tuple[Doubt, ...]]:
    """Return what is remembered after this frame, and why it is not believed."""
    doubts = _doubts_of_look(trust, now)
    if doubts:
        return replace(trust, jumped=()), doubts
    here = (now.time_s, *now.displacement_mm)
    if trust.last is not None and _is_jump(trust, trust.last, here):
        is_consistent = bool(trust.jumped) and not _is_jump(trust, trust.jumped[-1], here)
        jumped = (*trust.jumped, here) if is_consistent else (here,)
        if len(jumped) <= N_CONSISTENT:
            return replace(trust, jumped=jumped), ("jump",)
    return _remembered(trust, now, here), ()


def is_doubted(trust: Trust, now: Measured) -> bool:
    """Whether the look alone is enough to doubt this frame."""
    return bool(_doubts_of_look(trust, now))


def _doubts_of_look(trust: Trust, now: Measured) -> tuple[Doubt, ...]:
    """Return the doubts that one frame raises by its look alone."""
    doubts: list[Doubt] = []
    limit = trust.similarity_limit
    # written so that NaN is doubted
    is_alike = now.similarity >= (LEAST_SIMILARITY if math.isnan(limit) else limit)
    if not is_alike:
        doubts.append("low-similarity")
    if _is_out_of_plane(trust, now, is_alike=is_alike):
        doubts.append("out-of-plane")
    is_flat = len(trust.contrasts) >= N_LEAST and now.contrast < LEAST_CONTRAST * statistics.median(
        trust.contrasts
    )
    if is_flat or not now.std_mm <= MOST_STD_MM:
        doubts.append("low-contrast")
    if now.is_at_edge or now.outside > MOST_OUTSIDE:
        doubts.append("edge-of-search")
    return tuple(doubts)


def _is_out_of_plane(trust: Trust, now: Measured, *, is_alike: bool) -> bool:
    """Whether this is a sharp picture of something else, or of another cut through the target."""
    if len(trust.areas) < N_LEAST:
        return False
    middle, deviation = _middle(trust.areas)
    most = AREA_DEVIATIONS * max(deviation, LEAST_AREA_DEVIATION)
    is_sharp = 1.0 / SHARP <= now.grain / statistics.median(trust.grains) <= SHARP
    return (not is_alike and is_sharp) or not abs(now.area - middle) <= most


def _is_jump(
    trust: Trust, before: tuple[float, float, float], here: tuple[float, float, float]
) -> bool:
    gap_s = min(max(here[0] - before[0], 0.0), LONGEST_GAP_S)
    usual = 0.0
    if len(trust.speeds_mm_s) >= N_LEAST:
        middle, deviation = _middle(trust.speeds_mm_s)
        usual = middle + JUMP_DEVIATIONS * deviation
    way_mm = math.hypot(here[1] - before[1], here[2] - before[2])
    return not way_mm <= JUMP_MM + max(usual, JUMP_MM_S) * gap_s


def _remembered(trust: Trust, now: Measured, here: tuple[float, float, float]) -> Trust:
    speeds = trust.speeds_mm_s
    if trust.last is not None and here[0] > trust.last[0]:
        way_mm = math.hypot(here[1] - trust.last[1], here[2] - trust.last[2])
        speeds = _with(speeds, way_mm / (here[0] - trust.last[0]))
    return Trust(
        similarities=_with(trust.similarities, now.similarity),
        contrasts=_with(trust.contrasts, now.contrast),
        areas=_with(trust.areas, now.area),
        grains=_with(trust.grains, now.grain),
        speeds_mm_s=speeds,
        last=here,
    )


def _with(values: tuple[float, ...], value: float) -> tuple[float, ...]:
    return (*values, value)[-N_REMEMBERED:]


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """Return the median and the median absolute deviation."""
    middle = statistics.median(values)
    return middle, statistics.median([abs(value - middle) for value in values])
