"""Frame → Image: the reconstruction methods, and the plan that a session's header gives them."""

from collections.abc import Callable

from messages import Encoding
from recon.cartesian import CartesianFFT
from recon.cg_sense import CGSense
from recon.coil_maps import CoilMaps
from recon.echo_train import EchoTrain
from recon.grappa import Grappa
from recon.gridded import GriddedNUFFT
from recon.l1_wavelet import L1Wavelet
from recon.reconstruction_plan import OFF_THE_GRID, ReconstructionPlan, plan
from recon.reconstructor import Calibration, Partial, Reconstructor
from recon.sense import Sense
from recon.settings import EpiReference, ReconstructionSettings
from recon.sliding_window import SlidingWindow
from recon.whitening import Whitening, whitening_from_noise

METHODS: dict[str, Callable[[ReconstructionPlan], Reconstructor]] = {
    "fft": CartesianFFT,
    "grappa": Grappa,
    "sense": Sense,
    "l1-wavelet": L1Wavelet,
    "nufft": GriddedNUFFT,
    "cg-sense": CGSense,
}


ITERATIVE = frozenset({"l1-wavelet", "cg-sense"})


def methods_for(encoding: Encoding) -> tuple[str, ...]:
    """Return the names of the methods that a header's sampling can be given to, best first."""
    if encoding.trajectory in OFF_THE_GRID:
        return "nufft", "cg-sense"
    return ("grappa", "sense", "l1-wavelet") if max(encoding.acceleration) > 1 else ("fft",)


__all__ = [
    "ITERATIVE",
    "METHODS",
    "OFF_THE_GRID",
    "CGSense",
    "Calibration",
    "CartesianFFT",
    "CoilMaps",
    "EchoTrain",
    "EpiReference",
    "Grappa",
    "GriddedNUFFT",
    "L1Wavelet",
    "Partial",
    "ReconstructionPlan",
    "ReconstructionSettings",
    "Reconstructor",
    "Sense",
    "SlidingWindow",
    "Whitening",
    "methods_for",
    "plan",
    "whitening_from_noise",
]
