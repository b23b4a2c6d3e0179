"""Radial and spiral images by one weighted adjoint NUFFT, spread while the readouts arrive."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from messages import Frame, Image
from recon.coil_maps import combine, estimate_coil_maps
from recon.noncartesian import Gridded, NonCartesian, SampledCalibration, gridded, maps_from
from recon.reconstructor import Calibration, Partial


class GriddedNUFFT(NonCartesian):
    """Image = the adjoint of `operator` on samples times the k-space area that each stands for.

    It has the scale of a centred orthonormal inverse FFT. Against the exact sums it errs by 3e-4 of
    the image's norm. Samples of NaN stay NaN in the image: who uses it must look.
    """

    name = "nufft"

    def calibrate(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Calibration | None:
        """Return coil maps, weights and gradient delay from the first complete frame."""
        if calibration is not None or not frame.is_complete or not gridded(partial).coord:
            return calibration
        sampling = self._learn(frame, None)
        spread = self._fold(frame, sampling)
        coil_pixels, _ = self._oversampled.pixels(spread.grid)
        maps = maps_from(coil_pixels[:, None])
        return None if maps is None else SampledCalibration(maps, sampling=sampling)

    def finish(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Image:
        """Return the image; `partial` is left alone, the arrays are fresh and read-only."""
        spread = self._settled(partial, frame, calibration)
        maps = None if calibration is None else calibration.maps
        weights = None if maps is None else maps.weights[:, 0]
        coil_pixels, pixels = self._oversampled.pixels(spread.grid, weights)
        coil_pixels, pixels = coil_pixels[:, None], pixels[None]
        if maps is None:
            pixels = combine(coil_pixels, estimate_coil_maps(coil_pixels))
        coil_pixels.flags.writeable = pixels.flags.writeable = False
        return Image(
            frame_id=frame.frame_id,
            key=frame.key,
            time_s=frame.time_s,
            pixels=pixels,
            fov_mm=self.plan.recon_fov_mm,
            pose=frame.pose,
            coil_pixels=coil_pixels,
            noise_std=self._noise_std(spread),
            is_complete=frame.is_complete,
        )

    def coil_pixels(self, partial: Partial, frame: Frame) -> NDArray[np.complex64]:
        """Return the coil images (coil, z, y, x) alone, weighted by the frame's own sampling."""
        spread = self._settled(partial, frame, None)
        return self._oversampled.pixels(spread.grid)[0][:, None]

    def _noise_std(self, spread: Gridded) -> float | None:
        """Return sqrt(E|n|²) of a coil's pixel, the same in all pixels.

        The noise is coloured, but each pixel is a sum of samples times weights over √n, of which
        only the phases differ between pixels: with E|n|² = 1 in each sample it is √(Σ w² / n).
        """
        if self.plan.whitening is None:
            return None
        return float(sqrt(spread.power / np.prod(self.plan.image_shape)))
