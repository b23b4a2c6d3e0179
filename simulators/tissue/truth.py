"""What a tissue scan should show at the moment of a frame's k-space centre."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.phantom import image
from simulators.sequence import centred
from simulators.tissue.points import Moment, Points
from simulators.tissue.tissue import Part, Tissue

Real = NDArray[np.floating[Any]]
Exact = NDArray[np.float64]
Complex = NDArray[np.complexfloating[Any, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class TissueTruth:
    """At points of space; NaN where there is no tissue.

    t_s: scanner time. rise_c: °C above body temperature. water, fat: complex signal at rest,
    without decay. fat_fraction: of magnitudes. displacement_mm: movement since rest, (x, y).
    off_resonance_hz: of the field alone, heat's own shift of water apart. push_um: displacement
    along the encoding gradient.
    """

    t_s: float
    rise_c: Real
    water: Complex
    fat: Complex
    fat_fraction: Real
    displacement_mm: tuple[Real, Real]
    off_resonance_hz: Real
    push_um: Real


def point_truth(
    tissue: Tissue,
    x_mm: Real,
    y_mm: Real,
    *,
    t_s: float,
    frame: int,
    h1_frequency_hz: float,
    rise_c: Callable[[Real, Real], Real],
) -> TissueTruth:
    """Return the truth at points that broadcast; where parts overlap, the one with most signal.

    rise_c: of points of tissue at rest.
    """
    x, y = (np.array(one, np.float64) for one in np.broadcast_arrays(x_mm, y_mm))
    blank = np.full(x.shape, np.nan)
    best, water, fat = np.zeros(x.shape), np.zeros(x.shape, "c16"), np.zeros(x.shape, "c16")
    rest_x, rest_y = blank.copy(), blank.copy()
    for part in tissue.parts:
        at_x, at_y = _resting(tissue, part, x, y, t_s)
        here_water, here_fat = image(part.water, at_x, at_y), image(part.fat, at_x, at_y)
        size = abs(here_water) + abs(here_fat)
        wins = size > best
        water[wins], fat[wins] = here_water[wins], here_fat[wins]
        rest_x[wins], rest_y[wins] = at_x[wins], at_y[wins]
        best = np.maximum(best, size)
    inside = best > 0
    fraction = np.divide(abs(fat), best, out=blank.copy(), where=inside)
    rise, pushed = blank.copy(), blank.copy()
    rise[inside] = rise_c(rest_x[inside], rest_y[inside])
    if tissue.push is not None:
        pushed[inside] = tissue.push.displacement_um(rest_x[inside], rest_y[inside], frame=frame)
    hz = tissue.field_hz(x, y, t_s=t_s, h1_frequency_hz=h1_frequency_hz)
    moved = x - rest_x, y - rest_y
    return TissueTruth(t_s, rise, water, fat, fraction, moved, np.broadcast_to(hz, x.shape), pushed)


def _resting(tissue: Tissue, part: Part, x: Exact, y: Exact, t_s: float) -> tuple[Exact, Exact]:
    breathing = tissue.breathing
    if breathing is None or not part.moves:
        return x, y
    across_mm = breathing.across_now_mm(t_s)
    return x - across_mm, np.asarray(breathing.resting_mm(y, t_s), np.float64)


class Pixels:
    """The reconstruction's pixels as an unfiltered inverse FFT sees points through them."""

    def __init__(self, matrix: tuple[int, int], fov_mm: tuple[float, float]) -> None:
        self._matrix, self._fov_mm = matrix, fov_mm

    def seen(self, value: Complex, points: Points, moment: Moment) -> Complex:
        """Return values (y, x) of points in the band of the acquired k-space, on the pixels."""
        (n_x, n_y), (wide, high) = self._matrix, self._fov_mm
        along_x = _band(n_x, wide, points.x_mm + moment.across_mm, points.step_mm[0])
        along_y = _band(n_y, high, moment.y_mm, points.step_mm[1])
        return np.asarray(along_y @ value @ along_x.T)

    def averaged(self, value: Real, points: Points, moment: Moment) -> Real:
        """Return sums (y, x) of the points' values over the pixels' boxes."""
        (n_x, n_y), (wide, high) = self._matrix, self._fov_mm
        along_x = _boxes(n_x, wide, points.x_mm + moment.across_mm, points.step_mm[0])
        along_y = _boxes(n_y, high, moment.y_mm, points.step_mm[1])
        return np.asarray(along_y @ value @ along_x.T)


def _band(n: int, fov_mm: float, at_mm: Real, step_mm: float) -> Complex:
    """Return what an inverse FFT of n positions of k makes of points: (pixel, point)."""
    k_per_mm = centred(n) / fov_mm
    weight = step_mm / np.sinc(k_per_mm * step_mm) ** 2 / fov_mm
    pixels_mm = centred(n) * fov_mm / n
    back = np.exp(2j * np.pi * np.outer(pixels_mm, k_per_mm)) * weight
    return np.asarray(back @ np.exp(-2j * np.pi * np.outer(k_per_mm, at_mm)))


def _boxes(n: int, fov_mm: float, at_mm: Real, step_mm: float) -> Real:
    """Return how much of each point's cell lies in each pixel's box: (pixel, point)."""
    pixel_mm = fov_mm / n
    pixels_mm = centred(n)[:, None] * pixel_mm
    high = np.minimum(pixels_mm + pixel_mm / 2, at_mm + step_mm / 2)
    low = np.maximum(pixels_mm - pixel_mm / 2, at_mm - step_mm / 2)
    return np.asarray(np.maximum(high - low, 0) / step_mm)
