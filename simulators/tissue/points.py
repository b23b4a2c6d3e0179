"""A part of the tissue as material points on a fine grid, and what they are doing at a moment."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.tissue.filled import Counts, Filled
from simulators.tissue.heated_box import HeatedBox
from simulators.tissue.raster import bounds, smooth
from simulators.tissue.tissue import Part, Tissue

Real = NDArray[np.floating[Any]]
Map = NDArray[np.float32]
Complex = NDArray[np.complexfloating[Any, Any]]

_OFFSET = 0.37  # no ellipse's middle lies on a point
STANDS_STILL_S = 0.002  # echoes of a train share their moment; 0.03 mm of a fast breath


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
        low, high = bounds((*part.water, *part.fat))
        self.x_mm, self.y_mm = (
            first - 2 * step + step * (np.arange(math.ceil((last - first) / step) + 5) + _OFFSET)
            for first, last, step in zip(low, high, step_mm, strict=True)
        )
        self.water = smooth(part.water, self.x_mm, self.y_mm) if part.water else None
        self.fat = smooth(part.fat, self.x_mm, self.y_mm) if part.fat else None
        self.filled_water = None if self.water is None else Filled(self.water)
        self.filled_fat = None if self.fat is None else Filled(self.fat)
        both = [one.at for one in (self.filled_water, self.filled_fat) if one is not None]
        self._rows_of, self._columns_of = np.divmod(np.unique(np.concatenate(both)), self.x_mm.size)
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
        self._in_box_of: dict[int, tuple[Counts, Counts]] = {}
        self._held: Moment | None = None
        self._still = self._still_hz()

    def at_time(self, t_s: float, *, exactly: bool = False) -> Moment:
        """Return what the points do, to the nearest 2 ms unless it is `exactly`."""
        if exactly:
            return self._moment(t_s)
        rounded_s = round(t_s / STANDS_STILL_S) * STANDS_STILL_S
        if self._held is None or self._held.t_s != rounded_s:
            self._held = self._moment(rounded_s)
        return self._held

    def in_box(self, filled: Filled) -> tuple[Counts, Counts]:
        """Return which of the filled points lie in the heated box, and where in it each is."""
        if id(filled) not in self._in_box_of:
            self._in_box_of[id(filled)] = filled.within(*self.at)
        return self._in_box_of[id(filled)]

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
            x, y = self._places(y_mm, across_mm)
            hz = self._map(tissue.field_hz(x, y, t_s=t_s, h1_frequency_hz=self._hertz))
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
        x, y = self._places(self.y_mm, 0.0)
        start = tissue.field_hz(x, y, t_s=0.0, h1_frequency_hz=self._hertz)
        pattern = tissue.drift.pattern.hz(x, y) if tissue.drift else None
        return self._map(start), None if pattern is None else self._map(pattern)

    def _places(self, y_mm: Real, across_mm: float) -> tuple[Real, Real]:
        """Return where the filled points are; float32 is exact to 1e-5 mm."""
        x_mm, y_mm = self.x_mm + across_mm, np.asarray(y_mm)
        return x_mm.astype("f4")[self._columns_of], y_mm.astype("f4")[self._rows_of]

    def _map(self, values: Real) -> Map:
        """Return values where there is tissue, and 0 where what they are matters to nobody."""
        grid = np.zeros((self.y_mm.size, self.x_mm.size), np.float32)
        grid[self._rows_of, self._columns_of] = values
        return grid
