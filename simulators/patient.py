"""What lies in the scanner: its bodies, its field, its heat."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from simulators.ellipsoids import HEAD_3D, Ellipsoid
from simulators.field import Field
from simulators.phantom import Ellipse
from simulators.spot import HeatedSpot
from simulators.treatment import ALPHA_PPM_PER_C


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Slices cut ellipsoids infinitely thin; an ellipse is the same in every slice, never a volume.

    field: how far the main field is off. t2_star_s: decay, applied at the echo time. rise: heat,
        the same in all slices, in two dimensions only.
    phase_sign: 1 means Δφ = 2π γ̄ α B0 TE ΔT in the inverse FFT, -1 the opposite.
    """

    bodies: Sequence[Ellipse | Ellipsoid] = HEAD_3D
    field: Field = field(default_factory=Field)
    t2_star_s: float = math.inf
    rise: HeatedSpot | None = None
    alpha_ppm_per_c: float = ALPHA_PPM_PER_C
    phase_sign: int = 1

    def rad_per_c(self, *, h1_frequency_hz: float, echo_time_s: float) -> float:
        """Return the phase of a degree in the image."""
        cycles = self.alpha_ppm_per_c * 1e-6 * h1_frequency_hz * echo_time_s
        return self.phase_sign * 2 * math.pi * cycles
