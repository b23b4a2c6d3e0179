"""Pennes' equation in a box, step by step: modes of cosines, with an exact exponential each."""

import math
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn

from simulators.tissue.heat import Heat
from simulators.tissue.warm_fat import WarmFat

Real = NDArray[np.floating[Any]]
Modes = NDArray[np.float32]
Moved = Callable[[Real, Real, float], tuple[Real, Real]]
"""Where points at rest are at a time."""

_STEP_S = 0.25


class HeatedBox:
    """The rise of temperature in the plane z = 0 of tissue at rest, at any time.

    Diffusion and resting perfusion are exact in each mode; what perfusion adds to its rest, and a
    source that moves, are constant within a step of 0.25 s (first order, Cox and Matthews 2002,
    doi:10.1006/jcph.2002.6995, eq. 4). Between steps the rise is interpolated.

    moved: where the tissue goes, for a source that does not follow it. warm_fat: what makes the
    field of warm fat out of (x, y) of the nodes and how many there are in depth.
    """

    def __init__(
        self,
        heat: Heat,
        *,
        moved: Moved | None = None,
        warm_fat: Callable[[Real, Real, int], WarmFat] | None = None,
    ) -> None:
        self.heat, self._moved = heat, None if heat.follows else moved
        n_x, n_y = (math.ceil(side / heat.grid_mm) for side in heat.extent_mm)
        n_z = math.ceil(heat.half_depth_mm / heat.grid_mm)
        self._counts = n_y, n_x, n_z
        self._x0, self._y0 = (
            middle - n * heat.grid_mm / 2
            for middle, n in zip(heat.center_mm, (n_x, n_y), strict=True)
        )
        ky, kx, kz = (math.pi / (n * heat.grid_mm) * np.arange(n + 1) for n in self._counts)
        squares = ky[:, None, None] ** 2 + kx[:, None] ** 2 + kz**2
        medium = heat.medium
        self._decay_per_s = medium.diffusivity_mm2_per_s * squares + medium.perfusion_per_s
        self._modes = np.zeros(squares.shape)
        self._factors: dict[float, tuple[Real, Real]] = {}
        starts = [t_s for t_s, watts in heat.plan.steps if watts > 0]
        self._times = [starts[0] if starts else math.inf]
        self._planes: list[Modes] = [np.zeros((n_y + 1, n_x + 1), np.float32)]
        self._fields: list[Modes] = [self._planes[0]]
        self._fat = warm_fat(*self._nodes_mm, n_z + 1) if warm_fat else None

    def plane(self, t_s: float) -> Modes | None:
        """Return the modes (y, x) of the plane's rise in °C, None before the first heat."""
        return self._between(self._planes, t_s)

    def field_plane(self, t_s: float) -> Modes | None:
        """Return the modes (y, x) of warm fat's relative field; None where there is none."""
        return None if self._fat is None else self._between(self._fields, t_s)

    def _between(self, planes: list[Modes], t_s: float) -> Modes | None:
        if t_s <= self._times[0]:
            return None
        while self._times[-1] < t_s:
            self._advance()
        after = bisect_right(self._times, t_s)
        if after == len(self._times):
            return planes[-1]
        before_s, after_s = self._times[after - 1], self._times[after]
        share = np.float32((t_s - before_s) / (after_s - before_s))
        return np.asarray(planes[after - 1] * (1 - share) + planes[after] * share)

    @property
    def _nodes_mm(self) -> tuple[Real, Real]:
        """(x, y), columns and rows that broadcast."""
        n_y, n_x, _ = self._counts
        x_mm = self._x0 + self.heat.grid_mm * np.arange(n_x + 1)
        y_mm = self._y0 + self.heat.grid_mm * np.arange(n_y + 1)
        return x_mm[None, :], y_mm[:, None]

    def rows(self, y_mm: Real) -> Modes:
        """Return what takes modes to rows at y: (row, mode); zero outside of the box."""
        return self._cosines(y_mm - self._y0, self._counts[0])

    def columns(self, x_mm: Real) -> Modes:
        """Return what takes modes to columns at x: (mode, column); zero outside of the box."""
        return self._cosines(x_mm - self._x0, self._counts[1]).T

    def rise_c(self, x_mm: Real, y_mm: Real, *, t_s: float) -> Real:
        """Return the rise at points of tissue at rest that broadcast."""
        plane = self.plane(t_s)
        x, y = np.broadcast_arrays(x_mm, y_mm)
        if plane is None:
            return np.zeros(x.shape)
        rows, columns = self.rows(y.ravel()), self.columns(x.ravel())
        return np.asarray(np.einsum("pj,jp->p", rows @ plane, columns).reshape(x.shape))

    def _cosines(self, from_wall_mm: Real, n: int) -> Modes:
        waves_per_mm = math.pi / (n * self.heat.grid_mm) * np.arange(n + 1)
        inside = (from_wall_mm >= 0) & (from_wall_mm <= n * self.heat.grid_mm)
        return (np.cos(np.outer(from_wall_mm, waves_per_mm)) * inside[:, None]).astype(np.float32)

    def _advance(self) -> None:
        start_s = self._times[-1]
        end_s = self._step_end_s(start_s)
        keep, gain = self._step_factors(end_s - start_s)
        driven = self._driven((start_s + end_s) / 2)
        self._modes = keep * self._modes
        if driven is not None:
            self._modes += gain * self._to_modes(driven)
        self._times.append(end_s)
        self._planes.append(self._modes.sum(axis=2).astype(np.float32))
        if self._fat is not None:
            field = self._to_modes(self._fat.plane(self._nodes()))
            self._fields.append(field.astype(np.float32))

    def _step_end_s(self, start_s: float) -> float:
        """To the next quarter of a second or the next switch; wider long after the last one."""
        switches = [t_s for t_s, _ in self.heat.plan.steps]
        since_s = start_s - max((t_s for t_s in switches if t_s <= start_s), default=start_s)
        is_idle = self.heat.plan.watts(start_s) == 0 and since_s > 30
        step_s = 8 * _STEP_S if is_idle else _STEP_S
        regular_s = (math.floor(start_s / step_s + 1e-9) + 1) * step_s
        return min([regular_s, *(t_s for t_s in switches if t_s > start_s)])

    def _driven(self, t_s: float) -> Real | None:
        """Heating (°C/s) on the nodes beyond what the modes do by themselves; None for none."""
        heat, driven = self.heat, None
        watts = heat.plan.watts(t_s)
        if watts > 0:
            x, y = self._nodes_mm
            if self._moved is not None:
                x, y = self._moved(x, y, t_s)
            z = heat.grid_mm * np.arange(self._counts[2] + 1)
            shape = heat.source(x[..., None], y[..., None], z, t_s=t_s)
            driven = watts * heat.rate_c_per_s_w * shape
        factor = heat.medium.perfusion_factor
        if factor is not None:
            rise_c = self._nodes()
            extra = -(factor(t_s, rise_c) - 1) * heat.medium.perfusion_per_s * rise_c
            driven = extra if driven is None else driven + extra
        return driven

    def _nodes(self) -> Real:
        return np.asarray(idctn(self._modes * self._weights(), type=1))

    def _to_modes(self, nodes: Real) -> Real:
        return np.asarray(dctn(nodes, type=1) / self._weights(nodes.ndim))

    def _weights(self, n_axes: int = 3) -> Real:
        """Return what a DCT of type 1 makes of a cosine of height 1: n, or 2 n at both ends."""
        weights = np.ones(())
        for n in self._counts[:n_axes]:
            along = np.full(n + 1, float(n))
            along[[0, -1]] *= 2
            weights = np.multiply.outer(weights, along)
        return weights

    def _step_factors(self, step_s: float) -> tuple[Real, Real]:
        key = round(step_s, 9)
        if key not in self._factors:
            decay = self._decay_per_s
            safe = np.where(decay > 0, decay, 1.0)
            grown = np.where(decay > 0, -np.expm1(-safe * step_s) / safe, step_s)
            self._factors[key] = np.exp(-decay * step_s), grown
        return self._factors[key]
