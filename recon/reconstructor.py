"""What every reconstruction method does: fold readouts into a partial frame, then finish it."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from messages import Frame, Image
from recon.coil_maps import CoilMaps
from recon.reconstruction_plan import ReconstructionPlan


@dataclass(slots=True, eq=False)
class Partial:
    """A frame half reconstructed. Linear: a Partial given to `absorb` or `start` is used up.

    Its buffers are updated in place, so hold only what was returned last. `finish` leaves it alone.

    hybrid: complex64 (coil, kz, ky, x), readouts already in image space.
    n_averages: int32 (kz, ky), readouts that have landed on each row.
    n_filled: int32 (kz, ky), samples that those readouts held.
    padded: complex64 (coil, kx), scratch of one readout.
    n_readouts: readouts absorbed so far, those that make no image included.
    """

    hybrid: NDArray[np.complex64]
    n_averages: NDArray[np.int32]
    n_filled: NDArray[np.int32]
    padded: NDArray[np.complex64]
    n_readouts: int = 0


class Reconstructor(Protocol):
    """A method: a fold over readouts whose result does not depend on how they are batched."""

    @property
    def plan(self) -> ReconstructionPlan:
        """The geometry it works for."""

    def start(self, recycled: Partial | None = None) -> Partial:
        """Return an empty frame, in the buffers of a used-up one where that is given."""

    def absorb(
        self, partial: Partial, readouts: NDArray[Any], samples: NDArray[np.complex64]
    ) -> Partial:
        """Return the frame with more readouts in it; `partial` is used up.

        readouts: rows of `READOUT` (readout,). samples: complex64 (readout, coil, sample).
        """

    def calibrate(self, coil_pixels: NDArray[np.complex64]) -> CoilMaps:
        """Return the coil maps of a run from its first complete frame."""

    def finish(self, partial: Partial, frame: Frame, maps: CoilMaps | None = None) -> Image:
        """Return the image; without maps they are estimated from this very frame."""
