"""What a thermometry method asks of the scan itself: memory for its library, pixels for its fit."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

import thermometry
from messages import Encoding, ProtocolError
from realtime.protocol_sections import Thermometry
from realtime.regions import Mask
from recon import ReconstructionPlan

MOST_LIBRARY_BYTES: Final = 1 << 31  # half of what a checkpoint keeps
# image and phase of each pixel, beside the image as it was gathered
_PIXEL_BYTES: Final = 20
# image of each coil, and the columns that are cut from it
_KEEPS_COILS: Final[Mapping[str, int]] = {"kspace-hybrid": 16}
_FITS_OWN_PHASE: Final = ("near-harmonic", "referenceless", "referenceless-l1")
_LEAST_PIXELS_PER_TERM: Final = 3


def require_memory(settings: Thermometry, plan: ReconstructionPlan, *, n_joined: int) -> None:
    """Raise ProtocolError where the libraries of all image streams are too large."""
    if settings.method not in thermometry.KEEPS_LIBRARY:
        return
    per_pixel = plan.n_coils * _KEEPS_COILS.get(settings.method, 0) or _PIXEL_BYTES
    n_streams = _streams(plan.encoding, n_joined=n_joined)
    one_bytes = n_streams * math.prod(plan.recon_matrix) * per_pixel
    n_bytes = settings.baseline_frames * one_bytes
    if n_bytes > MOST_LIBRARY_BYTES:
        x, y, z = plan.recon_matrix
        raise ProtocolError(
            f"is {settings.baseline_frames}: so many images of {x} × {y} × {z} pixels in "
            f"{n_streams} slices or contrasts need {n_bytes >> 20} MiB, at most "
            f"{MOST_LIBRARY_BYTES >> 20} are kept, expected at most "
            f"{MOST_LIBRARY_BYTES // one_bytes}",
            key="thermometry.baseline_frames",
        )


def require_pixels(settings: Thermometry, *, reference: Mask, heated: Mask) -> None:
    """Raise ProtocolError where a polynomial has more terms than the masks (z, y, x) have room."""
    if settings.method not in _FITS_OWN_PHASE:
        return
    n_dimensions = 2 if reference.shape[0] == 1 else 3
    n_terms = math.comb(settings.polynomial_order + n_dimensions, n_dimensions)
    n_pixels = int(np.count_nonzero(reference & ~heated))
    if n_pixels < _LEAST_PIXELS_PER_TERM * n_terms:
        raise ProtocolError(
            f"is {settings.polynomial_order}, whose {n_terms} terms are fitted to the {n_pixels} "
            f"pixels outside the heat, expected {_LEAST_PIXELS_PER_TERM * n_terms} or more: a "
            "lower order, a larger reference region or a smaller heated_margin_px",
            key="thermometry.polynomial_order",
        )


def _streams(encoding: Encoding, *, n_joined: int) -> int:
    return max(encoding.n_slices * (encoding.n_contrasts if n_joined == 1 else 1), 1)
