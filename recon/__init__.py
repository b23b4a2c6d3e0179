"""Frame → Image: the reconstruction methods, and the plan that a session's header gives them."""

from collections.abc import Callable

from recon.cartesian import CartesianFFT
from recon.coil_maps import CoilMaps
from recon.reconstruction_plan import ReconstructionPlan, plan
from recon.reconstructor import Calibration, Partial, Reconstructor
from recon.settings import EpiReference, ReconstructionSettings
from recon.whitening import Whitening, whitening_from_noise

METHODS: dict[str, Callable[[ReconstructionPlan], Reconstructor]] = {
    "fft": CartesianFFT,
}

__all__ = [
    "METHODS",
    "Calibration",
    "CartesianFFT",
    "CoilMaps",
    "EpiReference",
    "Partial",
    "ReconstructionPlan",
    "ReconstructionSettings",
    "Reconstructor",
    "Whitening",
    "plan",
    "whitening_from_noise",
]
