"""Temperature moved back with the tissue: dose accumulates in tissue, and not in pixels."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from messages import Displacement, TemperatureMap
from thermometry.coil_images import frozen

Mask = NDArray[np.bool_]
Single = NDArray[np.float32]

_EDGE = 1e-6  # of a pixel: a neighbour that weighs no more need not be valid


@dataclass(frozen=True, eq=False)
class Registration:
    """Which pixels of the reference image move with what is tracked, and about what they turn.

    moving: bool (z, y, x), of a single slice. tracked: bool (y, x), whose centroid a `Displacement`
    tells. pixel_mm: (y, x).
    """

    moving: Mask
    tracked: Mask
    pixel_mm: tuple[float, float]

    def __call__(self, temperature: TemperatureMap, displacement: Displacement) -> TemperatureMap:
        """Return the map as the reference image would show it; pixels that do not move stay.

        A pixel of moving tissue takes the temperature of the place where it is now: by a cubic of
        its 4 x 4 neighbours where all are valid (Keys 1981, doi:10.1109/TASSP.1981.1163711), by a
        line between 2 x 2 where these are, and is not valid elsewhere. Its standard deviation is
        that of a weighted mean of independent pixels (where an image was interpolated before, its
        pixels are not, and the true one is up to twice as large), and what the displacement's own
        does to the temperature by its slope: errors of place repeat with each breath, so all frames
        share them. In a frame whose displacement is doubted, still learned, or of no known error,
        nobody knows where the tissue is: it is not valid then. While the baseline is gathered there
        is no heat to move.
        """
        if temperature.is_baseline:
            return temperature
        valid = temperature.valid & np.isfinite(temperature.temperature_c)
        if not (displacement.is_tracked and math.isfinite(displacement.displacement_std_mm)):
            return _filled(temperature, {}, self.moving, np.zeros(int(self.moving.sum()), np.bool_))
        taps = _taps(self._places_px(displacement), valid[0])
        means = ("temperature_c", "scale_std_c", "fat_fraction", "magnitude_ratio")
        found: dict[str, Single | Mask] = {}
        for name in means:
            values = getattr(temperature, name)
            if values is not None:
                found[name] = taps.mean(values[0])
        for name in ("temperature_std_c", "common_std_c"):
            found[name] = taps.std(getattr(temperature, name)[0])
        if temperature.ambiguous is not None:
            found["ambiguous"] = taps.any(temperature.ambiguous[0])
        moved = _filled(temperature, found, self.moving, taps.is_valid)
        return self._misplaced(moved, displacement.displacement_std_mm)

    def _misplaced(self, moved: TemperatureMap, std_mm: float) -> TemperatureMap:
        """Return the map with the error that comes from the place's own."""
        slope_c_per_mm = _slope(moved.temperature_c[0], self.pixel_mm)[self.moving[0]]
        added = np.square(np.float32(std_mm) * slope_c_per_mm)

        def wider(std_c: Single) -> Single:
            wide = std_c.copy()
            wide[self.moving] = np.sqrt(np.square(wide[self.moving]) + added)
            return frozen(wide)

        return replace(
            moved,
            temperature_std_c=wider(moved.temperature_std_c),
            common_std_c=wider(moved.common_std_c),
        )

    def image(self, pixels: Single, displacement: Displacement) -> Single:
        """Return a plain image (z, y, x), such as the magnitude, as the reference would show it."""
        if not displacement.is_tracked:
            return pixels
        everywhere = np.ones(pixels.shape[1:], np.bool_)
        moved = pixels.copy()
        moved[self.moving] = _taps(self._places_px(displacement), everywhere).mean(pixels[0])
        return frozen(moved)

    def _places_px(self, displacement: Displacement) -> NDArray[np.float64]:
        """Return where the moving pixels are now, (pixel, 2) as (y, x)."""
        pixel_mm = np.array(self.pixel_mm)
        if displacement.field_mm is not None:
            shift_mm = displacement.field_mm[:, self.moving[0]].T
            return np.asarray(self._at_px + shift_mm / pixel_mm)
        off_mm = (self._at_px - self._centroid_px) * pixel_mm
        now_mm = off_mm @ np.array(displacement.matrix).T + np.array(displacement.displacement_mm)
        return np.asarray(self._centroid_px + now_mm / pixel_mm)

    @cached_property
    def _at_px(self) -> NDArray[np.float64]:
        return np.argwhere(self.moving[0]).astype(np.float64)

    @cached_property
    def _centroid_px(self) -> NDArray[np.float64]:
        return np.asarray(np.argwhere(self.tracked).mean(axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class _Taps:
    """The neighbours of each place: flat index and weight (place, 16)."""

    index: NDArray[np.intp]
    weight: Single
    is_valid: Mask

    def mean(self, values: Single) -> Single:
        return self._sum(values, self.weight)

    def std(self, values: Single) -> Single:
        return np.sqrt(self._sum(np.square(values), np.square(self.weight)))

    def any(self, values: Mask) -> Mask:
        return np.asarray((values.ravel()[self.index] & (np.abs(self.weight) > _EDGE)).any(axis=1))

    def _sum(self, values: Single, weight: Single) -> Single:
        near = values.ravel()[self.index]
        return np.asarray(np.where(weight != 0, near * weight, 0).sum(axis=1, dtype=np.float32))


def _taps(places_px: NDArray[np.float64], valid: Mask) -> _Taps:
    """Return what places take from an image (y, x), of which only valid pixels count."""
    n_y, n_x = valid.shape
    corner = np.floor(places_px).astype(np.intp)
    part = places_px - corner
    steps = np.arange(-1, 3)
    at_y, at_x = corner[:, :1] + steps, corner[:, 1:] + steps
    inside = ((at_y >= 0) & (at_y < n_y))[:, :, None] & ((at_x >= 0) & (at_x < n_x))[:, None]
    index = np.clip(at_y, 0, n_y - 1)[:, :, None] * n_x + np.clip(at_x, 0, n_x - 1)[:, None]
    near = (inside & valid.ravel()[index]).reshape(len(places_px), -1)

    def both(of_axis: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((of_axis[:, 0, :, None] * of_axis[:, 1, None, :]).reshape(len(part), -1))

    cubic, line = both(_cubic(part)), both(_line(part))
    is_cubic = near.all(axis=1)
    weight = np.where(is_cubic[:, None], cubic, line)
    is_valid = (near | (np.abs(weight) <= _EDGE)).all(axis=1)
    weight = np.where(np.abs(weight) <= _EDGE, 0, weight)
    return _Taps(index.reshape(len(part), -1), weight.astype(np.float32), is_valid)


def _slope(values: Single, pixel_mm: tuple[float, float]) -> Single:
    """Return the length of the gradient (y, x) per mm, from the neighbours that are numbers."""
    square = np.zeros(values.shape, np.float32)
    for axis, size_mm in enumerate(pixel_mm):
        steps = np.diff(values, axis=axis)
        sides = np.zeros((2, *values.shape), np.float32)
        before, after = np.moveaxis(sides, axis + 1, 1)
        before[1:] = after[:-1] = np.moveaxis(steps, axis, 0)
        known = np.isfinite(sides)
        n_known = np.maximum(known.sum(axis=0), 1)
        square += np.square(np.where(known, sides, 0).sum(axis=0) / (n_known * size_mm))
    return np.sqrt(square)


def _line(part: NDArray[np.float64]) -> NDArray[np.float64]:
    zero = np.zeros_like(part)
    return np.stack([zero, 1 - part, part, zero], axis=-1)


def _cubic(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of four neighbours, (place, axis, 4): Keys' with a = -1/2."""
    one, two, three = part, part**2, part**3
    weights = (-three + 2 * two - one, 3 * three - 5 * two + 2, -3 * three + 4 * two + one)
    return np.stack([*weights, three - two], axis=-1) / 2


def _filled(
    temperature: TemperatureMap, found: dict[str, Single | Mask], moving: Mask, is_valid: Mask
) -> TemperatureMap:
    """Return the map with the values that were found in its moving pixels."""
    valid = temperature.valid.copy()
    valid[moving] = is_valid
    fields: dict[str, NDArray[np.generic]] = {"valid": frozen(valid)}
    for name in ("temperature_c", "temperature_std_c", "common_std_c"):
        found.setdefault(name, np.full(len(is_valid), np.nan, np.float32))
    for name, values in found.items():
        whole = getattr(temperature, name).copy()
        filling = values if values.dtype == np.bool_ else np.where(is_valid, values, np.nan)
        whole[moving] = filling
        fields[name] = frozen(whole)
    return replace(temperature, **fields)  # type: ignore[arg-type]  # names and values above
