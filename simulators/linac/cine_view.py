"""k-space of a film's points as they move, by a forward NUFFT at 1e-9 and exact in time to 1e-4.

Within a frame of the sequence the points' k-space is computed at a few moments for all its
readouts, and interpolated in time; how many moments is found by trying the interpolation on the
fastest phase there is.
"""

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import finufft
import numpy as np
from numpy.typing import NDArray

from simulators.linac.view import Outline
from simulators.sequences.base import ScanSequence
from simulators.sequences.planned import PlannedReadout

if TYPE_CHECKING:
    from simulators.linac.cine import BentCine, PlayedCine

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

_NUFFT_TOLERANCE = 1e-9
_TIME_TOLERANCE = 1e-4  # of the fastest point's unit phase
_MOMENTS = (2, 3, 4, 5, 6, 8, 10, 13, 17, 22)


def point_sums(places_mm: Real, signal: Real, k_per_mm: Real) -> Complex:
    """Return Σ signal · exp(-2πi k·r) at k (…, 2)."""
    flat = np.ascontiguousarray(k_per_mm.reshape(-1, 2).T)
    x, y = np.ascontiguousarray(places_mm.T) * (2 * math.pi)
    sums = finufft.nufft2d3(
        x, y, signal.astype(np.complex128), *flat, isign=-1, eps=_NUFFT_TOLERANCE, nthreads=1
    )
    return np.asarray(sums).reshape(k_per_mm.shape[:-1])


class _FilmView:
    """Remembers the k-space of the frames that are being played."""

    def __init__(self, sequence: ScanSequence, waves_per_mm: Real) -> None:
        self._sequence, self._waves_per_mm = sequence, waves_per_mm
        self._frame = lru_cache(maxsize=2)(self._whole_frame)

    def waves(self, planned: PlannedReadout) -> Complex:
        """Return the object's k-space about each of the coils' waves, (wave, sample) in mm²."""
        readouts = self._frame(planned.frame)
        try:
            return readouts[round(planned.t_s * 1e9)]
        except KeyError:
            raise ValueError(f"frame {planned.frame} has no readout at {planned.t_s:g} s") from None

    def _whole_frame(self, frame: int) -> dict[int, Complex]:
        sequence = self._sequence
        planned = sequence.frame_readouts(frame, sequence.start_s(frame))
        if frame == 0:
            planned = [*sequence.lead_readouts(), *planned]
        times_s = np.array([one.t_s for one in planned])
        k_per_mm = np.stack([one.k_per_mm[:, :2] for one in planned])[:, None]
        around = k_per_mm - self._waves_per_mm[None, :, None]  # (readout, wave, sample, 2)
        values = self.played(times_s, around)
        return {round(t_s * 1e9): value for t_s, value in zip(times_s, values, strict=True)}

    def played(self, times_s: Real, k_per_mm: Real) -> Complex:
        """Return what each readout (readout, wave, sample) sees at its time."""
        raise NotImplementedError


class PlayedView(_FilmView):
    """Mixtures of a film's frames."""

    def __init__(self, cine: "PlayedCine", sequence: ScanSequence, *, waves_per_mm: Real) -> None:
        super().__init__(sequence, waves_per_mm)
        self._film = cine.film
        self._points = lru_cache(maxsize=4)(cine.film.points)

    def played(self, times_s: Real, k_per_mm: Real) -> Complex:
        """Return what each readout (readout, wave, sample) sees at its time."""
        at = np.interp(times_s, self._film.times_s, np.arange(len(self._film.times_s)))
        total = np.zeros(k_per_mm.shape[:-1], np.complex128)
        for frame in range(int(at.min()), math.ceil(at.max()) + 1):
            share = np.maximum(1 - abs(at - frame), 0)
            used = share > 0
            if used.any():
                seen = point_sums(*self._points(frame), k_per_mm[used])
                total[used] += share[used, None, None] * seen
        return total

    def outline(self, t_s: float, x_mm: Real, y_mm: Real) -> Outline:
        """Return nothing: nobody knows where the target is."""
        del t_s
        mask = np.zeros((y_mm.size, x_mm.size), bool)
        return Outline(np.full(2, np.nan), math.nan, np.full((128, 2), np.nan), mask)

    def spot(self) -> tuple[float, float, float]:
        """Return the middle, and the median signal of what is bright."""
        frame = self._film.frames[0]
        return 0.0, 0.0, float(np.median(frame[frame > frame.mean()]))


class BentView(_FilmView):
    """One frame of a film whose points move."""

    def __init__(self, cine: "BentCine", sequence: ScanSequence, *, waves_per_mm: Real) -> None:
        super().__init__(sequence, waves_per_mm)
        self._cine = cine
        self._places_mm, self._signal = cine.film.points(0)
        self._shares = cine.shares(self._places_mm)

    def in_plane_mm(self, t_s: Real) -> Real:
        """Return the target's displacement (…, 2), (x, y)."""
        moved = self._cine.displacement_mm(t_s)
        return np.asarray(np.stack([moved[..., 1], -moved[..., 2]], axis=-1))

    def played(self, times_s: Real, k_per_mm: Real) -> Complex:
        """Return what each readout (readout, wave, sample) sees at its time."""
        moments_s, shares = self._moments(times_s, float(np.abs(k_per_mm).max()))
        if len(moments_s) >= len(times_s):
            pairs = zip(times_s, k_per_mm, strict=True)
            return np.stack([self._sums(float(t_s), each) for t_s, each in pairs])
        total = np.zeros(k_per_mm.shape[:-1], np.complex128)
        for moment_s, share in zip(moments_s, shares.T, strict=True):
            total += share[:, None, None] * self._sums(float(moment_s), k_per_mm)
        return total

    def outline(self, t_s: float, x_mm: Real, y_mm: Real) -> Outline:
        """Return the target at scanner time t_s, on pixels at x_mm (x,) and y_mm (y,)."""
        cine, moved = self._cine, self.in_plane_mm(np.array(t_s))
        center, radii = np.array(cine.center_mm), np.array(cine.radii_mm)
        angle = 2 * np.pi * np.arange(128) / 128
        rest = center + radii * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        contour = rest + cine.shares(rest)[:, None] * moved
        x, y = contour.T
        now = np.stack(np.broadcast_arrays(x_mm[None, :], y_mm[:, None]), axis=-1)
        was = now
        for _ in range(40):  # a contraction: displacements are a fraction of the reach
            was = now - cine.shares(was)[..., None] * moved
        mask = (((was - center) / radii) ** 2).sum(-1) <= 1
        area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
        return Outline(contour.mean(axis=0), area, contour, mask)

    def spot(self) -> tuple[float, float, float]:
        """Return where the target is at time 0 (x, y), and the mean of its signal."""
        x, y = np.array(self._cine.center_mm) + self.in_plane_mm(np.array(0.0))
        rest = np.array(self._cine.center_mm)
        film, radii = self._cine.film, self._cine.radii_mm
        across = (film.places_mm(1)[None, :] - rest[0]) / radii[0]
        along = (film.places_mm(0)[:, None] - rest[1]) / radii[1]
        return float(x), float(y), float(film.frames[0][across**2 + along**2 <= 1].mean())

    def _sums(self, t_s: float, k_per_mm: Real) -> Complex:
        moved = self.in_plane_mm(np.array(t_s))
        return point_sums(self._places_mm + self._shares[:, None] * moved, self._signal, k_per_mm)

    def _moments(self, times_s: Real, k_max_per_mm: float) -> tuple[Real, Real]:
        """Return moments and their shares (time, moment) in each time's k-space.

        Chebyshev nodes; more of them until the phase of the fastest point comes out right.
        """

        def turns(t_s: Real) -> Complex:
            both = self.in_plane_mm(t_s) @ np.array([[1, 1], [1, -1]])
            return np.asarray(np.exp(2j * math.pi * k_max_per_mm * both))

        low, high = float(times_s.min()), float(times_s.max())
        for n in _MOMENTS:
            nodes = np.cos(np.pi * (np.arange(n) + 0.5) / n)
            moments_s = (low + high) / 2 + (high - low) / 2 * nodes
            shares = _lagrange(nodes, (times_s - (low + high) / 2) / max((high - low) / 2, 1e-9))
            if n >= len(times_s):
                break
            if abs(shares @ turns(moments_s) - turns(times_s)).max() < _TIME_TOLERANCE:
                return moments_s, shares
        return times_s, np.eye(len(times_s))


def _lagrange(nodes: Real, at: Real) -> Real:
    """Return the value of each node's polynomial (at, node)."""
    n = len(nodes)
    inverse = np.linalg.inv(np.polynomial.chebyshev.chebvander(nodes, n - 1))
    return np.asarray(np.polynomial.chebyshev.chebvander(at, n - 1) @ inverse)
