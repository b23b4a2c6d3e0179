"""Coil maps, and the combination of coils that keeps phase."""

from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray

CALIBRATION_LINES = (
    24  # width of the k-space centre that the maps are made from, in every direction
)
IMAGE_AXES = (-3, -2, -1)


@dataclass(frozen=True, slots=True, eq=False)
class CoilMaps:
    """How much each coil weighs in each pixel, and which phase it is turned back by.

    weights: complex64 (coil, z, y, x), the conjugated maps; their squares sum to 1 over the coils,
        so that combining whitened coils keeps the noise's standard deviation.
    """

    weights: NDArray[np.complex64]


def estimate_coil_maps(
    coil_pixels: NDArray[np.complex64], *, n_lines: int = CALIBRATION_LINES
) -> CoilMaps:
    """Return coil maps from the low-resolution centre of one frame.

    coil_pixels: complex64 (coil, z, y, x). n_lines: along ky, where fewer of them were measured.
    The maps are the smoothed coil images over their root sum of squares (Roemer 1990,
    doi:10.1002/mrm.1910160203), with the phase of a virtual coil taken out. The virtual coil is the
    one fixed mixture of coils that receives most power, so it has signal where the patient is and
    its phase is smooth there. It carries the frame's own phase: multiplying the frame by e^{iφ}
    leaves the maps alone and turns the combined image by φ. Where the virtual coil has a null
    inside the patient, all images combined with these maps share a phase vortex; differences
    between them do not show it.
    A frame with NaN or infinity gives maps of NaN.
    """
    if not np.isfinite(coil_pixels).all():
        return _frozen(np.full(coil_pixels.shape, np.nan, np.complex64))
    peak = float(np.abs(coil_pixels).max())
    scale = np.float32(1 / peak if peak > 0 else 1)
    smooth = _low_resolution(coil_pixels * scale, n_lines)
    mixture = _virtual_coil(smooth)
    virtual = np.tensordot(mixture.conj(), smooth, axes=1)
    root_sum_of_squares = np.sqrt(np.sum(smooth.real**2 + smooth.imag**2, axis=0))
    # No signal, no phase to read: there the virtual coil's own mixture stands in.
    has_signal = (root_sum_of_squares > 0) & (np.abs(virtual) > 0)
    phase = np.where(has_signal, virtual / np.where(has_signal, np.abs(virtual), 1), 1)
    weights = smooth.conj() * (phase / np.where(has_signal, root_sum_of_squares, 1))
    fallback = mixture.conj()[:, None, None, None]
    return _frozen(np.where(has_signal, weights, fallback).astype(np.complex64))


def combine(coil_pixels: NDArray[np.complex64], maps: CoilMaps) -> NDArray[np.complex64]:
    """Return the coils weighted and summed, complex64 (z, y, x); a NaN in any coil stays NaN."""
    if maps.weights.shape != coil_pixels.shape:
        raise ValueError(f"coil maps are {maps.weights.shape}, coil pixels {coil_pixels.shape}")
    # Coil by coil the scratch stays in cache: three times as fast as einsum at 128² × 8.
    combined: NDArray[np.complex64] = maps.weights[0] * coil_pixels[0]
    scratch = np.empty_like(combined)
    for weight, pixels in zip(maps.weights[1:], coil_pixels[1:], strict=True):
        np.multiply(weight, pixels, out=scratch)
        combined += scratch
    return combined


def _low_resolution(coil_pixels: NDArray[np.complex64], n_lines: int) -> NDArray[np.complex64]:
    kspace = sigpy.fft(coil_pixels, axes=IMAGE_AXES)
    for axis in IMAGE_AXES:
        size = kspace.shape[axis]
        width = n_lines if axis == -2 else CALIBRATION_LINES
        window = _hann(size, width).reshape((-1,) + (1,) * (-axis - 1))
        kspace = kspace * window
    smooth: NDArray[np.complex64] = sigpy.ifft(kspace, axes=IMAGE_AXES)
    return smooth


def _hann(size: int, width: int) -> NDArray[np.float32]:
    """Return a Hann window about n // 2 that is not zero at the ends of its width."""
    width = min(size, width)
    distance = np.abs(np.arange(size) - size // 2)
    window = np.cos(np.pi * distance / (width + 1)) ** 2
    return np.where(distance <= width // 2, window, 0).astype(np.float32)


def _virtual_coil(smooth: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return the unit mixture (coil,) of most power; its largest part is real and positive."""
    flat = smooth.reshape(smooth.shape[0], -1)
    # float64: eigenvectors of close eigenvalues would otherwise wander between machines.
    power = (flat @ flat.conj().T).astype(np.complex128)
    mixture = np.linalg.eigh(power)[1][:, -1]
    largest = mixture[np.argmax(np.abs(mixture))]
    turned: NDArray[np.complex64] = (mixture * (abs(largest) / largest)).astype(np.complex64)
    return turned


def _frozen(weights: NDArray[np.complex64]) -> CoilMaps:
    weights.flags.writeable = False
    return CoilMaps(weights)
