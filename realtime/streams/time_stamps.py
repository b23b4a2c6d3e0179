"""Scanner ticks to seconds.

What one tick is, the file does not say: Siemens counts 2.5 ms since midnight, the standard's text
says ms, other consoles write µs, simulators leave 0. The protocol may say it; otherwise it is
decided once, from the vendor and from how far the ticks move from readout to readout, and never
guessed after. A readout cannot take less time than its sampling, and hardly more than one TR.

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
_TICKS = {"2.5ms": "2.5 ms", "ms": "1 ms", "us": "1 µs", "ns": "1 ns"}
TR_TOLERANCE = 0.2
CONTRADICTION = 1.5
_WRAP = 1 << 32
_DAY_S = 86400
_NS_WRAPS = "ns in 32 bits start anew every 4.3 s: a gap of more than 2.1 s is not seen"
_HINT = "set stream.time_stamp_unit"


@dataclass(frozen=True, slots=True)
class UnitDecision:
    """What a tick is, and on what ground, in words for the run's record.

    warning: what speaks against it, empty where nothing does.
    """

    unit: TimeStampUnit
    reason: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class _Rate:
    """How far ticks move from readout to readout, and how long that may take.

    mean, least, most: ticks a readout; the last tick of a span may have just come, or just not.
    """

    mean: float
    least: float
    most: float
    readout_s: float | None
    tr_s: float | None
    readouts_per_tr: int | None

    def is_possible(self, unit: TimeStampUnit, margin: float = 1.0) -> bool:
        """Whether a readout would take at least its sampling, and at most a TR."""
        return self.is_slow_enough(unit, margin) and self.is_fast_enough(unit, margin)

    def is_slow_enough(self, unit: TimeStampUnit, margin: float = 1.0) -> bool:
        seconds = SECONDS_PER_TICK[unit]
        return self.readout_s is None or self.most * seconds * margin >= self.readout_s

    def is_fast_enough(self, unit: TimeStampUnit, margin: float = 1.0) -> bool:
        most_s = None if self.tr_s is None else self.tr_s * max(margin, 1 + TR_TOLERANCE)
        return most_s is None or self.least * SECONDS_PER_TICK[unit] <= most_s

    def fits_tr(self, unit: TimeStampUnit) -> bool:
        """Whether so many readouts take one TR."""
        if self.tr_s is None or self.readouts_per_tr is None:
            return False
        expected_s = self.tr_s / self.readouts_per_tr
        return abs(self.mean * SECONDS_PER_TICK[unit] - expected_s) <= TR_TOLERANCE * expected_s

    def fits(self) -> list[TimeStampUnit]:
        """Return the units that the rate allows: those that fit the TR where any does."""
        possible = [unit for unit in SECONDS_PER_TICK if self.is_possible(unit)]
        exact = [unit for unit in possible if self.fits_tr(unit)]
        # without the sampling's time every finer unit is possible too
        return exact or ([] if self.readout_s is None else possible)

    def contradiction(self, unit: TimeStampUnit) -> str:
        """Say how the rate speaks against a unit, by more than half as much again; or empty."""
        step = f"a readout every {_number(self.mean * SECONDS_PER_TICK[unit] * 1e3)} ms"
        if self.readout_s is not None and not self.is_slow_enough(unit, CONTRADICTION):
            return f"{step}, but sampling one takes {_number(self.readout_s * 1e3)} ms"
        if self.tr_s is not None and not self.is_fast_enough(unit, CONTRADICTION):
            return f"{step}, but the TR is {_number(self.tr_s * 1e3)} ms"
        return ""


def decide_unit(
    ticks: NDArray[np.uint32],
    *,
    setting: TimeStampUnit = "auto",
    vendor: str = "",
    tr_s: float | None = None,
    readout_s: float | None = None,
    readouts_per_tr: int | None = 1,
) -> UnitDecision:
    """Decide what a tick is from the ticks of consecutive readouts; the answer is never "auto".

    readout_s: how long one readout is sampled: number of samples times dwell time.
    readouts_per_tr: how many of these readouts one TR holds, None where that is not known: EPI,
        segments.

    Stamps that do not move are no clock whatever the setting says. A unit that the protocol sets is
    kept, with a warning where the rate of the readouts contradicts it. Siemens means 2.5 ms unless
    the rate contradicts that *and* either a readout would take less than its sampling or another
    unit explains the TR; a TR that no unit explains is itself what is wrong (converters of pulseq
    write dummies). Without a known vendor exactly one unit must do: its mean step fits the TR
    within 20 %, or lies between the sampling's time and a TR. What cannot be told is "none".
    """
    if setting == "none":
        return UnitDecision("none", "the protocol says so")
    if ticks.size < 2 or np.all(ticks == ticks[0]):
        return UnitDecision("none", "the time stamps do not move")
    rate = _rate(ticks, readout_s, tr_s, readouts_per_tr)
    if setting != "auto":
        return UnitDecision(setting, "the protocol says so", _warning(rate, setting))
    if "siemens" in vendor.lower():
        return _siemens(rate)
    if tr_s is None:
        return UnitDecision("none", f"neither vendor nor TR tells; {_HINT}")
    step, tr = f"a mean step of {rate.mean:.6g} ticks", f"a TR of {tr_s * 1e3:g} ms"
    fits = rate.fits()
    if len(fits) != 1:
        how = "no unit" if not fits else f"{' and '.join(fits)} alike"
        return UnitDecision("none", f"{step} fits {tr} in {how}; {_HINT}")
    if rate.fits_tr(fits[0]):
        return UnitDecision(fits[0], f"{step} is {tr}", _warning(rate, fits[0]))
    reason = f"{step} lies between a readout's sampling and {tr}"
    return UnitDecision(fits[0], reason, _warning(rate, fits[0]))


def _siemens(rate: _Rate) -> UnitDecision:
    problem = rate.contradiction("2.5ms")
    others = [unit for unit in rate.fits() if unit != "2.5ms"]
    if problem and (others or not rate.is_slow_enough("2.5ms", CONTRADICTION)):
        return UnitDecision(
            "none", f"the vendor is SIEMENS, but ticks of 2.5 ms make {problem}; {_HINT}"
        )
    return UnitDecision("2.5ms", "the vendor is SIEMENS", _warning(rate, "2.5ms"))


def _warning(rate: _Rate, unit: TimeStampUnit) -> str:
    problem = rate.contradiction(unit)
    if problem:
        return f"time stamps in ticks of {_TICKS[unit]} make {problem}"
    return _NS_WRAPS if unit == "ns" else ""


def _number(value: float) -> str:
    """Return three digits, or all before the point: 1000 and not 1e+03."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _rate(
    ticks: NDArray[np.uint32],
    readout_s: float | None,
    tr_s: float | None,
    readouts_per_tr: int | None,
) -> _Rate:
    """Measure the mean step: a TR of 4 ms makes steps of 1 and 2 ticks of 2.5 ms."""
    steps = np.diff(ticks.astype(np.float64))
    # Pauses between slices or dynamics are longer than a TR, and a wrap is no step at all; a late
    # readout steps back by what the next steps on. EPI stamps many lines alike, and then the steps
    # that are taken tell what is usual.
    sizes = np.abs(steps)
    usual = float(np.median(sizes)) or float(np.median(sizes[sizes > 0]))
    kept = steps[sizes <= 3 * usual]
    n_steps, span = kept.size, max(float(kept.sum()), 0.0)
    return _Rate(
        mean=span / n_steps,
        least=max(span - 1, 0.0) / n_steps,
        most=(span + 1) / n_steps,
        readout_s=readout_s or None,
        tr_s=tr_s,
        readouts_per_tr=readouts_per_tr,
    )


@dataclass(frozen=True, slots=True)
class ScannerClock:
    """Scanner time as a fold over ticks: it wraps at 32 bits and, for times of day, at midnight.

    Give `advance` the ticks of each frame, in order of arrival; it returns the clock that follows
    and the seconds since the session's first tick. Until the ticks have moved, nothing is decided
    and the seconds are NaN, as they are where the scanner gives no clock: a clock that stands still
    would make every frame last 0 s and hide the dose.

    readout_s, readouts_per_tr: as for `decide_unit`, of the readouts within one frame.
    """

    setting: TimeStampUnit = "auto"
    vendor: str = ""
    tr_s: float | None = None
    decision: UnitDecision | None = None
    last_ticks: int | None = None
    elapsed_ticks: int = 0
    readout_s: float | None = None
    readouts_per_tr: int | None = 1

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
        return decide_unit(
            ticks,
            setting=self.setting,
            vendor=self.vendor,
            tr_s=self.tr_s,
            readout_s=self.readout_s,
            readouts_per_tr=self.readouts_per_tr,
        )


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
