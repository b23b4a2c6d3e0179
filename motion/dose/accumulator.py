"""Radiation dose that moving structures receive, frame by frame, and what the end will bring.

Each beam's static dose cloud is weighted by the monitor units delivered, at the displacement that
tissue had when they came (Ravkilde et al. 2013, doi:10.3109/0284186X.2013.818248, do so for parts
of an arc). Not a dose calculation: density, interplay within a beam and rotation are left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from messages import BeamLog, DeliveredDose
from motion.dose.course import Course
from motion.dose.delivery import Counted, Counter, Portion, delivered, doubts_of, since
from motion.dose.dvh import Histogram
from motion.dose.expectation import Expectation, at_rest, renewed
from motion.dose.place import Path, Place
from motion.dose.plan import DosePlan
from motion.dose.tissue import Tissue

Real = NDArray[np.float64]

MOST_PORTIONS = 16  # in one frame; a late report of many intervals is joined into as many


@dataclass(frozen=True, slots=True, eq=False)
class AccumulatorState:
    """What is remembered. Arrays are of all structures' points, one structure after another.

    dose_gy: float64 (point,): thousands of small doses are added to a large one, and in float32
    each would lose up to half a unit of its last place, always the same way where they are alike.
    arrived: what the last step has added. reported_s: the accelerator's last report.
    """

    dose_gy: Real
    counters: tuple[Counter, ...]
    expectation: Expectation
    course: Course
    path: Path = field(default_factory=Path)
    arrived: tuple[Portion, ...] = ()
    doubts: Mapping[str, str] = field(default_factory=dict)
    unplaced_mu: float = 0.0
    reported_s: float = -math.inf
    is_interrupted: bool = False


def resumed(state: AccumulatorState) -> AccumulatorState:
    """Return a state that comes from a checkpoint: frames were lost, the path has a gap."""
    return replace(state, path=state.path.interrupted(), is_interrupted=True)


def taken_over(state: AccumulatorState) -> AccumulatorState:
    """Return the dose that another session left, for one with another clock and reference image.

    What came between the two is counted as unplaced once the accelerator reports it.
    """
    counters = tuple(Counter(one.mu, math.nan, one.reported_mu) for one in state.counters)
    return replace(
        state,
        counters=counters,
        path=Path(),
        arrived=(),
        reported_s=-math.inf,
        is_interrupted=True,
    )


class Accumulator:
    """A pure fold over frames: places of the tissue and reports of the beam."""

    def __init__(self, plan: DosePlan) -> None:
        self.plan = plan
        structures = plan.structures
        self._tissue = Tissue(plan.grid, np.concatenate([one.points_mm for one in structures]))
        self._histogram = Histogram(structures, prescription_gy=plan.prescription_gy)
        self._planned_mu = np.array([cloud.planned_mu for cloud in plan.clouds])
        still = [Portion(n, mu, np.zeros(3)) for n, mu in enumerate(self._planned_mu.tolist())]
        static = [self._tissue.received_gy(self.plan, (one,)) for one in still]
        self._static_gy = np.array(static, np.float32)

    def start(self) -> AccumulatorState:
        """Return the state before the first frame."""
        return AccumulatorState(
            np.zeros(self._static_gy.shape[1]),
            tuple(Counter() for _ in self.plan.clouds),
            at_rest(self._static_gy),
            Course.of(len(self.plan.clouds)),
        )

    def step(
        self, state: AccumulatorState, place: Place, beam: BeamLog
    ) -> tuple[AccumulatorState, DeliveredDose]:
        """Return the next state and the dose by this frame.

        beam: all reports, or those since the last step and later; they may come late.
        """
        path, clouds = state.path.followed_by(place), self.plan.clouds
        placed_s = float(state.path.time_s[-1]) if state.path.time_s.size else -math.inf
        log = since(beam, min(state.reported_s, placed_s))
        reported = set(log.number.tolist())
        counted = [
            delivered(counter, log, path, beam=n, number=cloud.number)
            if cloud.number in reported
            else Counted(counter)
            for n, (counter, cloud) in enumerate(zip(state.counters, clouds, strict=True))
        ]
        arrived = self._few(tuple(portion for one in counted for portion in one.portions))
        doubts = doubts_of(since(beam, state.reported_s), state.counters, clouds)
        dose_gy = state.dose_gy
        if arrived:
            dose_gy = dose_gy + self._tissue.received_gy(self.plan, arrived)
        moved = replace(
            state,
            dose_gy=dose_gy,
            counters=tuple(one.counter for one in counted),
            course=state.course.followed_by(arrived),
            path=path,
            arrived=arrived,
            doubts={**doubts, **state.doubts},
            unplaced_mu=state.unplaced_mu + sum(one.unplaced_mu for one in counted),
            reported_s=max([state.reported_s, *log.time_s[-1:].tolist()]),
        )
        expectation = renewed(
            state.expectation, self.plan, self._tissue, moved.course, self._left(moved)
        )
        moved = replace(moved, expectation=expectation)
        return moved, self._told(moved)

    def _few(self, portions: tuple[Portion, ...]) -> tuple[Portion, ...]:
        """Return the portions, joined by place where they are too many for one frame."""
        if len(portions) <= MOST_PORTIONS:
            return portions
        at_mm, mu = Course.of(len(self.plan.clouds)).followed_by(portions).places(MOST_PORTIONS)
        return tuple(
            Portion(beam, float(mu[place, beam]), at_mm[place])
            for place, beam in zip(*np.nonzero(mu), strict=True)
        )

    def _left(self, state: AccumulatorState) -> Real:
        """Return the share of each beam that is to come."""
        given = np.array([counter.mu for counter in state.counters])
        left: Real = np.maximum(1 - given / self._planned_mu, 0.0)
        return left

    def _told(self, state: AccumulatorState) -> DeliveredDose:
        given = np.array([counter.mu for counter in state.counters])
        share = (given / self._planned_mu).astype(np.float32)
        coming = state.expectation.coming_gy(self._left(state))
        return DeliveredDose(
            mu=float(given.sum()),
            planned_mu=float(self._planned_mu.sum()),
            so_far=self._histogram.figures(state.dose_gy),
            planned=self._histogram.figures((share @ self._static_gy).astype(np.float64)),
            forecast=self._histogram.figures(state.dose_gy + coming),
            unplaced_mu=state.unplaced_mu,
            interrupted=state.is_interrupted,
            doubts=tuple(state.doubts.values()),
        )
