"""The figures of a linac's run: duty, what was outside, why it was held, how it was predicted."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messages import BeamLog
from realtime.outputs.report_beams import ended_and_open_s
from realtime.outputs.report_motion_series import MotionSeries
from realtime.outputs.report_record import RunRecord

_HOLDS = re.compile(r"(?:^|; )hold ([a-z0-9-]+):")
TRAINING = "training"
LEARNING = "gate: its place is being learned"
WAITING = "another slice, a latched alert, or no valid verdict yet"


@dataclass(frozen=True, slots=True)
class Duty:
    """Shares of the time after training, percent, and the target's area outside the boundary.

    treated: how long that was, in seconds, or frames where there is no clock.
    too_much_beam_on_percent: of the beam-on time, with more of the area outside than allowed.
    beam_percent, *_beam_on_percent: NaN where the accelerator said nothing.
    """

    treated: float
    permit_percent: float
    gate_percent: float
    beam_percent: float
    outside_mean_percent: float
    outside_beam_on_percent: float
    too_much_beam_on_percent: float
    n_gate_closed: int


@dataclass(frozen=True, slots=True)
class Held:
    """One reason: for how long, how often it began."""

    reason: str
    lasted: float
    share_percent: float
    n_times: int


@dataclass(frozen=True, slots=True)
class PredictionError:
    """Predicted place against the tracked one at that moment, both axes together.

    rms_mm: of the prediction. hold_rms_mm: had the last place been held. coverage_percent: of
    tracked places that lay within the interval.
    """

    n: int
    rms_mm: float
    hold_rms_mm: float
    coverage_percent: float


def duty(run: RunRecord, series: MotionSeries) -> Duty | None:
    """Return how the time after training was used; None where there was none."""
    rows = series.is_treating
    if not rows.any():
        return None
    lasts = series.lasts[rows]
    beam, outside = series.beam[rows], series.outside_percent[rows]
    is_open = series.is_gate_open[rows]
    known, is_on = np.isfinite(beam), (beam == 1) & np.isfinite(outside)
    most = _most_outside_percent(run)
    return Duty(
        float(lasts.sum()),
        _share(series.is_granted[rows], lasts),
        _share(is_open, lasts),
        _share(beam[known] == 1, lasts[known]),
        _mean(outside, lasts),
        _mean(outside[is_on], lasts[is_on]),
        _share(outside[is_on] > most, lasts[is_on]),
        int(np.count_nonzero(is_open[:-1] & ~is_open[1:])),
    )


@dataclass(frozen=True, slots=True)
class GateLatency:
    """From the moment that an image shows to the beam, ms.

    assumed_ms: by which predictions look ahead, median; NaN where none was made. n, median_ms,
    most_ms: of the frames that closed the gate while the beam was on, until it was reported off.
    n_still_on: those after which the beam was never reported off.
    """

    assumed_ms: float
    n: int
    median_ms: float
    most_ms: float
    n_still_on: int


def gate_latency(run: RunRecord, series: MotionSeries) -> GateLatency:
    """Return how far the prediction looked ahead, and how long the beam really took to go off."""
    ahead_s = (series.effect_time_s - series.time_s)[np.isfinite(series.effect_time_s)]
    assumed_ms = 1e3 * float(np.median(ahead_s)) if ahead_s.size else np.nan
    closed, (spans, starts_s) = _closed_s(series), ended_and_open_s(run.beams or BeamLog())
    # a beam may start after the image that closed the gate: for the one that had opened it
    took_ms = [
        1e3 * (stop_s - closed_s)
        for closed_s, opened_s in closed
        for start_s, stop_s in spans
        if closed_s < stop_s and start_s < opened_s
    ]
    n_still_on = sum(start_s < opened_s for _, opened_s in closed for start_s in starts_s)
    median_ms, most_ms = (np.median(took_ms), max(took_ms)) if took_ms else (np.nan, np.nan)
    return GateLatency(assumed_ms, len(took_ms), float(median_ms), most_ms, n_still_on)


def _closed_s(series: MotionSeries) -> list[tuple[float, float]]:
    """Return when images closed the gate, and when the next one opened it; ∞ where none did.

    Left out: frames of which nobody knows which moment they showed.
    """
    is_open = series.is_gate_open & series.is_granted
    opened = series.time_s[1:][~is_open[:-1] & is_open[1:]].tolist()
    closed = series.time_s[1:][is_open[:-1] & ~is_open[1:]].tolist()
    return [
        (closed_s, min((one for one in opened if one > closed_s), default=math.inf))
        for closed_s in closed
        if math.isfinite(closed_s)
    ]


def holds(run: RunRecord, series: MotionSeries) -> list[Held]:
    """Return why the permit was HELD, longest first; a frame may have several reasons."""
    findings = {row.frame_id: _HOLDS.findall(row.findings) for row in run.verdicts}
    total = float(series.lasts.sum()) or 1.0
    reasons: dict[str, NDArray[np.bool_]] = {}
    for index, frame in enumerate(series.frame):
        if series.is_granted[index]:
            continue
        is_early = not series.is_treating[index]
        for reason in findings.get(int(frame)) or [TRAINING if is_early else WAITING]:
            told = LEARNING if is_early and reason == "gate" else reason
            reasons.setdefault(told, np.zeros(series.frame.size, np.bool_))[index] = True
    found = [
        Held(reason, float(series.lasts[is_held].sum()),
             100 * float(series.lasts[is_held].sum()) / total, _n_begun(is_held))
        for reason, is_held in reasons.items()
    ]  # fmt: skip
    return sorted(found, key=lambda one: -one.lasted)


def prediction_error(series: MotionSeries) -> PredictionError | None:
    """Compare predictions with what was tracked later, linearly between frames, slice by slice.

    After training, and only where both neighbours of that moment were tracked; None where there
    is nothing to compare.
    """
    found = [
        (row, later_mm)
        for number in np.unique(series.slice)
        for row, later_mm in _tracked_later(series, int(number))
        if np.isfinite(series.predicted_mm[row]).all()
    ]
    if not found:
        return None
    rows, later_mm = np.array([row for row, _ in found]), np.array([one for _, one in found])
    is_inside = (series.low_mm[rows] <= later_mm) & (later_mm <= series.high_mm[rows])
    return PredictionError(
        len(found),
        _rms(series.predicted_mm[rows] - later_mm),
        _rms(series.displacement_mm[rows] - later_mm),
        100 * float(is_inside.mean()),
    )


def _tracked_later(series: MotionSeries, number: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield tracked rows of a slice, and where the target was tracked at beam effect, (y, x)."""
    is_usable = (series.slice == number) & series.is_tracked & series.is_treating
    timed = np.flatnonzero((series.slice == number) & np.isfinite(series.time_s))
    time_s = series.time_s[timed]
    for row in np.flatnonzero(is_usable & np.isfinite(series.time_s + series.effect_time_s)):
        effect_s = series.effect_time_s[row]
        after = int(np.searchsorted(time_s, effect_s))
        if not 0 < after < timed.size:
            continue
        one, other = timed[after - 1], timed[after]
        if series.is_tracked[one] and series.is_tracked[other]:
            part = (effect_s - series.time_s[one]) / (series.time_s[other] - series.time_s[one])
            start, stop = series.displacement_mm[one], series.displacement_mm[other]
            yield int(row), start + part * (stop - start)


def _most_outside_percent(run: RunRecord) -> float:
    """Return what the protocol allows; NaN where it is not known."""
    motion = None if run.protocol is None else run.protocol.motion
    most = None if motion is None else motion.max_outside_percent
    return np.nan if most is None else most


def _rms(error_mm: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.sum(error_mm**2, axis=1))))


def _share(flags: NDArray[np.bool_], lasts: NDArray[np.float64]) -> float:
    total = float(lasts.sum())
    return 100 * float(lasts[flags].sum()) / total if total > 0 else np.nan


def _mean(values: NDArray[np.float64], lasts: NDArray[np.float64]) -> float:
    known = np.isfinite(values)
    total = float(lasts[known].sum())
    return float((values[known] * lasts[known]).sum()) / total if total > 0 else np.nan


def _n_begun(flags: NDArray[np.bool_]) -> int:
    return int(flags[0]) + int(np.count_nonzero(~flags[:-1] & flags[1:]))
