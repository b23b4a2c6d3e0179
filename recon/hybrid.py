"""A frame half reconstructed by a Cartesian method, and what such a method learns."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.epi import Shot
from recon.epi_leftover import Leftover
from recon.reconstructor import Calibration, Partial

Profile = NDArray[np.complex64]
LineKey = tuple[int, int, int]  # encoding_space_ref, kspace_encode_step_2, kspace_encode_step_1


@dataclass(frozen=True, slots=True, eq=False)
class CartesianCalibration(Calibration):
    """What Cartesian methods learn.

    navigator: complex64 (coil, x) of the first frame, against which later ones drift; None where
        nothing follows the drift.
    leftover: of the misalignment of odd and even lines; None where they need not be aligned.
    center: complex64 (coil, kz, ky, kx), the measured centre of k-space of which refined coil maps
        are made; None once they are.
    """

    navigator: Profile | None = None
    leftover: Leftover | None = None
    center: NDArray[np.complex64] | None = None


@dataclass(slots=True, eq=False)
class Hybrid(Partial):
    """Readouts in image space along x, rows still in k-space.

    rows: complex64 (coil, kz, ky, x), in FFT order along kz and ky.
    n_averages: int32 (kz, ky), readouts that have landed on each row.
    noise: float32 (kz, ky), power of the noise in a pixel of the row where samples have 1.
    calibration: known at the start.
    are_reverse: bool (kz, ky), rows whose readout ran backwards in an echo train.
    filled: bool (kz, ky), rows that were not measured but synthesised on arrival.
    first_line: of the grid, the first that was measured in this frame; -1 before.
    space: encoding_space_ref of the image's lines.
    lines: calibration lines that make no image, (coil, x) by their counters.
    shot: of an echo train, what its navigators say.
    there: the rows on a device, sent as they land; None on the host.
    """

    rows: NDArray[np.complex64]
    n_averages: NDArray[np.int32]
    noise: NDArray[np.float32]
    are_reverse: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    calibration: Calibration | None = None
    first_line: int = -1
    space: int = 0
    lines: dict[LineKey, Profile] = field(default_factory=dict)
    shot: Shot = field(default_factory=Shot)
    there: Any = None


def hybrid_of(partial: Partial) -> Hybrid:
    """Return the partial frame of a Cartesian method; TypeError for another's."""
    if not isinstance(partial, Hybrid):
        raise TypeError(f"{type(partial).__name__} is another method's partial frame")
    return partial


def leftover_of(calibration: Calibration | None) -> Leftover | None:
    """Return what navigators leave in every frame, where a calibration knows it."""
    return calibration.leftover if isinstance(calibration, CartesianCalibration) else None
