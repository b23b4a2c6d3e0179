"""Complex pixels and where they lie in the patient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messages.acquisition import Pose
from messages.frame import FrameKey


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """The image of one frame.

    pixels: complex64 (z, y, x), coils combined, phase kept.
    coil_pixels: complex64 (coil, z, y, x), the coils before combination (whitened where a noise
        scan was given), or None where the method has none.
    noise_std: standard deviation of the complex noise, sqrt(E|n|²), of each coil's pixels, or of
        `pixels` where coil_pixels is None; an array (z, y, x) where it differs from pixel to pixel,
        as after parallel imaging; None where no noise was measured.
    fov_mm: (x, y, z).
    echoes: the images of a joined echo train, by contrast; this image is then the first of them.
        Empty where the frame holds one echo.
    sampled_lines: bool (y,), the lines of k-space (centred, as the inverse FFT takes them) that
        were measured, where others are missing by design and `coil_pixels` is their zero-filled
        inverse FFT; None where the method has filled them, or all were measured.
    """

    frame_id: int
    key: FrameKey
    time_s: float
    pixels: NDArray[np.complex64]
    fov_mm: tuple[float, float, float]
    pose: Pose
    coil_pixels: NDArray[np.complex64] | None = None
    noise_std: float | NDArray[np.float32] | None = None
    is_complete: bool = True
    echoes: "tuple[Image, ...]" = ()
    sampled_lines: NDArray[np.bool_] | None = None
