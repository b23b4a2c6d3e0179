"""Pictures of tissue that moves in a known way: what trackers are judged by.

A still picture is a function of the plane: a spline of degree 5 through a real cine frame, or a
closed-form texture. Each pixel of a moved picture is the mean of four points of it, where the
inverse of the known displacement leads; trackers interpolate otherwise.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import _path  # noqa: F401 - the repository first
import numpy as np
from _table import ROOT
from numpy.typing import NDArray
from scipy import ndimage

from messages import FrameKey, Image, Pose

Real = NDArray[np.float64]
Picture = Callable[[Real, Real], Real]

N_PX, RATE_HZ = 256, 4.0
SHEAR_PER_PX = 0.05 / 20.0  # of the displacement, across it: 5 % where the target moves 20 px
STRETCH_PER_PX = 0.03 / 20.0  # of the displacement, along it
REACH_PX = 100.0  # beyond it the body is at rest
GAIN_DRIFT = 0.1
WINDOW_PX = 96  # about the lesion, where tissue is seen to move: wider than trackers search
INVERSION_STEPS = 10


@dataclass(frozen=True, slots=True)
class Lesion:
    """centre_px: (y, x). radius_px: mean; lobes: by how much of it the outline bulges."""

    centre_px: tuple[float, float]
    radius_px: float
    contrast: float
    lobes: float = 0.12

    def depth_px(self, y: Real, x: Real) -> Real:
        """Return how far inside the outline, about, a point of the still picture lies."""
        down, right = y - self.centre_px[0], x - self.centre_px[1]
        angle = np.arctan2(down, right)
        radius = self.radius_px * (
            1.0 + self.lobes * np.cos(2 * angle + 0.6) + 0.4 * self.lobes * np.cos(3 * angle)
        )
        depth: Real = radius - np.hypot(down, right)
        return depth


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One sequence. path_px: (frame, 2), displacement (y, x) of the lesion's centre.

    noise: standard deviation of each of two Gaussian channels, over the picture's 99 % quantile.
    """

    name: str
    still: Picture
    lesion: Lesion
    path_px: Real
    noise: float
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One frame and its truth.

    clean: float64 (y, x), without noise. shift_px: (y, x), exact, of the first mask's centre.
    """

    image: Image
    mask: NDArray[np.bool_]
    clean: Real
    shift_px: Real


def data_folder() -> Path:
    """Return the folder of real data, beside the checkout or where MRMONITOR_DATA says."""
    return Path(os.environ.get("MRMONITOR_DATA", ROOT.parent / "shared" / "data"))


def trace_px(name: str, n_frames: int, *, start_s: float, rate_hz: float = RATE_HZ) -> Real:
    """Return a patient's liver motion (SI, AP) since its first frame, (frame, 2); 1 px is 1 mm."""
    table = np.loadtxt(data_folder() / "traces" / f"liver_{name}.txt")
    times = start_s + np.arange(n_frames) / rate_hz
    path = np.stack([np.interp(times, table[:, 0], table[:, k]) for k in (2, 3)], axis=1)
    return path - path[0]


def breathing_px(n_frames: int, *, amplitude_px: float, rate_hz: float = RATE_HZ) -> Real:
    """Return a closed-form breath (Lujan 1999) as (frame, 2), its depth and length wandering."""
    times = np.arange(n_frames) / rate_hz
    phase = 2 * np.pi * (times / 4.0 + 0.15 * np.sin(2 * np.pi * times / 31.0))
    depth = amplitude_px * (1.0 + 0.25 * np.sin(2 * np.pi * times / 23.0))
    rise = depth * np.sin(phase / 2) ** 4
    return np.stack([rise, 0.25 * np.roll(rise, 1)], axis=1) - [rise[0], 0.25 * rise[-1]]


def real_picture(name: str, index: int = 0) -> Picture:
    """Return the frame of a real cine as a function of N_PX pixels, brightest 1."""
    with np.load(data_folder() / "cine" / f"{name}.npz") as file:
        frame = file["frames"][index].astype(np.float64)
    side = min(frame.shape)
    top, left = (frame.shape[0] - side) // 2, (frame.shape[1] - side) // 2
    frame = frame[top : top + side, left : left + side] / np.quantile(frame, 0.999)
    # as fine as the picture is, and no finer: noise of the source is no tissue
    coefficients = ndimage.spline_filter(ndimage.gaussian_filter(frame, 0.6), order=5)
    scale = (side - 1) / (N_PX - 1)

    def still(y: Real, x: Real) -> Real:
        return np.clip(
            ndimage.map_coordinates(
                coefficients, [y * scale, x * scale], order=5, prefilter=False, mode="nearest"
            ),
            0.0,
            None,
        )

    return still


def texture_picture(seed: int, n_waves: int = 48) -> Picture:
    """Return a sum of plane waves, 8 to 60 px long, in closed form."""
    rng = np.random.default_rng(seed)
    lengths = rng.uniform(8.0, 60.0, n_waves)
    angles, phases = rng.uniform(0, 2 * np.pi, (2, n_waves))
    ky, kx = 2 * np.pi / lengths * np.sin(angles), 2 * np.pi / lengths * np.cos(angles)

    def still(y: Real, x: Real) -> Real:
        total = np.zeros_like(y)
        for a, b, phase in zip(ky, kx, phases, strict=True):
            total += np.cos(a * y + b * x + phase)
        return np.clip(0.5 + 0.12 * total / np.sqrt(n_waves / 2), 0.0, None)

    return still


def frames(case: Case) -> Iterator[Shown]:
    """Yield the sequence."""
    rng = np.random.default_rng(case.seed)
    pixels = np.arange(N_PX, dtype=np.float64)
    y, x = np.meshgrid(pixels, pixels, indexing="ij")
    near = tuple(
        slice(max(int(c) - WINDOW_PX, 0), int(c) + WINDOW_PX) for c in case.lesion.centre_px
    )
    rest, sigma, centre = _look(case, y, x), None, np.zeros(2)
    for number, shift in enumerate(case.path_px):
        clean = rest.copy()
        came_y, came_x = origin(case, y[near], x[near], shift)
        clean[near] = _pixel_means(case, came_y, came_x)
        sigma = case.noise * float(np.quantile(clean, 0.99)) if sigma is None else sigma
        clean *= 1.0 + GAIN_DRIFT * np.sin(2 * np.pi * (number / 70.0 + case.seed / 5.0))
        noise = sigma * rng.standard_normal((2, N_PX, N_PX))
        mask = np.zeros((N_PX, N_PX), np.bool_)
        mask[near] = case.lesion.depth_px(came_y, came_x) > 0.0
        centre = np.argwhere(mask).mean(axis=0) if number == 0 else centre
        moved = np.array(displacement(case, *centre, shift))
        yield Shown(image_of(np.hypot(clean + noise[0], noise[1]), number), mask, clean, moved)


def image_of(magnitude: Real, number: int, *, rate_hz: float = RATE_HZ) -> Image:
    """Return a picture as a reconstructed image."""
    return Image(
        frame_id=number,
        key=FrameKey(repetition=number),
        time_s=number / rate_hz,
        pixels=magnitude[None].astype(np.complex64),
        fov_mm=(float(magnitude.shape[1]), float(magnitude.shape[0]), 5.0),
        pose=Pose(),
    )


def origin(case: Case, y: Real, x: Real, shift: Real) -> tuple[Real, Real]:
    """Return where the tissue at (y, x) was in the still picture: X = x - u(X), by iteration."""
    first_y, first_x = y - shift[0], x - shift[1]
    for _ in range(INVERSION_STEPS):
        move_y, move_x = displacement(case, first_y, first_x, shift)
        first_y, first_x = y - move_y, x - move_x
    return first_y, first_x


def displacement(case: Case, y: Real, x: Real, shift: Real) -> tuple[Real, Real]:
    """Return how far the tissue of (y, x) of the still picture moves: smooth, at rest far away."""
    down, right = y - case.lesion.centre_px[0], x - case.lesion.centre_px[1]
    fade = np.exp(-(((down**2 + right**2) / REACH_PX**2) ** 2))
    along = 1.0 + SHEAR_PER_PX * right + STRETCH_PER_PX * down
    across = 1.0 + SHEAR_PER_PX * down
    return shift[0] * along * fade, shift[1] * across * fade


def _pixel_means(case: Case, came_y: Real, came_x: Real) -> Real:
    """Return the mean over each pixel of the picture at `origin`, which is linear within it."""
    (yy, yx), (xy, xx) = np.gradient(came_y), np.gradient(came_x)
    total = np.zeros_like(came_y)
    for down in (-0.25, 0.25):
        for right in (-0.25, 0.25):
            total += _look(case, came_y + down * yy + right * yx, came_x + down * xy + right * xx)
    return total / 4.0


def _look(case: Case, y: Real, x: Real) -> Real:
    inside = 0.5 + 0.5 * np.tanh(case.lesion.depth_px(y, x) / 0.8)
    seen: Real = case.still(y, x) + case.lesion.contrast * inside
    return np.clip(seen, 0.0, None)
