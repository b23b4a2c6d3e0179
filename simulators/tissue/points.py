"""A part of the tissue as material points on a fine grid, and what they are doing at a moment."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.phantom import Ellipse, image
from simulators.tissue.heated_box import HeatedBox
from simulators.tissue.tissue import Part, Tissue

Real = NDArray[np.floating[Any]]
Map = NDArray[np.float32]
Complex = NDArray[np.complexfloating[Any, Any]]

_OFFSET = 0.37  # no ellipse's middle lies on a point
_FINE = 6  # samples of an ellipse between two points
STANDS_STILL_S = 0.002  # echoes this close share a moment


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """y_mm (y,): where the rows are. across_mm: how far all columns have gone.

    hz (y, x): off-resonance without heat's own. rise_c (row, column) of the box `at`, or None.
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
        return Moment(t_s, y_mm, across_mm, hz, self._rise_c(t_s))

    def _rise_c(self, t_s: float) -> Map | None:
        if self._box is None:
            return None
        plane = self._box.plane(t_s)
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
        inner = np.arange(-_FINE + 1, _FINE) / _FINE
        triangle = (1 - abs(inner)) / _FINE
        (wide, high), n = self.step_mm, inner.size
        x = (self.x_mm[:, None] + inner * wide).ravel()
        value = np.empty(self._shape, np.complex64)
        for row, y_mm in enumerate(self.y_mm):
            fine = image(ellipses, x[None], (y_mm + inner * high)[:, None])
            value[row] = (triangle @ fine).reshape(-1, n) @ triangle
        return value


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
