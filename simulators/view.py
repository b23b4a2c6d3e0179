"""What a perfect thermometer of a given matrix would read from a still, noiseless patient."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.bioheat import BioheatField
from simulators.phantom import Ellipse, image, kspace
from simulators.sequence import GradientEcho

Real = NDArray[np.float64]

_GRID_MM = 0.25
_GRID_OFFSET = 0.21
_HALF_WIDTH_MM = 22.0


class BandLimitedView:
    """Reads the temperature from an image that holds only the acquired extent of k-space.

    One uniform coil, all lines at one instant. The truncated Fourier series neither samples points
    nor averages boxes: this is the fair comparison for an unfiltered inverse FFT.
    """

    def __init__(
        self,
        heat: BioheatField,
        sequence: GradientEcho,
        ellipses: Sequence[Ellipse],
        *,
        focus_mm: tuple[float, float],
        rad_per_c: float,
    ) -> None:
        self._rad_per_c = rad_per_c
        n = int(_HALF_WIDTH_MM / _GRID_MM)
        offsets = np.asarray((np.arange(-n, n + 1) + _GRID_OFFSET) * _GRID_MM, np.float64)
        x_mm, y_mm = focus_mm[0] + offsets, focus_mm[1] + offsets
        self._patch = heat.sampler(offsets, offsets)
        self._pixels = heat.sampler(
            sequence.columns_mm - focus_mm[0], sequence.rows_mm - focus_mm[1]
        )
        self._object = image(ellipses, x_mm[None, :], y_mm[:, None])
        self._to_columns = _dirichlet(sequence.columns_mm, x_mm, sequence.fov_mm[0]).T
        self._to_rows = _dirichlet(sequence.rows_mm, y_mm, sequence.fov_mm[1])
        self._still = _image_of(ellipses, sequence)

    def rise_c(self, modes: Real) -> Real:
        """Return the temperature rise (y, x); whole turns are taken from the true field."""
        change = self._object * (np.exp(1j * self._rad_per_c * self._patch(modes)) - 1)
        heated = self._still + self._to_rows @ change @ self._to_columns
        wrapped = np.angle(heated * self._still.conj()) / self._rad_per_c
        turn = 2 * np.pi / abs(self._rad_per_c)
        return np.asarray(wrapped + turn * np.round((self._pixels(modes) - wrapped) / turn))


def _image_of(ellipses: Sequence[Ellipse], sequence: GradientEcho) -> NDArray[np.complex128]:
    nx, (dx, dy) = sequence.matrix[0], sequence.pixel_mm
    fx = (np.arange(nx) - nx // 2) / sequence.fov_mm[0]
    still = kspace(ellipses, fx, sequence.fy_per_mm) / (dx * dy)
    return np.asarray(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(still))))


def _dirichlet(at_mm: Real, from_mm: Real, fov_mm: float) -> NDArray[np.complex128]:
    n = len(at_mm)
    waves = (np.arange(n) - n // 2) / fov_mm
    there = np.exp(2j * np.pi * np.outer(at_mm, waves))
    back = np.exp(-2j * np.pi * np.outer(waves, from_mm))
    return np.asarray(there @ back * (_GRID_MM / fov_mm))
