"""What every reconstruction method does: fold readouts into a partial frame, then finish it."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import sigpy.linop
from numpy.typing import NDArray

from messages import Frame, Image
from recon.coil_maps import CoilMaps
from recon.reconstruction_plan import ReconstructionPlan


@dataclass(slots=True, eq=False)
class Partial:
    """A frame half reconstructed; each method has its own kind.

    Linear: a Partial given to `absorb` or `start` is used up. Its buffers are updated in place, so
    hold only what was returned last. `finish` and `calibrate` leave it alone.

    n_readouts: readouts absorbed so far, those that make no image included.
    """

    n_readouts: int


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a method has learned from a run's first frames; each method may add to it. Picklable.

    maps: how coils are combined; None where that is not yet known.
    is_ready: False while more frames are needed; images until then are marked incomplete.
    is_rolling: each frame changes it, for the next one's sake: `calibrate` is called with them all.
    """

    maps: CoilMaps | None = None
    is_ready: bool = True
    is_rolling: bool = False


class Reconstructor(Protocol):
    """A method: a fold over readouts whose result does not depend on how they are batched."""

    @property
    def plan(self) -> ReconstructionPlan:
        """The geometry it works for."""

    def start(
        self, calibration: Calibration | None = None, recycled: Partial | None = None
    ) -> Partial:
        """Return an empty frame, in the buffers of a used-up one where that is given.

        calibration: where it is known, so that readouts can be worked on as they land.
        """

    def absorb(
        self,
        partial: Partial,
        readouts: NDArray[Any],
        samples: NDArray[np.complex64],
        trajectory: NDArray[np.float32] | None = None,
    ) -> Partial:
        """Return the frame with more readouts in it; `partial` is used up.

        readouts: rows of `READOUT` (readout,). samples: complex64 (readout, coil, sample).
        trajectory: float32 (readout, sample, dimension) as the scanner sent it, if it did.
        Readouts whose flags the method has no use for are counted and passed over.
        """

    def calibrate(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Calibration | None:
        """Return the calibration after this frame; None where there is none yet.

        Called with each frame, before `finish`, until the calibration is ready; for ever where it
        is rolling. A frame that is incomplete or holds NaN teaches nothing of maps and kernels.
        """

    def finish(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Image:
        """Return the image, fresh and read-only.

        Without a calibration that is ready it is made as well as this frame alone allows; where
        that leaves aliasing, the image is marked incomplete.
        """

    def refine(self, calibration: Calibration) -> Calibration:
        """Return a better calibration that takes too long for a frame, or the same.

        Raises ValueError where it cannot be made better.

        Images made with it may differ in phase, so it is taken over only before the baseline.
        """

    def operator(
        self, calibration: Calibration | None = None, sampled: Partial | None = None
    ) -> sigpy.linop.Linop:
        """Return the forward model: image (z, y, x) → k-space, or coil images without maps.

        sampled: the frame whose sampling counts; None where the method's is always the same.
        """
