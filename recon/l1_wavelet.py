"""L1-wavelet: the image that explains the measured lines with few wavelets."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import scipy.fft
import sigpy.alg
import sigpy.linop
import sigpy.prox
from numpy.typing import NDArray

from messages import Frame, Image
from recon.coil_maps import CoilMaps, combine
from recon.hybrid import hybrid_of
from recon.reconstructor import Calibration, Partial
from recon.sense import MappedRows, SenseCalibration


class L1Wavelet(MappedRows):
    """Minimise ½‖E x - s‖² + λ‖Ψ x‖₁ by FISTA (Lustig 2007, doi:10.1002/mrm.21391).

    Ψ: SigPy's orthogonal Daubechies wavelets. Iterations: settings.iterations, with the step 1 that
    an orthonormal Fourier transform and maps of unit norm allow (Beck 2009,
    doi:10.1137/080716542). λ is settings.wavelet_weight times the largest wavelet coefficient of
    Eᴴ s, so that a frame of twice the signal gives an image of twice the strength. Shrinking a
    complex coefficient keeps its phase: the result is not linear, but a phase of the whole frame
    passes through. A weak hot spot is shrunk like anything that is weak: choose λ by what the
    temperature may lose. The noise of the result has no closed form, so noise_std is None.

    Readouts are in image space along x already, so an iteration transforms along y and z only.
    """

    def finish(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Image:
        """Return the image; `partial` is left alone, the arrays are fresh and read-only."""
        hybrid = hybrid_of(partial)
        adjoint, maps = self.adjoint(hybrid, calibration)
        is_known = isinstance(calibration, SenseCalibration) and calibration.is_ready
        if not is_known or not np.isfinite(adjoint).all():
            is_whole = bool((hybrid.n_averages > 0).all())
            return self.image(hybrid, frame, adjoint, is_complete=is_whole)
        pixels = self._sparse(adjoint, maps.weights, hybrid.n_averages > 0)
        return replace(self.image(hybrid, frame, pixels), noise_std=None)

    def _sparse(
        self,
        adjoint: NDArray[np.complex64],
        weights: NDArray[np.complex64],
        is_measured: NDArray[np.bool_],
    ) -> NDArray[np.complex64]:
        """Return the image after FISTA from the adjoint image.

        is_measured: bool (kz, ky) in FFT order.
        """
        settings, shape = self.plan.settings, self.plan.image_shape
        axes = (-2, -1) if shape[0] == 1 else (-3, -2, -1)
        wavelet = sigpy.linop.Wavelet(shape, axes=axes)
        largest = float(np.abs(wavelet(adjoint)).max())
        shrink = sigpy.prox.UnitaryTransform(
            sigpy.prox.L1Reg(wavelet.oshape, settings.wavelet_weight * largest), wavelet
        )
        normal = self._normal(weights, is_measured)
        image = adjoint.copy()
        method = sigpy.alg.GradientMethod(
            lambda estimate: normal(estimate) - adjoint,
            image,
            1,
            proxg=shrink,
            accelerate=True,
            max_iter=settings.iterations,
        )
        while not method.done():
            method.update()
        return np.ascontiguousarray(image, dtype=np.complex64)

    def _normal(
        self, weights: NDArray[np.complex64], is_measured: NDArray[np.bool_]
    ) -> Callable[[NDArray[np.complex64]], NDArray[np.complex64]]:
        """Return Eᴴ E on images (z, y, x), `operator.H * operator` without a shift of data.

        Along x it is the identity. Leaving lines out is a circular convolution, and that is the
        same wherever the image's centre is, so the FFTs need not be centred.
        """
        _, n_y, n_z = self.plan.recon_matrix
        _, n_ky, n_kz = self.plan.grid
        axes = (1, 2) if n_kz > 1 else (2,)
        sizes = (n_kz, n_ky) if n_kz > 1 else (n_ky,)
        maps, mask = weights.conj(), is_measured[..., None].astype(np.float32)

        def normal(image: NDArray[np.complex64]) -> NDArray[np.complex64]:
            rows = scipy.fft.fftn(maps * image, s=sizes, axes=axes)
            rows *= mask
            coils = scipy.fft.ifftn(rows, axes=axes, overwrite_x=True)[:, :n_z, :n_y]
            return combine(coils, CoilMaps(weights))

        return normal
