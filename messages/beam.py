"""What the accelerator said of its beams."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def _times() -> NDArray[np.float64]:
    return np.zeros(0)


def _numbers() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


def _flags() -> NDArray[np.bool_]:
    return np.zeros(0, np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class BeamLog:
    """Reports by rising time: at time_s[i] beam number[i] is on or off, and has delivered mu[i].

    time_s: float64 (report,), scanner time. number: int64 (report,), the plan's beam number.
    is_on: bool (report,). mu: float64 (report,), monitor units of that beam in this fraction.
    Between two reports of a beam its units rise evenly; after the last report nothing is known.
    Empty where the accelerator has said nothing: then nothing is known, which is not beam off.
    """

    time_s: NDArray[np.float64] = field(default_factory=_times)
    number: NDArray[np.int64] = field(default_factory=_numbers)
    is_on: NDArray[np.bool_] = field(default_factory=_flags)
    mu: NDArray[np.float64] = field(default_factory=_times)

    @property
    def is_known(self) -> bool:
        """Whether the accelerator has said anything."""
        return self.time_s.size > 0

    @property
    def is_beam_on(self) -> bool | None:
        """Whether any beam was on at the last report; None where nothing is known."""
        return bool(self.is_on[-1]) if self.is_known else None

    def delivered_mu(self, number: int, until_s: float) -> float:
        """Return a beam's monitor units by a scanner time, as far as reports reach."""
        of_beam = self.number == number
        if not of_beam.any():
            return 0.0
        return float(np.interp(until_s, self.time_s[of_beam], self.mu[of_beam], left=0.0))

    def merged(self, later: "BeamLog") -> "BeamLog":
        """Return both logs as one; reports that both hold count once."""
        if not self.is_known or not later.is_known:
            return later if later.is_known else self
        before = self.time_s < later.time_s[0]
        return BeamLog(
            np.concatenate([self.time_s[before], later.time_s]),
            np.concatenate([self.number[before], later.number]),
            np.concatenate([self.is_on[before], later.is_on]),
            np.concatenate([self.mu[before], later.mu]),
        )
