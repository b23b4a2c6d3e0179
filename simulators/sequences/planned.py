"""One readout before it is played: when, where in k-space, and how its header will call it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PlannedReadout:
    """A readout as the scanner will play it, samples in order of time.

    frame: which image it belongs to, from 0. t_s: scanner time of its echo.
    k_per_mm: true positions (sample, 3), cycles/mm. center_sample: the sample nearest k = 0.
    since_excitation_s: for the phase of off-resonance; one number or one a sample.
    counters: fields of the MRD encoding counters; absent ones are 0.
    trajectory: float32 (sample, dimension) as reported, or None for none.
    phase_rad: constant phase of all samples. stamp_s: moment of the time stamp where it is not t_s.
    """

    frame: int
    t_s: float
    k_per_mm: Real
    center_sample: int
    echo_time_s: float
    since_excitation_s: Real | float
    counters: Mapping[str, int] = field(default_factory=dict)
    flags: int = 0
    trajectory: NDArray[np.float32] | None = None
    phase_rad: float = 0.0
    stamp_s: float | None = None

    def counter(self, name: str) -> int:
        """Return an encoding counter, 0 where it is not set."""
        return self.counters.get(name, 0)


def columns(kx: Real | float, ky: Real | float, kz: Real | float = 0.0) -> Real:
    """Return positions (sample, 3) of coordinates that broadcast."""
    return np.stack(np.broadcast_arrays(*map(np.atleast_1d, (kx, ky, kz))), axis=-1)
