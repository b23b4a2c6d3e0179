"""The permit as a device must read it: a lease that lapses, silence that means HELD."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PermitChange:
    """What the monitor said of the permit, and when it took effect in scanner time.

    latency_s: wall time from the last readout of the frame before to its receipt.
    """

    t_s: float
    is_granted: bool
    lease_s: float
    reason: str
    frame_id: int
    latency_s: float


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Why and when the power went off. cause: held | lapse | silence | plan | end."""

    t_s: float
    cause: str
    frame_id: int = -1


class Lease:
    """Answers, for any scanner time, whether power is permitted and until when.

    Without a word from the monitor there is no permission.
    """

    def __init__(self) -> None:
        self._queue: list[PermitChange] = []
        self._current: PermitChange | None = None
        self._passed_hold: PermitChange | None = None
        self._silent_from_s = math.inf

    def change(self, change: PermitChange) -> None:
        """Take note of a permit; it counts from its own time on."""
        self._queue.append(change)
        self._queue.sort(key=lambda entry: entry.t_s)

    def fall_silent(self, t_s: float) -> None:
        """Nothing was heard for too long: HELD from here until the monitor grants again."""
        self._silent_from_s = min(self._silent_from_s, t_s)

    def granted_until(self, start_s: float, end_s: float) -> PowerOff | None:
        """Return when a permission that holds at `start_s` ends within (start, end], and why.

        A permission that outlives the interval gives `end_s` and "plan"; None where power is not
        permitted at `start_s`. A grant within the interval counts from the next one on; a hold
        counts for one interval at least, even where a grant follows on its heels.
        """
        self._passed_hold = None
        while self._queue and self._queue[0].t_s <= start_s:
            self._current = self._queue.pop(0)
            if self._current.is_granted and self._current.t_s >= self._silent_from_s:
                self._silent_from_s = math.inf
            if not self._current.is_granted:
                self._passed_hold = self._current
        if self._passed_hold or not self._holds_at(start_s):
            return None
        ends = [PowerOff(c.t_s, "held", c.frame_id) for c in self._queue if not c.is_granted]
        ends += [self._lapse(), PowerOff(self._silent_from_s, "silence")]
        first = min(ends, key=lambda off: off.t_s)
        return first if first.t_s < end_s else PowerOff(end_s, "plan")

    def why_held(self, t_s: float) -> PowerOff:
        """Return the cause for which power is not permitted at `t_s`."""
        current = self._passed_hold or self._current
        if self._silent_from_s <= t_s:
            return PowerOff(t_s, "silence")
        if current is None or not current.is_granted:
            return PowerOff(t_s, "held", -1 if current is None else current.frame_id)
        return PowerOff(t_s, "lapse", current.frame_id)

    def _holds_at(self, t_s: float) -> bool:
        current = self._current
        is_granted = current is not None and current.is_granted
        return is_granted and self._silent_from_s > t_s and self._lapse().t_s > t_s

    def _lapse(self) -> PowerOff:
        """Return where the lease lapses; what is renewed before it lapses does not."""
        granted = [self._current] if self._current else []
        granted += [change for change in self._queue if change.is_granted]
        lapse = PowerOff(-math.inf, "lapse")
        for change in granted:
            if lapse.t_s == -math.inf or change.t_s <= lapse.t_s:
                lapse = PowerOff(change.t_s + change.lease_s, "lapse", change.frame_id)
        return lapse
