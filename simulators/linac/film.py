"""Real cine frames as material: points with signal, on a grid finer than any reconstruction's."""

import math
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

Real = NDArray[np.float64]

_FINEST_MM = 1.0  # pitch of the points: replicas lie beyond the k-space of any sequence here
_DARK = 0.002  # of the brightest; what is darker is left out
_NEAR = 0.35  # of half the picture: where a target is looked for


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """frames (frame, y, x), 1 at the brightest; times_s from 0; spacing_mm (y, x).

    Sagittal: y from head to foot, x from front to back.
    """

    frames: NDArray[np.float32]
    times_s: Real
    spacing_mm: tuple[float, float]

    def points(self, frame: int) -> tuple[Real, Real]:
        """Return places (point, 2), (x, y) in mm from the middle, and their signal times area.

        Cubic between the pixels. Their sum over exp(-2πi k·r) is what is called exact here.
        """
        pixels = np.asarray(self.frames[frame], np.float64)
        factor = math.ceil(max(self.spacing_mm) / _FINEST_MM)
        fine = np.maximum(zoom(pixels, factor, order=3, mode="nearest", grid_mode=True), 0)
        y_mm, x_mm = (self._fine_mm(axis, factor) for axis in (0, 1))
        bright = fine > _DARK
        rows, columns = np.nonzero(bright)
        dy, dx = self.spacing_mm
        return np.stack([x_mm[columns], y_mm[rows]], -1), fine[bright] * (dx * dy / factor**2)

    def places_mm(self, axis: int) -> Real:
        """Return where pixels lie along y (0) or x (1)."""
        n = self.frames.shape[axis + 1]
        return np.asarray((np.arange(n) - n // 2) * self.spacing_mm[axis], np.float64)

    def most_textured_mm(self, *, radius_mm: float) -> tuple[float, float]:
        """Return the place (x, y) with the most contrast in the first frame, near its middle."""
        pixels = np.asarray(self.frames[0], np.float64)
        wide = [radius_mm / 2 / each for each in self.spacing_mm]
        contrast = gaussian_filter(pixels**2, wide) - gaussian_filter(pixels, wide) ** 2
        ny, nx = pixels.shape
        up, across = (np.linspace(-1, 1, n) ** 2 for n in (ny, nx))
        near = np.exp(-(up[:, None] + across) / _NEAR**2)
        row, column = np.unravel_index(int((contrast * near).argmax()), near.shape)
        return float(self.places_mm(1)[column]), float(self.places_mm(0)[row])

    def _fine_mm(self, axis: int, factor: int) -> Real:
        n, pitch = self.frames.shape[axis + 1], self.spacing_mm[axis]
        middles = (np.arange(n * factor) + 0.5) / factor - 0.5  # in pixels
        return np.asarray((middles - n // 2) * pitch, np.float64)


def read_film(
    path: Path, *, spacing_mm: float = 1.4, frame_time_s: float = 0.314, n_frames: int | None = None
) -> Film:
    """Read an .npz of `frames` (frame, y, x), `t` (s) and `spacing` (y, x) in mm.

    spacing_mm, frame_time_s: where the file has none. n_frames: the first ones only. Raises
    ValueError for a file of another kind.
    """
    try:
        with np.load(path) as file:
            frames, names = file["frames"][:n_frames], set(file.files)
            times = np.asarray(file["t"], np.float64) if "t" in names else np.zeros(0)
            spacing = np.asarray(file["spacing"], np.float64) if "spacing" in names else np.zeros(0)
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise ValueError(f"{path}: expected an .npz file with frames (frame, y, x)") from error
    if frames.ndim != 3 or not len(frames) or not frames.max() > 0:
        raise ValueError(f"{path}: frames of shape {frames.shape}, expected (frame, y, x)")
    times = times[: len(frames)]
    if len(times) < len(frames):
        times = np.arange(len(frames), dtype=np.float64) * frame_time_s
    known = spacing.shape == (2,) and bool(np.isfinite(spacing).all())
    dy, dx = map(float, spacing) if known else (spacing_mm, spacing_mm)
    return Film((frames / frames.max()).astype(np.float32), times - times[0], (dy, dx))
