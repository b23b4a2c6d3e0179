"""The last seconds of a measured position, and its value at any moment among them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]  # times and positions: float32 has not a microsecond in a day


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Measured positions, oldest first, without a gap longer than is bridged.

    time_s: (sample,). position_mm: (sample, axis).
    """

    time_s: Real = field(default_factory=lambda: np.empty(0))
    position_mm: Real = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def newest_s(self) -> float:
        """When the last position was measured."""
        return float(self.time_s[-1])

    @property
    def newest_mm(self) -> Real:
        """The last position, (axis,)."""
        return np.asarray(self.position_mm[-1])

    @property
    def span_s(self) -> float:
        """How far back it reaches."""
        return float(self.time_s[-1] - self.time_s[0]) if len(self.time_s) else 0.0

    def at(self, time_s: Real) -> Real:
        """Return the positions (time, axis) at these times, linear between samples, held beyond."""
        found = np.empty((len(time_s), self.position_mm.shape[1]))
        for axis, one_mm in enumerate(self.position_mm.T):
            found[:, axis] = np.interp(time_s, self.time_s, one_mm)
        return found

    def with_sample(
        self, time_s: float, position_mm: Real, *, longest_gap_s: float, span_s: float
    ) -> "History":
        """Return it with one more sample, what is older than `span_s` forgotten.

        After a longer gap, and where time runs back, it starts anew.
        """
        now_s, now_mm = np.array([time_s]), position_mm[None]
        if not len(self.time_s) or not 0 < time_s - self.time_s[-1] <= longest_gap_s:
            return History(now_s, now_mm)
        first = int(self.time_s.searchsorted(time_s - span_s))
        return History(
            np.concatenate([self.time_s[first:], now_s]),
            np.concatenate([self.position_mm[first:], now_mm]),
        )
