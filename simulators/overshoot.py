"""How far the true focus went beyond the limit, and what let it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulators.lease import PowerOff
from simulators.truth import TruthLog


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Scanner time of a frame's k-space centre and of its last readout."""

    center_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Overshoot:
    """The true peak above the limit and its parts, which add up to it. All in °C.

    due_to_frame_time_c: from crossing the limit to the last readout of the first frame whose
        k-space centre lies after it: no monitor can know earlier.
    due_to_detection_c: frames that came and went before the monitor held: noise, blur, partial
        volume.
    due_to_processing_c: from the last readout of the frame that made it hold to the power's end.
    due_to_lease_c: no HELD came; until the lease lapsed or silence was noticed.
    not_stopped_c: nobody stopped it; the plan ended.
    """

    limit_c: float
    peak_c: float
    overshoot_c: float
    due_to_frame_time_c: float = 0.0
    due_to_detection_c: float = 0.0
    due_to_processing_c: float = 0.0
    due_to_lease_c: float = 0.0
    not_stopped_c: float = 0.0
    crossed_s: float | None = None
    power_off: PowerOff | None = None


def split_overshoot(
    log: TruthLog, frames: Sequence[FrameTimes], *, limit_c: float, offs: Sequence[PowerOff]
) -> Overshoot:
    """Split the overshoot among its causes. offs: every end of power, in order."""
    peak_c = max(log.peak_c, default=float("nan"))
    if not peak_c > limit_c:
        return Overshoot(limit_c, peak_c, 0.0, power_off=offs[0] if offs else None)
    crossed_s = _crossing_s(log, limit_c)
    end = PowerOff(log.sample_time_s[-1], "end")
    off = next((entry for entry in offs if entry.t_s >= crossed_s), end)
    shown_s = min(next((f.end_s for f in frames if f.center_s >= crossed_s), off.t_s), off.t_s)
    decided_s = shown_s
    if off.cause == "held" and 0 <= off.frame_id < len(frames):
        decided_s = min(max(frames[off.frame_id].end_s, shown_s), off.t_s)
    over_c = peak_c - limit_c
    to_shown_c = min(log.peak_at_c(shown_s) - limit_c, over_c)
    to_decided_c = min(log.peak_at_c(decided_s) - limit_c, over_c)
    rest_c = over_c - to_decided_c
    return Overshoot(
        limit_c,
        peak_c,
        over_c,
        due_to_frame_time_c=to_shown_c,
        due_to_detection_c=to_decided_c - to_shown_c,
        due_to_processing_c=rest_c if off.cause == "held" else 0.0,
        due_to_lease_c=rest_c if off.cause in ("lapse", "silence") else 0.0,
        not_stopped_c=rest_c if off.cause in ("plan", "end") else 0.0,
        crossed_s=crossed_s,
        power_off=off,
    )


def _crossing_s(log: TruthLog, limit_c: float) -> float:
    index = int(np.argmax(np.array(log.peak_c) > limit_c))
    if index == 0:
        return log.sample_time_s[0]
    times, peaks = log.sample_time_s[index - 1 : index + 1], log.peak_c[index - 1 : index + 1]
    return float(np.interp(limit_c, peaks, times))
