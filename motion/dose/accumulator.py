"""Radiation dose that moving structures receive, frame by frame, and what the end will bring.

Each beam's static dose cloud is weighted by the monitor units delivered, at the displacement that
tissue had when they came (Ravkilde et al. 2013, doi:10.3109/0284186X.2013.818248, do so for parts
of an arc). Not a dose calculation: density, interplay within a beam and rotation are left out.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from messages import BeamLog, DeliveredDose, StructureDose
from motion.dose.course import Course
from motion.dose.delivery import Counter, Portion, delivered, doubts_of
from motion.dose.dvh import Dose, structure_dose
from motion.dose.place import Path, Place
from motion.dose.plan import DosePlan
from motion.dose.tissue import Tissue

Real = NDArray[np.float64]

MOST_PORTIONS = 16  # in one frame; a late report of many intervals is joined into as many
MOST_PLACES = 9  # that stand for how tissue moved


@dataclass(frozen=True, slots=True, eq=False)
class AccumulatorState:
    """What is remembered. Arrays are of all structures' points, one structure after another.

    dose_gy: float64 (point,): thousands of small doses are added to a large one, and in float32
    each would lose up to half a unit of its last place, always the same way where they are alike.
    expected_gy: float32 (point,) of each beam's whole units, had they come at the places so far;
    one beam's is renewed with each frame, in turn, so that every frame costs the same.
    arrived: what the last step has added.
    """

    dose_gy: Real
    counters: tuple[Counter, ...]
    expected_gy: tuple[NDArray[np.float32], ...]
    course: Course
    path: Path = field(default_factory=Path)
    arrived: tuple[Portion, ...] = ()
    doubts: tuple[str, ...] = ()
    unplaced_mu: float = 0.0
    next_expected: int = 0
    is_interrupted: bool = False


class Accumulator:
    """A pure fold over frames: places of the tissue and reports of the beam."""

    def __init__(self, plan: DosePlan) -> None:
        self.plan = plan
        structures = plan.structures
        self._tissue = Tissue(plan.grid, np.concatenate([one.points_mm for one in structures]))
        ends = np.cumsum([0] + [len(one.volume_mm3) for one in structures]).tolist()
        self._parts = [slice(*pair) for pair in pairwise(ends)]
        self._planned_mu = np.array([cloud.planned_mu for cloud in plan.clouds])
        still = [Portion(n, mu, np.zeros(3)) for n, mu in enumerate(self._planned_mu.tolist())]
        static = [self._tissue.received_gy(plan, (one,)) for one in still]
        self._static_gy = np.array(static, np.float32)

    def start(self) -> AccumulatorState:
        """Return the state before the first frame."""
        return AccumulatorState(
            np.zeros(self._static_gy.shape[1]),
            tuple(Counter() for _ in self.plan.clouds),
            tuple(self._static_gy),
            Course.of(len(self.plan.clouds)),
        )

    def resumed(self, state: AccumulatorState) -> AccumulatorState:
        """Return a state that comes from a checkpoint: frames were lost, the path has a gap."""
        return replace(state, path=state.path.interrupted(), is_interrupted=True)

    def step(
        self, state: AccumulatorState, place: Place, beam: BeamLog
    ) -> tuple[AccumulatorState, DeliveredDose]:
        """Return the next state and the dose by this frame.

        beam: all reports, or those since the last step and later; they may come late.
        """
        path = state.path.followed_by(place)
        counted = [
            delivered(counter, beam, path, beam=n, number=cloud.number)
            for n, (counter, cloud) in enumerate(zip(state.counters, self.plan.clouds, strict=True))
        ]
        arrived = self._few(tuple(portion for one in counted for portion in one.portions))
        doubts = doubts_of(beam, {cloud.number: cloud.planned_mu for cloud in self.plan.clouds})
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
            doubts=tuple(dict.fromkeys((*state.doubts, *doubts))),
            unplaced_mu=state.unplaced_mu + sum(one.unplaced_mu for one in counted),
        )
        renewed = self._with_one_expected(moved)
        return renewed, self._told(renewed)

    def _few(self, portions: tuple[Portion, ...]) -> tuple[Portion, ...]:
        """Return the portions, joined by place where they are too many for one frame."""
        if len(portions) <= MOST_PORTIONS:
            return portions
        at_mm, mu = Course.of(len(self.plan.clouds)).followed_by(portions).places(MOST_PORTIONS)
        return tuple(
            Portion(beam, float(mu[place, beam]), at_mm[place])
            for place, beam in zip(*np.nonzero(mu), strict=True)
        )

    def _with_one_expected(self, state: AccumulatorState) -> AccumulatorState:
        """Return the state with the expectation of one unfinished beam by all places so far."""
        at_mm, mu = state.course.places(MOST_PLACES)
        left = self._left_mu(state)
        if not len(at_mm) or not left.any():
            return state
        n_beams = len(left)
        beam = next(
            n % n_beams
            for n in range(state.next_expected, state.next_expected + n_beams)
            if left[n % n_beams] > 0
        )
        share = mu.sum(axis=1) / mu.sum() * self._planned_mu[beam]
        portions = tuple(Portion(beam, *one) for one in zip(share.tolist(), at_mm, strict=True))
        expected = list(state.expected_gy)
        expected[beam] = self._tissue.received_gy(self.plan, portions).astype(np.float32)
        return replace(state, expected_gy=tuple(expected), next_expected=(beam + 1) % n_beams)

    def _left_mu(self, state: AccumulatorState) -> Real:
        given = np.array([counter.mu for counter in state.counters])
        left: Real = np.maximum(self._planned_mu - given, 0.0)
        return left

    def _told(self, state: AccumulatorState) -> DeliveredDose:
        given = np.array([counter.mu for counter in state.counters])
        share = (given / self._planned_mu).astype(np.float32)
        left = (self._left_mu(state) / self._planned_mu).astype(np.float32)
        coming = sum(
            (part * gy for part, gy in zip(left, state.expected_gy, strict=True) if part > 0),
            start=np.zeros(len(state.dose_gy), np.float32),
        )
        return DeliveredDose(
            mu=float(given.sum()),
            planned_mu=float(self._planned_mu.sum()),
            so_far=self._figures(state.dose_gy),
            planned=self._figures(share @ self._static_gy),
            forecast=self._figures(state.dose_gy + coming),
            unplaced_mu=state.unplaced_mu,
            interrupted=state.is_interrupted,
            doubts=state.doubts,
        )

    def _figures(self, dose_gy: Dose) -> tuple[StructureDose, ...]:
        return tuple(
            structure_dose(
                one.name,
                one.role,
                dose_gy[part],
                one.volume_mm3,
                prescription_gy=self.plan.prescription_gy,
            )
            for one, part in zip(self.plan.structures, self._parts, strict=True)
        )
