"""Cartesian reconstruction by inverse FFT, the readout direction on arrival."""

from dataclasses import replace

import numpy as np
import sigpy.linop
from numpy.typing import NDArray

from messages import Frame, Image
from recon.coil_maps import estimate_coil_maps
from recon.hybrid import CartesianCalibration, Hybrid, hybrid_of
from recon.hybrid_rows import HybridRows
from recon.reconstructor import Calibration, Partial


class CartesianFFT(HybridRows):
    """Image = centred orthonormal inverse FFT of k-space, no flips; the adjoint of `operator`.

    Rows that were not measured are zero-filled around the true k-space centre: partial Fourier
    keeps its phase and loses resolution. Homodyne detection and projection onto convex sets gain
    it back by imposing the phase of the low-resolution image on the whole (McGibney 1993,
    doi:10.1002/mrm.1910300109), and with it they would smooth away the hot spot, which is phase.
    Averages are averaged. Samples of NaN stay NaN in the image: who uses it must look.

    Lines that acceleration leaves out are zero-filled too, so the image is folded; it then says
    which lines were measured, for who can make do with them. Coil maps come from the first frame
    that has no such gaps; an image with gaps that comes before it is marked incomplete.

    Echo-planar lines (trajectory "epi") are regridded from under their trapezoid where the header
    tells its timing, reversed where they run backwards, and odd and even ones aligned. Where that
    was asked for and no navigator or reference came, they are left as they are and the image, with
    its ghost, is marked incomplete.
    """

    knows_devices = True

    def operator(
        self,
        calibration: Calibration | None = None,
        sampled: Partial | None = None,  # noqa: ARG002 - the whole matrix, whatever was sampled
    ) -> sigpy.linop.Linop:
        """Return the forward model, image → k-space, whose adjoint this class computes.

        From coil images (coil, z, y, x), or with maps from the image (z, y, x), to the k-space
        of the encoded matrix (coil, kz, ky, kx). EPI's ramps are inverted, not adjoined.
        """
        return self.masked_operator(calibration, None)

    def calibrate(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Calibration | None:
        """Return the coil maps of a run from its first complete frame without gaps."""
        hybrid = hybrid_of(partial)
        if calibration is not None or not frame.is_complete or not self.is_aligned(hybrid):
            return calibration
        if self._lines_with_gaps(hybrid) is not None:
            return None
        found = CartesianCalibration(
            navigator=self.first_navigator(hybrid), leftover=self.find_leftover(hybrid)
        )
        coil_pixels = self.coil_pixels(self.aligned_rows(hybrid, found), hybrid.n_averages)
        if not np.isfinite(coil_pixels).all():
            return None
        return replace(found, maps=estimate_coil_maps(coil_pixels))

    def refine(self, calibration: Calibration) -> Calibration:
        """Return the calibration as it is: each coil keeps its own phase, maps only weigh."""
        return calibration

    def finish(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Image:
        """Return the image; `partial` is left alone, the arrays are fresh and read-only."""
        hybrid = hybrid_of(partial)
        there = self.coil_pixels(self.rows_there(hybrid, calibration), hybrid.n_averages)
        coil_pixels = self.home(there)
        coil_pixels.flags.writeable = False
        maps = None if calibration is None else calibration.maps
        sampled_lines = self._lines_with_gaps(hybrid)
        has_whole = sampled_lines is None or maps is not None
        if maps is None:
            maps = estimate_coil_maps(coil_pixels)
        pixels = self.home(self.combined(there, maps))
        image = self.image(hybrid, frame, pixels, is_complete=has_whole)
        return replace(
            image,
            coil_pixels=coil_pixels,
            noise_std=self.noise_std(hybrid),
            sampled_lines=sampled_lines,
        )

    def _lines_with_gaps(self, hybrid: Hybrid) -> NDArray[np.bool_] | None:
        """Return the lines (ky,) that an accelerated frame measured; None where it left none out.

        Lines beyond the first and the last that were measured are not gaps: those of partial
        Fourier are never measured, and the image holds nothing of them.
        """
        if self.plan.encoding.acceleration[0] == 1:
            return None
        measured: NDArray[np.bool_] = np.fft.fftshift((hybrid.n_averages > 0).any(axis=0))
        lines = np.flatnonzero(measured)
        if lines.size == 0 or lines[-1] - lines[0] + 1 == lines.size:
            return None
        measured.flags.writeable = False
        return measured
