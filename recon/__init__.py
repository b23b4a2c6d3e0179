"""Frame → Image: the reconstruction methods, and the plan that a session's header gives them."""

from collections.abc import Callable

from recon.cartesian import CartesianFFT
from recon.coil_maps import CoilMaps
from recon.reconstruction_plan import ReconstructionPlan, plan
from recon.reconstructor import Partial, Reconstructor
from recon.whitening import Whitening, whitening_from_noise

METHODS: dict[str, Callable[[ReconstructionPlan], Reconstructor]] = {
    "fft": CartesianFFT,
}

__all__ = [
    "METHODS",
    "CartesianFFT",
    "CoilMaps",
    "Partial",
    "ReconstructionPlan",
    "Reconstructor",
    "Whitening",
    "plan",
    "whitening_from_noise",
]
