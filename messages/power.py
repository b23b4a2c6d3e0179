"""What the therapy device said of its power."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]


def _nothing() -> Times:
    return np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class PowerLog:
    """Power as steps: watts[i] from time_s[i] until time_s[i + 1], the last one until now.

    time_s: float64 (step,), scanner time, rising. watts: float64 (step,).
    Empty where the device has said nothing: then nothing is known, which is not the same as 0 W.
    """

    time_s: Times = field(default_factory=_nothing)
    watts: Times = field(default_factory=_nothing)

    @property
    def is_known(self) -> bool:
        """Whether the device has said anything."""
        return self.watts.size > 0

    @property
    def now_w(self) -> float | None:
        """Return the power now; None where it is not known."""
        return float(self.watts[-1]) if self.is_known else None

    @property
    def on_since_s(self) -> float | None:
        """Return since when power has flown without a break; None where it does not flow."""
        if not self.is_known or self.watts[-1] <= 0:
            return None
        off = np.flatnonzero(self.watts <= 0)
        return float(self.time_s[off[-1] + 1 if off.size else 0])

    def energy_j(self, start_s: float, end_s: float) -> float:
        """Return the energy between two scanner times; what came before the log counts as none."""
        starts = np.clip(self.time_s, start_s, end_s)
        ends = np.clip(np.append(self.time_s[1:], np.inf), start_s, end_s)
        return float(np.sum(self.watts * (ends - starts)))

    def merged(self, later: "PowerLog") -> "PowerLog":
        """Return both logs as one; steps that both hold count once."""
        if not self.is_known or not later.is_known:
            return later if later.is_known else self
        before = self.time_s < later.time_s[0]
        return PowerLog(
            np.concatenate([self.time_s[before], later.time_s]),
            np.concatenate([self.watts[before], later.watts]),
        )
