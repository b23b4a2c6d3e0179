"""Scanner ticks to seconds.

What one tick is, the file does not say: Siemens counts 2.5 ms since midnight, the standard's text
says ms, other consoles write µs, simulators leave 0. The protocol may say it; otherwise it is
decided once, from the vendor or from how far the ticks move in one TR, and never guessed after.

float64 throughout: a day in ticks of 2.5 ms needs 26 bits, float32 keeps 24.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TimeStampUnit = Literal["auto", "2.5ms", "ms", "us", "ns", "none"]

SECONDS_PER_TICK: dict[TimeStampUnit, float] = {
    "2.5ms": 2.5e-3,
    "ms": 1e-3,
    "us": 1e-6,
    "ns": 1e-9,
}
TR_TOLERANCE = 0.2
_WRAP = 1 << 32
_DAY_S = 86400


@dataclass(frozen=True, slots=True)
class UnitDecision:
    """What a tick is, and on what ground, in words for the run's record."""

    unit: TimeStampUnit
    reason: str


def decide_unit(
    ticks: NDArray[np.uint32],
    *,
    setting: TimeStampUnit = "auto",
    vendor: str = "",
    tr_s: float | None = None,
) -> UnitDecision:
    """Decide what a tick is from the ticks of consecutive readouts; the answer is never "auto".

    Stamps that do not move are no clock whatever the setting says. Without a vendor that is known,
    the mean step from readout to readout must fit the TR within 20 % in exactly one unit; the mean,
    because a TR of 4 ms makes steps of 1 and 2 ticks of 2.5 ms.
    """
    if setting == "none":
        return UnitDecision("none", "the protocol says so")
    if ticks.size < 2 or np.all(ticks == ticks[0]):
        return UnitDecision("none", "the time stamps do not move")
    if setting != "auto":
        return UnitDecision(setting, "the protocol says so")
    if "siemens" in vendor.lower():
        return UnitDecision("2.5ms", "the vendor is SIEMENS")
    if tr_s is None:
        return UnitDecision("none", "neither vendor nor TR tells; set stream.time_stamp_unit")
    steps = np.diff(ticks.astype(np.float64))
    steps = steps[steps >= 0]
    usual = float(np.median(steps)) if steps.size else 0.0
    # Pauses between slices or dynamics are longer than a TR.
    mean = float(steps[steps <= 3 * usual].mean()) if usual > 0 else float(steps.mean())
    fits = [
        unit
        for unit, seconds in SECONDS_PER_TICK.items()
        if abs(mean * seconds - tr_s) <= TR_TOLERANCE * tr_s
    ]
    if len(fits) != 1:
        return UnitDecision(
            "none",
            f"a mean step of {mean:g} ticks fits a TR of {tr_s * 1e3:g} ms in no unit; "
            "set stream.time_stamp_unit",
        )
    return UnitDecision(fits[0], f"a mean step of {mean:g} ticks is a TR of {tr_s * 1e3:g} ms")


@dataclass(frozen=True, slots=True)
class ScannerClock:
    """Scanner time as a fold over ticks: it wraps at 32 bits and, for times of day, at midnight.

    Give `advance` the ticks of each frame, in order of arrival; it returns the clock that follows
    and the seconds since the session's first tick. Until the ticks have moved, nothing is decided
    and the seconds are NaN, as they are where the scanner gives no clock: a clock that stands still
    would make every frame last 0 s and hide the dose.
    """

    setting: TimeStampUnit = "auto"
    vendor: str = ""
    tr_s: float | None = None
    decision: UnitDecision | None = None
    last_ticks: int | None = None
    elapsed_ticks: int = 0

    def advance(self, ticks: NDArray[np.uint32]) -> tuple["ScannerClock", NDArray[np.float64]]:
        """Return the clock after these readouts, and their seconds (readout,)."""
        if ticks.size == 0:
            return self, np.empty(0)
        decision = self.decision or self._decide(ticks)
        first = int(ticks[0]) if self.last_ticks is None else self.last_ticks
        unit = "none" if decision is None else decision.unit
        elapsed = self.elapsed_ticks + np.cumsum(_steps(first, ticks, unit))
        clock = replace(
            self, decision=decision, last_ticks=int(ticks[-1]), elapsed_ticks=int(elapsed[-1])
        )
        seconds: NDArray[np.float64] = elapsed * np.float64(SECONDS_PER_TICK.get(unit, np.nan))
        return clock, seconds

    def _decide(self, ticks: NDArray[np.uint32]) -> UnitDecision | None:
        if self.last_ticks is not None:
            ticks = np.concatenate([np.array([self.last_ticks], np.uint32), ticks])
        if self.setting != "none" and np.all(ticks == ticks[0]):
            return None
        return decide_unit(ticks, setting=self.setting, vendor=self.vendor, tr_s=self.tr_s)


def _steps(first: int, ticks: NDArray[np.uint32], unit: TimeStampUnit) -> NDArray[np.int64]:
    """Return how far each readout is from the one before it; a late readout steps back."""
    values = np.concatenate([[first], ticks.astype(np.int64)])
    steps = np.diff(values)
    period = np.full(steps.shape, _WRAP, np.int64)
    if unit in ("2.5ms", "ms"):
        day_ticks = round(_DAY_S / SECONDS_PER_TICK[unit])
        # A stamp beyond a day's end is not a time of day, so it can only wrap at 32 bits.
        period[np.maximum(values[:-1], values[1:]) < day_ticks] = day_ticks
    return steps - period * np.rint(steps / period).astype(np.int64)
