"""What every method takes from an image: its coils, and how noisy they are."""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from messages import Image
from thermometry.plan import ThermometryPlan

Coils = NDArray[np.complex64]
Scalar = TypeVar("Scalar", bound=np.generic)


def coils_of(image: Image, plan: ThermometryPlan) -> Coils:
    """Return the image's coils (coil, z, y, x), or its combined pixels as one; their noise is even.

    Noise that differs from pixel to pixel is divided out: phase does not mind the scale, and what
    comes after may take one figure for all pixels.
    Raises ValueError where the shape is not the plan's.
    """
    coils = image.pixels[None] if image.coil_pixels is None else image.coil_pixels
    if coils.shape[1:] != plan.shape:
        raise ValueError(f"frame {image.frame_id}: image is {coils.shape[1:]}, plan {plan.shape}")
    if not isinstance(image.noise_std, np.ndarray):
        return coils
    is_known = np.isfinite(image.noise_std) & (image.noise_std > 0)
    even: Coils = coils * np.where(is_known, 1 / np.where(is_known, image.noise_std, 1), 0)
    return even


def noise_std_of(image: Image) -> float | None:
    """Return the noise of what `coils_of` returns; None where none was measured, or none can be."""
    noise_std = image.noise_std
    if isinstance(noise_std, np.ndarray):
        return 1.0  # `coils_of` has divided by it
    if noise_std is None or not math.isfinite(noise_std) or noise_std <= 0:
        return None
    return noise_std


def frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return the array itself, which from now on nobody can change."""
    array.flags.writeable = False
    return array
