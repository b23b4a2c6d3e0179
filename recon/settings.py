"""What a treatment protocol says about the reconstruction, and what comes beside the stream."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

TrajectorySource = Literal["header", "golden-angle", "golden-angle-restarted", "uniform-angle"]
GradientDelay = Literal["off", "ring"]
EpiPhaseCorrection = Literal["linear", "off"]
EpiReverse = Literal["flags", "odd", "even"]
CoilMapMethod = Literal["low-resolution", "espirit"]
DeviceName = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class ReconstructionSettings:
    """How a method works; each method reads what concerns it.

    trajectory: where the sampling positions come from: the readouts themselves, or computed as
        radial spokes: by the golden angle counted through all frames, by the golden angle counted
        anew in each frame, or spread evenly over half a turn.
    readouts_per_frame: imaging readouts of one frame where the header does not tell (radial,
        spiral); None: as the header says.
    window_readouts: each image shows so many, the last ones; None: those of its frame.
    iterations: of conjugate gradients or FISTA.
    regularisation: Tikhonov weight, relative to the largest eigenvalue of the normal operator.
    wavelet_weight: L1 weight, relative to the largest wavelet coefficient of the first estimate.
    coil_maps: how the maps are made once the fast first estimate is replaced.
    gradient_delay: whether radial spokes are shifted by the delays that their crossings show.
    epi_phase_correction: odd against even lines, constant and linear, from the navigators.
    epi_b0_correction: field drift between the navigators; it eats real temperature, so it is off.
    epi_reverse: which lines run backwards: those so flagged, or every second by its counter.
    device: where what is left after the last readout is computed.
    """

    trajectory: TrajectorySource = "header"
    readouts_per_frame: int | None = None
    window_readouts: int | None = None
    iterations: int = 20
    regularisation: float = 0.0001
    wavelet_weight: float = 0.0003
    coil_maps: CoilMapMethod = "low-resolution"
    gradient_delay: GradientDelay = "off"
    epi_phase_correction: EpiPhaseCorrection = "linear"
    epi_b0_correction: bool = False
    epi_reverse: EpiReverse = "flags"
    device: DeviceName = "cpu"


@dataclass(frozen=True, slots=True, eq=False)
class EpiReference:
    """A separate EPI scan without phase encoding, from which odd and even lines are aligned.

    readouts: rows of `READOUT` (readout,). samples: complex64 (readout, coil, sample).
    """

    readouts: NDArray[Any]
    samples: NDArray[np.complex64]
