"""A part of the tissue as material points on a fine grid, and what they are doing at a moment."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.phantom import Ellipse
from simulators.tissue.heated_box import HeatedBox
from simulators.tissue.tissue import Part, Tissue

Real = NDArray[np.floating[Any]]
Map = NDArray[np.float32]
Complex = NDArray[np.complexfloating[Any, Any]]

_OFFSET = 0.37  # no ellipse's middle lies on a point
_FINE = 8  # rows of an ellipse between two points
STANDS_STILL_S = 0.002  # echoes this close share a moment


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """y_mm (y,): where the rows are. across_mm: how far all columns have gone.

    hz (y, x): off-resonance, all but water's own shift by heat. rise_c (row, column) of the box
    `at`, None where nothing is warm.
    """

    t_s: float
    y_mm: Real
    across_mm: float
    hz: Map
    rise_c: Map | None


class Points:
    """Material points of a part. step_mm: between them at rest, (x, y).

    Each holds the tissue about it, weighted by a triangle of two steps' width; `weights` undoes
    that in k-space, so that edges have their true spectrum up to the grid's own limit.
    """

    def __init__(
        self,
        part: Part,
        tissue: Tissue,
        *,
        step_mm: tuple[float, float],
        h1_frequency_hz: float,
        box: HeatedBox | None = None,
    ) -> None:
        self.part, self._tissue, self._hertz = part, tissue, h1_frequency_hz
        self.step_mm = step_mm
        low, high = _bounds((*part.water, *part.fat))
        self.x_mm, self.y_mm = (
            first - 2 * step + step * (np.arange(math.ceil((last - first) / step) + 5) + _OFFSET)
            for first, last, step in zip(low, high, step_mm, strict=True)
        )
        self.water = self._smooth(part.water) if part.water else None
        self.fat = self._smooth(part.fat) if part.fat else None
        self._box = box
        if box is not None:
            rows, columns = box.rows(self.y_mm), box.columns(self.x_mm)
            inside_y = np.flatnonzero(rows.any(axis=1))
            inside_x = np.flatnonzero(columns.any(axis=0))
            if inside_y.size and inside_x.size:
                self.at = (
                    slice(int(inside_y[0]), int(inside_y[-1]) + 1),
                    slice(int(inside_x[0]), int(inside_x[-1]) + 1),
                )
                self._rows, self._columns = rows[self.at[0]], columns[:, self.at[1]]
            else:
                self._box = None
        self._held: Moment | None = None
        self._still = self._still_hz()

    def at_time(self, t_s: float, *, exactly: bool = False) -> Moment:
        """Return what the points do; echoes within 2 ms share a moment unless it is `exactly`."""
        held = self._held
        if held is None or exactly or not 0 <= t_s - held.t_s < STANDS_STILL_S:
            held = self._held = self._moment(t_s)
        return held

    def weights(self, k_per_mm: Real) -> Real:
        """Return what a sum over the points is multiplied by at positions k (sample, 2 or more)."""
        (wide, high), k = self.step_mm, k_per_mm
        return np.asarray(
            wide * high / (np.sinc(k[:, 0] * wide) ** 2 * np.sinc(k[:, 1] * high) ** 2)
        )

    def _moment(self, t_s: float) -> Moment:
        tissue, breathing = self._tissue, self._tissue.breathing
        y_mm, across_mm = self.y_mm, 0.0
        if self.part.moves and breathing is not None:
            y_mm = y_mm + breathing.along_mm(y_mm, t_s)
            across_mm = breathing.across_now_mm(t_s)
        if self._still is not None:
            still, drifting = self._still
            hz = still
            if drifting is not None and tissue.drift is not None:
                hz = still + drifting * np.float32(tissue.drift.share(t_s))
        else:
            x, y = self.x_mm[None] + across_mm, y_mm[:, None]
            hz = _map(tissue.field_hz(x, y, t_s=t_s, h1_frequency_hz=self._hertz), self._shape)
        if self._box is None:
            return Moment(t_s, y_mm, across_mm, hz, None)
        warm_fat = self._in_box(self._box.field_plane(t_s))
        if warm_fat is not None:
            hz = hz.copy()
            hz[self.at] += np.float32(self._hertz) * warm_fat
        return Moment(t_s, y_mm, across_mm, hz, self._in_box(self._box.plane(t_s)))

    def _in_box(self, plane: Map | None) -> Map | None:
        return None if plane is None else np.asarray(self._rows @ plane @ self._columns)

    def _still_hz(self) -> tuple[Map, Map | None] | None:
        """Return what never changes and what drift multiplies, where nothing else moves."""
        tissue = self._tissue
        if tissue.breathing is not None and (self.part.moves or tissue.bodies):
            return None
        x, y = self.x_mm[None], self.y_mm[:, None]
        start = tissue.field_hz(x, y, t_s=0.0, h1_frequency_hz=self._hertz)
        pattern = tissue.drift.pattern.hz(x, y) if tissue.drift else None
        return _map(start, self._shape), None if pattern is None else _map(pattern, self._shape)

    @property
    def _shape(self) -> tuple[int, int]:
        return self.y_mm.size, self.x_mm.size

    def _smooth(self, ellipses: Sequence[Ellipse]) -> Complex:
        """Average ellipses under the triangle: in closed form along x, by fine rows along y."""
        inner = np.arange(-_FINE + 1, _FINE) / _FINE
        triangle = (1 - abs(inner)) / _FINE
        y_mm = self.y_mm[:, None] + inner * self.step_mm[1]
        value: Complex = np.zeros(self._shape, np.complex64)
        for ellipse in ellipses:
            first, last = _crossings(ellipse, y_mm.ravel())
            covered = _left_of(last, self.x_mm, self.step_mm[0])
            covered -= _left_of(first, self.x_mm, self.step_mm[0])
            rows = covered.reshape(*y_mm.shape, -1)
            value += ellipse.weight * np.einsum("i,yix->yx", triangle, rows)
        return value


def _crossings(ellipse: Ellipse, y_mm: Real) -> tuple[Real, Real]:
    """Return where rows enter and leave an ellipse; the same place twice where they miss it."""
    turn, (a, b) = math.radians(ellipse.angle_deg), ellipse.semi_axes_mm
    cos, sin = math.cos(turn), math.sin(turn)
    y = y_mm - ellipse.center_mm[1]
    square = (cos / a) ** 2 + (sin / b) ** 2
    half = y * cos * sin * (a**-2 - b**-2)
    rest = y**2 * ((sin / a) ** 2 + (cos / b) ** 2) - 1
    width = np.sqrt(np.maximum(half**2 - square * rest, 0))
    middle = ellipse.center_mm[0] - half / square
    return middle - width / square, middle + width / square


def _left_of(edge_mm: Real, x_mm: Real, step_mm: float) -> Real:
    """Return how much of the triangle about each point lies left of an edge: (edge, point)."""
    u = np.clip(np.subtract.outer(edge_mm, x_mm) / step_mm, -1, 1)
    return np.asarray((0.5 + u - u * abs(u) / 2).astype(np.float32))


def _bounds(ellipses: Sequence[Ellipse]) -> tuple[Real, Real]:
    low, high = [], []
    for one in ellipses:
        turn, (a, b) = math.radians(one.angle_deg), one.semi_axes_mm
        reach = np.array(
            [
                math.hypot(a * math.cos(turn), b * math.sin(turn)),
                math.hypot(a * math.sin(turn), b * math.cos(turn)),
            ]
        )
        low.append(one.center_mm - reach)
        high.append(one.center_mm + reach)
    return np.min(low, axis=0), np.max(high, axis=0)


def _map(values: Real, shape: tuple[int, int]) -> Map:
    return np.broadcast_to(values, shape).astype(np.float32)
