"""A real cine as the patient: its frames played, or one frame bent by a known motion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.linac.cine_view import BentView, PlayedView
from simulators.linac.film import Film
from simulators.linac.scene import Course
from simulators.sequences.base import ScanSequence
from simulators.sequences.plane import Vector

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlayedCine(Course):
    """The film's own motion: each moment a mixture of the two frames about it.

    Real motion, so its truth is unknown: the target's places are NaN. Events that move or fade a
    target are refused. The last frame stays when the film is over.
    """

    film: Film

    def __post_init__(self) -> None:
        _refuse_targets(self, may_move=False)

    @property
    def target_mm(self) -> Vector:
        """Unknown."""
        return (np.nan, np.nan, np.nan)

    def displacement_mm(self, t_s: Real) -> Real:
        """Return NaN (…, 3): nobody knows."""
        return np.full((*np.shape(t_s), 3), np.nan)

    def view(self, sequence: ScanSequence, index: int, *, waves_per_mm: Real) -> PlayedView:
        """Return what a sequence's only plane sees."""
        _refuse_planes(sequence, index)
        return PlayedView(self, sequence, waves_per_mm=waves_per_mm)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BentCine(Course):
    """The first frame of a film, bent: a point at r moves by share(r) · displacement, in the plane.

    share is exp(-ρ⁴), 1 at the target's centre, nearly so over it, and 0 far away; ρ: the distance
    from the centre in units of reach_mm (x, y). Signal moves with its points: where they crowd, it
    grows, as spins do. Movement along L is not seen, nor in the truth.

    center_mm: of the target (x, y) from the film's middle. radii_mm: of its outline (x, y).
    """

    film: Film
    center_mm: tuple[float, float]
    radii_mm: tuple[float, float] = (12.0, 12.0)
    reach_mm: tuple[float, float] = (70.0, 80.0)

    def __post_init__(self) -> None:
        _refuse_targets(self, may_move=True)

    @property
    def target_mm(self) -> Vector:
        """Where the target rests (L, P, S)."""
        return (0.0, self.center_mm[0], -self.center_mm[1])

    def displacement_mm(self, t_s: Real) -> Real:
        """Return the target's displacement (…, 3) in LPS from rest, 0 along L."""
        return np.asarray(Course.displacement_mm(self, t_s) * np.array([0.0, 1.0, 1.0]))

    def shares(self, places_mm: Real) -> Real:
        """Return how much of the displacement reaches places (…, 2) at rest."""
        away = (places_mm - np.array(self.center_mm)) / np.array(self.reach_mm)
        return np.asarray(np.exp(-((away**2).sum(-1) ** 2)))

    def view(self, sequence: ScanSequence, index: int, *, waves_per_mm: Real) -> BentView:
        """Return what a sequence's only plane sees."""
        _refuse_planes(sequence, index)
        return BentView(self, sequence, waves_per_mm=waves_per_mm)


def bent_cine(film: Film, **course: object) -> BentCine:
    """Return a film bent about the most textured place of its first frame."""
    center = film.most_textured_mm(radius_mm=12.0)
    return BentCine(film=film, center_mm=center, **course)  # type: ignore[arg-type]


def _refuse_targets(course: Course, *, may_move: bool) -> None:
    for event in course.events:
        if getattr(event, "of_target", False):
            raise ValueError("a cine's target does not fade by itself, expected of_target=False")
        if not may_move and hasattr(event, "displacement_mm"):
            raise ValueError("a cine that plays moves by itself, expected no excursions")


def _refuse_planes(sequence: ScanSequence, index: int) -> None:
    if sequence.n_planes > 1 or index:
        raise ValueError("a cine is one sagittal slice, expected a sequence of one plane")
