"""From the samples of a readout to its profile along x."""

from typing import Protocol

import numpy as np
import scipy.fft
import sigpy
import sigpy.linop
from numpy.typing import NDArray

from messages.acquisition import REVERSE
from recon.epi_regridding import profile_matrix, readout_positions, sampling_matrix
from recon.placement import Counters, Placement
from recon.reconstruction_plan import ReconstructionPlan

Profile = NDArray[np.complex64]


class LineTransform(Protocol):
    """Centred orthonormal inverse Fourier transform along kx, cropped to the image."""

    def profile(
        self, samples: NDArray[np.complex64], counters: Counters, number: int
    ) -> tuple[Profile, float]:
        """Return the profile (coil, x) and the power of its noise where samples have 1.

        samples: complex64 (coil, sample). number: of the readout, for the words of a ValueError.
        The profile still lacks `factor`, so that the caller folds it into one of its own.
        """

    @property
    def factor(self) -> NDArray[np.complex64] | np.complex64:
        """What a profile must be multiplied by."""

    def operator(self) -> sigpy.linop.Linop | None:
        """Return the model (coil, z, y, x) → (coil, z, y, sample); None: a plain centred FFT."""


class GridTransform:
    """Samples on the grid: an FFT of the zero-filled line.

    The centred FFT without a single shift of data: a phase ramp before, another (`factor`) after.
    """

    def __init__(self, plan: ReconstructionPlan, placement: Placement) -> None:
        n_kx, n_x = plan.grid[0], plan.recon_matrix[0]
        first = n_kx // 2 - n_x // 2
        self._kept = slice(first, first + n_x)
        self._placement = placement
        self._n_kx = n_kx
        self._ramp = ramp(np.arange(n_kx), n_kx)
        self.factor = (self._ramp * ramp(np.array(-(n_kx // 2)), n_kx))[self._kept]

    def profile(
        self, samples: NDArray[np.complex64], counters: Counters, number: int
    ) -> tuple[Profile, float]:
        """Return the profile (coil, x) and the power of its noise."""
        first, taken, n_filled = self._placement.columns(counters, samples.shape[1], number)
        columns = slice(first, first + n_filled)
        if n_filled < self._n_kx:
            padded = np.zeros((samples.shape[0], self._n_kx), np.complex64)
        else:
            padded = np.empty((samples.shape[0], self._n_kx), np.complex64)
        np.multiply(samples[:, taken], self._ramp[columns], out=padded[:, columns])
        profile: Profile = scipy.fft.ifft(padded, norm="ortho", overwrite_x=True)
        return profile[:, self._kept], n_filled / self._n_kx

    def operator(self) -> sigpy.linop.Linop | None:
        """Return None: k-space is the centred FFT of the image."""
        return None


class RampTransform:
    """Samples under a trapezoid: one matrix product, another one for lines that run backwards."""

    def __init__(self, plan: ReconstructionPlan) -> None:
        timing = plan.encoding.epi
        if timing is None:
            raise ValueError("the header tells no timing of the readout gradient")
        n_kx, n_x = plan.grid[0], plan.recon_matrix[0]
        positions = readout_positions(timing, n_kx)
        self._forward = profile_matrix(positions, n_kx, n_x)
        self._reverse = profile_matrix(-positions, n_kx, n_x)
        self._sampling = sampling_matrix(positions, n_kx, n_x)
        self._power, self._reverse_power = (_noise_power(m) for m in (self._forward, self._reverse))
        self._shape = (plan.n_coils, *plan.image_shape)
        self.factor = np.complex64(1)

    def profile(
        self, samples: NDArray[np.complex64], counters: Counters, number: int
    ) -> tuple[Profile, float]:
        """Return the profile (coil, x) and the power of its noise."""
        n_samples, expected = counters[3], len(self._forward)
        if n_samples != expected or samples.shape[1] < expected:
            raise ValueError(
                f"readout {number}: n_samples is {n_samples}, the header's numSamples is {expected}"
            )
        if counters[7] & REVERSE:
            return samples[:, :expected] @ self._reverse, self._reverse_power
        return samples[:, :expected] @ self._forward, self._power

    def operator(self) -> sigpy.linop.Linop | None:
        """Return the model of forward lines, (coil, z, y, x) → (coil, z, y, sample)."""
        shape = self._shape
        columns = sigpy.linop.Reshape((*shape, 1), shape)
        product = sigpy.linop.MatMul((*shape, 1), self._sampling)
        samples = (*shape[:3], len(self._sampling))
        return sigpy.linop.Reshape(samples, product.oshape) * product * columns


def _noise_power(matrix: NDArray[np.complex64]) -> float:
    """Return what white noise of the samples gives a pixel, E|n|²; nearly even along x."""
    return float(np.mean(np.sum(np.abs(matrix) ** 2, axis=0)))


def line_transform(plan: ReconstructionPlan, placement: Placement) -> LineTransform:
    """Return the transform that a header's sampling asks for."""
    if plan.encoding.trajectory == "epi" and plan.encoding.epi is not None:
        return RampTransform(plan)
    return GridTransform(plan, placement)


def plain_profile(samples: NDArray[np.complex64], n_x: int) -> Profile:
    """Return the centre (coil, x) of the centred inverse FFT of whole lines (coil, sample)."""
    profile: Profile = sigpy.ifft(samples, axes=(-1,))
    if profile.shape[1] < n_x:
        raise ValueError(f"a calibration line has {profile.shape[1]} samples, expected {n_x}")
    first = profile.shape[1] // 2 - n_x // 2
    return profile[:, first : first + n_x]


def ramp(index: NDArray[np.int_], size: int) -> NDArray[np.complex64]:
    """Return e^(-2πi · index · c / size) with c = size // 2: ±1 where the size is even."""
    whole = index * (size // 2) % size  # reduced in integers, so that even sizes are exact
    turn: NDArray[np.complex64] = np.exp(-2j * np.pi * whole / size).astype(np.complex64)
    return turn
