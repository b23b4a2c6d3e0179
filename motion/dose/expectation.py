"""What the rest of the plan will bring, if tissue goes on to move as it did under the beam."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from motion.dose.course import Course
from motion.dose.delivery import Portion
from motion.dose.plan import DosePlan
from motion.dose.tissue import Tissue

Real = NDArray[np.float64]

MOST_PLACES = 9  # that stand for how tissue moved
POINTS_A_FRAME = 2048  # are renewed with each frame: an even cost, whatever the plan's size


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """Dose of each beam's whole units, had they come at the places so far.

    by_beam: float32 (point,) for each beam. A part is renewed with each frame, beam after beam, so
    that it is some seconds old; while nothing has been delivered it is that of tissue at rest.
    at_mm (place, 3), share (place,): the places that the round in progress takes. beam, start: what
    comes next; beam -1 where a round begins.
    """

    by_beam: tuple[NDArray[np.float32], ...]
    at_mm: Real
    share: Real
    beam: int = -1
    start: int = 0

    def coming_gy(self, left: Real) -> NDArray[np.float32]:
        """Return what the rest brings. left: (beam,), share of each beam that is to come."""
        coming = np.zeros_like(self.by_beam[0])
        for part, whole in zip(left.astype(np.float32), self.by_beam, strict=True):
            if part > 0:
                coming += part * whole
        return coming


def at_rest(static_gy: NDArray[np.float32]) -> Expectation:
    """Return the expectation before anything moved. static_gy: (beam, point)."""
    return Expectation(tuple(static_gy), np.zeros((0, 3)), np.zeros(0))


def renewed(
    old: Expectation, plan: DosePlan, tissue: Tissue, course: Course, left: Real
) -> Expectation:
    """Return the expectation with some more points by the places so far.

    left: (beam,), share of each beam that is to come; beams of which nothing is are passed over.
    """
    if old.beam < 0:
        at_mm, mu = course.places(MOST_PLACES)
        if not len(at_mm):
            return old
        old = replace(old, at_mm=at_mm, share=mu.sum(axis=1) / mu.sum(), beam=0, start=0)
    beam = next((n for n in range(old.beam, len(left)) if left[n] > 0), None)
    if beam is None:
        return replace(old, beam=-1, start=0)
    start = old.start if beam == old.beam else 0
    part = slice(start, start + POINTS_A_FRAME)
    amounts = (old.share * plan.clouds[beam].planned_mu).tolist()
    portions = tuple(Portion(beam, *one) for one in zip(amounts, old.at_mm, strict=True))
    whole = old.by_beam[beam].copy()
    whole[part] = tissue.received_gy(plan, portions, part)
    by_beam = (*old.by_beam[:beam], whole, *old.by_beam[beam + 1 :])
    is_last = part.stop >= len(tissue)
    following = -1 if is_last and beam + 1 == len(left) else beam + is_last
    return replace(old, by_beam=by_beam, beam=following, start=0 if is_last else part.stop)
