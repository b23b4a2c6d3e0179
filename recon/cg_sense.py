"""Radial and spiral images by conjugate-gradient SENSE (Pruessmann et al. 2001,
doi:10.1002/mrm.1241), with the Toeplitz normal operator.
"""  # noqa: D205

from dataclasses import dataclass, replace

import numpy as np
import scipy.ndimage
import sigpy.alg
from numpy.typing import NDArray

from messages import Frame, Image
from recon.coil_maps import CoilMaps, estimate_coil_maps
from recon.gridded import GriddedNUFFT
from recon.gridding import EDGE
from recon.noncartesian import Gridded, NonCartesian, SampledCalibration
from recon.nufft import NUFFTAdjoint
from recon.reconstruction_plan import ReconstructionPlan
from recon.reconstructor import Calibration, Partial
from recon.toeplitz import CirculantInverse, ToeplitzKernel, ToeplitzNormal

POWER_ITERATIONS = 20
# The noise map is smooth, so few replicas and a smoothing over some 30 independent pixels do: 5 %.
REPLICAS = 4
SMOOTHING_PX = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class SenseCalibration(SampledCalibration):
    """Coil maps and sampling, and what the first frame taught about its normal operator.

    eigenvalue: its largest. noise_std: float32 (z, y, x); None where no noise was measured.
    """

    eigenvalue: float = 0.0
    noise_std: NDArray[np.float32] | None = None


class CGSense(NonCartesian):
    """Image = what minimises ‖A x - y‖² + λ‖x‖² after so many conjugate gradients.

    A = `operator`; λ = recon.regularisation times the largest eigenvalue of Aᴴ A in the first
    frame. Aᴴ y is spread while the readouts arrive, every sample with weight 1. Each frame starts
    from zero: a start from the frame before would smear temperature over time. Multiplying the data
    by a complex number multiplies the image by it; sums of data become sums of images only as far
    as the iteration has converged, for its steps depend on the data.
    """

    name = "cg-sense"
    is_weighted = False
    oversampling = 1.5  # the iterations magnify rounding, and they outlast any transform

    def __init__(self, plan: ReconstructionPlan) -> None:
        super().__init__(plan)
        self._adjoint = GriddedNUFFT(plan)

    def calibrate(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Calibration | None:
        """Return what the first complete frame teaches; it takes the time of five images."""
        if calibration is not None:
            return calibration
        learned = self._adjoint.calibrate(partial, frame)
        if not isinstance(learned, SampledCalibration) or learned.maps is None:
            return None
        spread = self._fold(frame, learned.sampling)
        kernel, maps = self._kernel(spread), learned.maps
        known = SenseCalibration(
            maps, sampling=learned.sampling, eigenvalue=_largest_eigenvalue(kernel, maps)
        )
        if self.plan.whitening is None:
            return known
        return replace(known, noise_std=self._measure_noise(spread, kernel, known))

    def finish(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Image:
        """Return the image; `partial` is left alone, the array is fresh and read-only.

        Without a calibration the maps are the frame's own.
        """
        spread = self._settled(partial, frame, calibration)
        kernel = self._kernel(spread)
        if isinstance(calibration, SenseCalibration) and calibration.maps is not None:
            maps, eigenvalue = calibration.maps, calibration.eigenvalue
            noise_std = calibration.noise_std
        else:
            maps, noise_std = self._maps(frame, calibration), None
            eigenvalue = _largest_eigenvalue(kernel, maps)
        right = self._right_hand_side(spread, maps)
        pixels = self._solve(
            ToeplitzNormal(kernel, maps.weights[:, 0].conj(), self._damping(eigenvalue)), right
        )[None]
        pixels.flags.writeable = False
        return Image(
            frame_id=frame.frame_id,
            key=frame.key,
            time_s=frame.time_s,
            pixels=pixels,
            fov_mm=self.plan.recon_fov_mm,
            pose=frame.pose,
            noise_std=noise_std,
            is_complete=frame.is_complete,
        )

    def _damping(self, eigenvalue: float) -> float:
        return self.plan.settings.regularisation * eigenvalue

    def _maps(self, frame: Frame, calibration: Calibration | None) -> CoilMaps:
        if calibration is not None and calibration.maps is not None:
            return calibration.maps
        weighted = self._adjoint.absorb(
            self._adjoint.start(), frame.readouts, frame.samples, frame.trajectory
        )
        return estimate_coil_maps(self._adjoint.coil_pixels(weighted, frame))

    def _kernel(self, spread: Gridded) -> ToeplitzKernel:
        """Return the frame's transfer function; spreading passed over the same samples."""
        n_x, n_y, _ = self.plan.recon_matrix
        coord = np.concatenate(spread.coord) if spread.coord else np.zeros((0, 2), np.float32)
        limit = np.array([n_y / 2 + EDGE, n_x / 2 + EDGE], np.float32)
        return ToeplitzKernel((n_y, n_x), coord[(np.abs(coord) <= limit).all(axis=1)])

    def _right_hand_side(self, spread: Gridded, maps: CoilMaps) -> NDArray[np.complex64]:
        _, combined = self._oversampled.pixels(spread.grid, maps.weights[:, 0])
        return combined

    def _solve(self, normal: ToeplitzNormal, right: NDArray[np.complex64]) -> NDArray[np.complex64]:
        image = np.zeros_like(right)
        iterations = sigpy.alg.ConjugateGradient(
            normal,
            right,
            image,
            P=CirculantInverse(normal.kernel, normal.damping),
            max_iter=self.plan.settings.iterations,
        )
        while not iterations.done():
            iterations.update()
        return image

    def _measure_noise(
        self, spread: Gridded, kernel: ToeplitzKernel, known: SenseCalibration
    ) -> NDArray[np.float32] | None:
        """Return sqrt(E|n|²) of each pixel, (z, y, x), from pseudo-replicas.

        Robson et al. 2008, doi:10.1002/mrm.21728. The mean power of the replicas is smoothed.
        """
        maps = known.maps
        if maps is None:
            return None
        conjugate = maps.weights[:, 0]
        normal = ToeplitzNormal(kernel, conjugate.conj(), self._damping(known.eigenvalue))
        right = self._right_hand_side(spread, maps)
        image = self._solve(normal, right)
        adjoint = NUFFTAdjoint(conjugate.shape, np.concatenate(spread.coord))
        rng = np.random.default_rng(0)
        power = np.zeros(right.shape, np.float32)
        for _ in range(REPLICAS):
            noise = rng.standard_normal((*adjoint.ishape, 2), np.float32) * np.float32(0.5**0.5)
            shaken = right + np.sum(
                conjugate * (adjoint * noise.view(np.complex64)[..., 0]), axis=0
            )
            power += np.abs(self._solve(normal, shaken) - image) ** 2 / REPLICAS
        std: NDArray[np.float32] = np.sqrt(
            scipy.ndimage.gaussian_filter(power, SMOOTHING_PX, mode="nearest")
        )[None]
        std.flags.writeable = False
        return std


def _largest_eigenvalue(kernel: ToeplitzKernel, maps: CoilMaps) -> float:
    """Return the largest eigenvalue of the normal operator, by power iterations."""
    start = np.ones(kernel.shape, np.complex64)
    iterations = sigpy.alg.PowerMethod(
        ToeplitzNormal(kernel, maps.weights[:, 0].conj()), start, max_iter=POWER_ITERATIONS
    )
    while not iterations.done():
        iterations.update()
    return float(iterations.max_eig)
