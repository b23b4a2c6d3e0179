"""The normal operator of non-Cartesian SENSE without a single non-uniform sample.

Aᴴ A convolves each coil image with the point spread function (Wajer and Pruessmann 2001, Proc.
ISMRM 767; Fessler et al. 2005, doi:10.1109/TSP.2005.853152), exactly so where the transform has
twice the image's size. That transform of a zero-padded image falls apart into its even and its odd
frequencies, each a transform of the image's own size times a phase ramp: four transforms of n²
that stay in the cache instead of one of (2n)², and no padding is ever transformed.
"""

import numpy as np
import scipy.fft
import sigpy.linop
from numpy.typing import NDArray

from recon.compiled import compiled
from recon.nufft import point_spread

# Of the largest. Coil maps spread over all of k-space what the circulant knows nothing of, and a
# smaller bound magnifies it: with 0.01, ten iterations left 28 % of a spiral image instead of 3 %.
LEAST_EIGENVALUE = 0.3


class ToeplitzKernel:
    """The transfer function of one frame's sampling.

    transfer: float32 (2, 2, y, x): frequencies of twice the image's size, even and odd apart.
    circulant: float32 (y, x), in FFT order: of all convolutions that wrap round the image, the
        nearest one's transfer function (T. Chan 1988, doi:10.1137/0909051), never below 0.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        coord: NDArray[np.float32],
        weights: NDArray[np.float32] | None = None,
    ) -> None:
        """Take sampling positions (point, 2), (y, x) in cycles, and weights (point,), else 1."""
        if weights is None:
            weights = np.ones(len(coord), np.float32)
        spread = point_spread(shape, coord, weights)
        self.circulant = _nearest_circulant(spread)
        # a distance of -n, which no two pixels have, would leave an imaginary part
        spread[0] = spread[:, 0] = 0
        spectrum = scipy.fft.fft2(scipy.fft.ifftshift(spread), overwrite_x=True).real
        # 1 / n² for the orthonormal scale, 1 / (4 n²) for the inverse transforms
        spectrum *= np.float32(0.25 / (shape[0] * shape[1]) ** 2)
        n_y, n_x = shape
        parts = spectrum.reshape(n_y, 2, n_x, 2).transpose(1, 3, 0, 2)
        self.transfer = np.ascontiguousarray(parts)
        self.shape = shape


def _nearest_circulant(spread: NDArray[np.complex64]) -> NDArray[np.float32]:
    n_y, n_x = spread.shape[0] // 2, spread.shape[1] // 2
    # (n - |m|) / n of the distance m, and the rest of the distance m - n that wraps round to it
    taper_y = 1 - np.abs(np.arange(-n_y, n_y)).astype(np.float32) / n_y
    taper_x = 1 - np.abs(np.arange(-n_x, n_x)).astype(np.float32) / n_x
    wrapped = (spread * taper_y[:, None] * taper_x).reshape(2, n_y, 2, n_x).sum(axis=(0, 2))
    eigenvalues: NDArray[np.float32] = scipy.fft.fft2(wrapped).real / np.float32(n_y * n_x)
    return np.maximum(eigenvalues, 0)


class CirculantInverse(sigpy.linop.Linop):  # type: ignore[misc]
    """Image (y, x) → the image that the nearest circulant operator, damped, would make it from.

    A preconditioner: it undoes the dense middle of k-space, which conjugate gradients would
    otherwise spend their steps, and float32 its digits, on. The minimum stays where it is.
    """

    def __init__(self, kernel: ToeplitzKernel, damping: float) -> None:
        least = kernel.circulant.max() * LEAST_EIGENVALUE
        self._inverse = 1 / np.maximum(kernel.circulant + np.float32(damping), least)
        super().__init__(kernel.shape, kernel.shape)

    def _apply(self, input: NDArray[np.complex64]) -> NDArray[np.complex64]:  # noqa: A002 - SigPy's
        spectrum = scipy.fft.fft2(input)
        spectrum *= self._inverse
        image: NDArray[np.complex64] = scipy.fft.ifft2(spectrum, overwrite_x=True)
        return image

    def _adjoint_linop(self) -> "CirculantInverse":
        return self


class ToeplitzNormal(sigpy.linop.Linop):  # type: ignore[misc]
    """Image (y, x) → Σ over coils of conj(map) · Fᴴ F · map · image, + `damping` · image.

    maps: complex64 (coil, y, x). It is its own adjoint. The buffers are its own: one at a time.
    """

    def __init__(
        self, kernel: ToeplitzKernel, maps: NDArray[np.complex64], damping: float = 0.0
    ) -> None:
        self.kernel = kernel
        self.maps = maps
        self.damping = damping
        n_y, n_x = kernel.shape
        self._ramp_y, self._ramp_x = _half_step(n_y), _half_step(n_x)
        self._rows = np.empty((2, n_y, n_x), np.complex64)
        self._all = np.empty((2, 2, n_y, n_x), np.complex64)
        super().__init__(kernel.shape, kernel.shape)

    def _apply(self, input: NDArray[np.complex64]) -> NDArray[np.complex64]:  # noqa: A002 - SigPy's
        image = np.ascontiguousarray(input, np.complex64)
        total = image * np.float32(self.damping)
        rows, both = self._rows, self._all
        for one in self.maps:
            _modulate(image, one, self._ramp_x, rows)
            along_x = scipy.fft.fft(rows, axis=2, overwrite_x=True)
            _split(along_x, self._ramp_y, both)
            along_y = scipy.fft.fft(both, axis=2, overwrite_x=True)
            along_y *= self.kernel.transfer
            back_y = scipy.fft.ifft(along_y, axis=2, norm="forward", overwrite_x=True)
            _merge(back_y, self._ramp_y, rows)
            back_x = scipy.fft.ifft(rows, axis=2, norm="forward", overwrite_x=True)
            _demodulate(back_x, one, self._ramp_x, total)
        return total

    def _adjoint_linop(self) -> "ToeplitzNormal":
        return self


def _half_step(n: int) -> NDArray[np.complex64]:
    """Return e^(-πi·r / n): what turns even frequencies of 2n points into odd ones."""
    ramp: NDArray[np.complex64] = np.exp(-1j * np.pi * np.arange(n) / n).astype(np.complex64)
    return ramp


@compiled
def _modulate(
    image: NDArray[np.complex64],
    weight: NDArray[np.complex64],
    ramp: NDArray[np.complex64],
    rows: NDArray[np.complex64],
) -> None:
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            value = image[y, x] * weight[y, x]
            rows[0, y, x] = value
            rows[1, y, x] = value * ramp[x]


@compiled
def _split(
    rows: NDArray[np.complex64], ramp: NDArray[np.complex64], both: NDArray[np.complex64]
) -> None:
    for odd_x in range(2):
        for y in range(rows.shape[1]):
            for x in range(rows.shape[2]):
                value = rows[odd_x, y, x]
                both[0, odd_x, y, x] = value
                both[1, odd_x, y, x] = value * ramp[y]


@compiled
def _merge(
    both: NDArray[np.complex64], ramp: NDArray[np.complex64], rows: NDArray[np.complex64]
) -> None:
    for odd_x in range(2):
        for y in range(rows.shape[1]):
            turn = np.conj(ramp[y])
            for x in range(rows.shape[2]):
                rows[odd_x, y, x] = both[0, odd_x, y, x] + turn * both[1, odd_x, y, x]


@compiled
def _demodulate(
    rows: NDArray[np.complex64],
    weight: NDArray[np.complex64],
    ramp: NDArray[np.complex64],
    total: NDArray[np.complex64],
) -> None:
    for y in range(total.shape[0]):
        for x in range(total.shape[1]):
            value = rows[0, y, x] + np.conj(ramp[x]) * rows[1, y, x]
            total[y, x] += np.conj(weight[y, x]) * value
