"""A patient in the beam: bodies that move with a target, and what happens to them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.linac.bodies import Body
from simulators.linac.body_view import BodyView
from simulators.linac.events import Excursion, Fade, NoiseBurst
from simulators.linac.motion import Motion, Still
from simulators.linac.view import View
from simulators.sequences.base import ScanSequence
from simulators.sequences.plane import Vector

Real = NDArray[np.float64]
Event = Excursion | Fade | NoiseBurst


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The receivers' gain swings by `depth` about 1 as the body loads the coils.

    spread_rad: how much the swing's phase differs from the first coil to the last; 0 is the same.
    """

    depth: float = 0.1
    period_s: float = 9.7
    spread_rad: float = 0.0

    def factors(self, t_s: float, n_coils: int) -> Real:
        """Return the gain of each coil."""
        apart = self.spread_rad * np.arange(n_coils) / max(n_coils - 1, 1)
        return 1 + self.depth * np.sin(2 * np.pi * t_s / self.period_s + apart)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course(ABC):
    """What happens to a patient in the beam.

    motion: of the target, from where it rests. origin_mm: the anatomy's origin in patient LPS.
    breath_s: for respiratory triggers.
    """

    motion: Motion = Still()  # noqa: RUF009 - frozen and empty
    events: Sequence[Event] = ()
    gain: Gain | None = None
    origin_mm: Vector = (0.0, 0.0, 0.0)
    breath_s: float = 4.0

    @property
    @abstractmethod
    def target_mm(self) -> Vector:
        """Where the target rests (L, P, S), from the anatomy's origin."""

    @abstractmethod
    def view(self, sequence: ScanSequence, index: int, *, waves_per_mm: Real) -> View:
        """Return what one of a sequence's planes sees through coils of plane waves."""

    def displacement_mm(self, t_s: Real) -> Real:
        """Return the target's displacement (…, 3) in LPS from rest, excursions included."""
        excursions = [one for one in self.events if isinstance(one, Excursion)]
        moved = self.motion.lps_mm(t_s)
        for one in excursions:
            moved = moved + one.lps_mm(t_s)
        return moved

    def signal(self, t_s: float, *, of_target: bool) -> float:
        """Return what is left of the signal of the target's contrast, or of everything."""
        fades = [one for one in self.events if isinstance(one, Fade)]
        return float(np.prod([one.factor(t_s) for one in fades if one.of_target == of_target]))

    def noise_times(self, t_s: float) -> float:
        """Return how many standard deviations interference adds now."""
        bursts = [one for one in self.events if isinstance(one, NoiseBurst)]
        return max((one.times for one in bursts if one.is_on(t_s)), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene(Course):
    """Ellipsoids; the first is the target."""

    bodies: Sequence[Body]

    @property
    def target_mm(self) -> Vector:
        """Where the target rests (L, P, S), from the anatomy's origin."""
        return self.bodies[0].center_mm

    def view(self, sequence: ScanSequence, index: int, *, waves_per_mm: Real) -> BodyView:
        """Return what one of a sequence's planes cuts out of the bodies."""
        return BodyView(self, sequence.plane(index), waves_per_mm=waves_per_mm)
