"""The watch over the breath: a fold over the target's place, independent of any prediction."""

import math
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from motion.gating.place import exhale_axis, is_place
from motion.surveillance.baseline import Baseline, Place, with_point
from motion.surveillance.reading import BreathReading
from motion.surveillance.turning import Point, Turning, turn

LEARN_S = 10.0  # two breaths or more, from which the way of breathing is learned
LEAST_SAMPLES = 12
QUIET_S = 12.0  # without a turning point: nothing breathes, and the mean counts as one
_LEAST_TURN_MM, _TURN_SHARE = 2.0, 0.3  # of the depth of breath, to count as turning
_KEPT = 9  # breaths: what is usual, and the last
_LEAST_BREATHS = 3
_ALLOWED = 0.75  # of the largest shift
_MAD_SHARE, _MAD_MM = 0.1, 0.5  # breaths are never as even as three of them may look


@dataclass(frozen=True, slots=True)
class BreathPlan:
    """What the watch is for.

    max_shift_mm, n_cycles: the limit on the end-exhale place, which sets average and allowance.
    cranial: (y, x), the patient's head, zero where not known.
    """

    max_shift_mm: float = 3.0
    n_cycles: int = 3
    cranial: tuple[float, float] = (0.0, 0.0)

    @property
    def allowance_mm(self) -> float:
        """What the CUSUM lets pass: a lasting shift of less than this is none."""
        return _ALLOWED * self.max_shift_mm

    @property
    def cusum_limit_mm(self) -> float:
        """Where a lasting shift of max_shift_mm brings the CUSUM in n_cycles."""
        return self.n_cycles * (self.max_shift_mm - self.allowance_mm)


@dataclass(frozen=True, slots=True)
class BreathState:
    """What the watch remembers.

    learning: samples until the way of breathing is learned. inhale: (y, x) unit vector, None until
    then; turn_mm: what counts as turning. depths_mm, exhale_times_s: of the last breaths.
    quiet_sum: (n, y, x) sums since quiet_since_s.
    """

    learning: tuple[Point, ...] = ()
    inhale: Place | None = None
    turn_mm: float = _LEAST_TURN_MM
    turning: Turning = field(default_factory=Turning)
    baseline: Baseline = field(default_factory=Baseline)
    depths_mm: tuple[float, ...] = ()
    exhale_times_s: tuple[float, ...] = ()
    time_s: float = -math.inf
    quiet_since_s: float = math.nan
    quiet_sum: Point = (0.0, 0.0, 0.0)


def watch(
    plan: BreathPlan, state: BreathState, *, time_s: float, place_mm: Place | None
) -> tuple[BreathState, BreathReading]:
    """Return the next state and the breath's figures.

    place_mm: (y, x), the target's displacement; None, or not finite, where it was not believed:
    then, and where the clock did not move, nothing is learned.
    """
    if place_mm is None or not is_place(place_mm) or not time_s > state.time_s:
        return state, _read(plan, state, None)
    point = (time_s, *place_mm)
    state = replace(state, time_s=time_s)
    if state.inhale is None:
        state = _learn(plan, replace(state, learning=(*state.learning, point)))
    else:
        state = _follow(plan, state, point)
    return state, _read(plan, state, place_mm)


def _learn(plan: BreathPlan, state: BreathState) -> BreathState:
    """Return the state with the way of breathing, once enough was seen; what was seen counts."""
    seen = state.learning
    if len(seen) < LEAST_SAMPLES or seen[-1][0] - seen[0][0] < LEARN_S:
        return state
    places = np.array(seen, np.float32)[:, 1:]
    middle, exhale = exhale_axis(places, cranial=plan.cranial)
    low, high = np.quantile((places - middle) @ exhale, [0.05, 0.95])
    learned = replace(
        state,
        learning=(),
        inhale=(-float(exhale[0]), -float(exhale[1])),
        turn_mm=max(_LEAST_TURN_MM, _TURN_SHARE * float(high - low)),
        quiet_since_s=seen[0][0],
    )
    for point in seen:
        learned = _follow(plan, learned, point)
    return learned


def _follow(plan: BreathPlan, state: BreathState, point: Point) -> BreathState:
    time_s, *place = point
    y, x = state.inhale or (0.0, 0.0)
    level_mm = y * place[0] + x * place[1]
    n, sum_y, sum_x = state.quiet_sum
    quiet_sum = (n + 1.0, sum_y + place[0], sum_x + place[1])
    turning, reached = turn(state.turning, level_mm, point, least_mm=state.turn_mm)
    state = replace(state, turning=turning, quiet_sum=quiet_sum)
    if reached is None:
        if time_s - state.quiet_since_s < QUIET_S:
            return state
        mean_mm = (quiet_sum[1] / quiet_sum[0], quiet_sum[2] / quiet_sum[0])
        return _exhaled(plan, state, mean_mm, time_s)
    if reached.seeks == "inhale":
        depth_mm = reached.level_mm - reached.other_mm
        return replace(state, depths_mm=(*state.depths_mm, depth_mm)[-_KEPT:])
    times_s = (*state.exhale_times_s, reached.point[0])[-_KEPT:]
    state = replace(state, exhale_times_s=times_s)
    return _exhaled(plan, state, reached.point[1:], time_s)


def _exhaled(plan: BreathPlan, state: BreathState, place_mm: Place, time_s: float) -> BreathState:
    baseline = with_point(
        state.baseline,
        place_mm,
        n_cycles=plan.n_cycles,
        max_shift_mm=plan.max_shift_mm,
        allowance_mm=plan.allowance_mm,
    )
    return replace(state, baseline=baseline, quiet_since_s=time_s, quiet_sum=(0.0, 0.0, 0.0))


def _read(plan: BreathPlan, state: BreathState, place_mm: Place | None) -> BreathReading:
    baseline = state.baseline
    reading = BreathReading(n_cycles=baseline.n)
    if baseline.is_known(plan.n_cycles):
        reading = replace(
            reading,
            shift_mm=baseline.shift_mm,
            cusum_mm=baseline.cusum_mm,
            cusum_limit_mm=plan.cusum_limit_mm,
        )
    if len(state.depths_mm) >= _LEAST_BREATHS:
        depth_mm = median(state.depths_mm)
        reading = replace(reading, depth_mm=depth_mm)
        if place_mm is not None and baseline.n:
            off_mm = (abs(one - depth_mm) for one in state.depths_mm)
            mad_mm = max(median(off_mm), _MAD_SHARE * depth_mm, _MAD_MM)
            excursion_mm = math.dist(place_mm, baseline.mean_mm)
            mads = (excursion_mm - depth_mm) / mad_mm
            reading = replace(reading, excursion_mm=excursion_mm, excursion_mads=mads)
    periods_s = np.diff(state.exhale_times_s)
    if len(periods_s) > _LEAST_BREATHS:
        reading = replace(
            reading, period_s=float(periods_s[-1]), usual_period_s=float(np.median(periods_s[:-1]))
        )
    return reading
