"""What `mrmonitor watch` has heard, as far as it is shown."""

from collections import deque
from dataclasses import dataclass, field

import msgspec

from messages import Alert, RunStart, Verdict
from messages.codec import Envelope, Noun
from realtime.watched import SILENCE_NS, Watched

_MOST_FRAMES = 32
_RANKS = ("high", "medium", "low")


@dataclass(slots=True)
class Seen:
    """The monitor's state, and the last frames of the run that has the permit, newest first."""

    watched: Watched = field(default_factory=Watched)
    frames: deque[Verdict] = field(default_factory=lambda: deque(maxlen=_MOST_FRAMES))
    _frame_ns: int | None = None

    def hear(self, envelope: Envelope, noun: Noun, *, now_ns: int) -> None:
        """Take an event."""
        self.watched.hear(envelope, noun, now_ns=now_ns)
        if isinstance(noun, Verdict) and noun is self.watched.verdict:
            if self.frames and self.frames[0].run_id != noun.run_id:
                self.frames.clear()
            self.frames.appendleft(noun)
            self._frame_ns = now_ns - self.watched.late_ns

    @property
    def start(self) -> RunStart | None:
        """How the run began; None where that was before this watcher came."""
        return self.watched.start

    def frame_age_s(self, now_ns: int) -> float | None:
        """Return how long ago the last verdict was said."""
        return None if self._frame_ns is None else (now_ns - self._frame_ns) / 1e9

    def is_silent(self, now_ns: int) -> bool:
        """Whether nothing that is shown may be believed any more."""
        silent_ns = self.watched.silent_ns(now_ns)
        return silent_ns is None or silent_ns > SILENCE_NS

    def alerts(self) -> list[Alert]:
        """Return those that are not over, the most urgent first, of these the newest."""
        standing = self.watched.alerts.values()
        return sorted(standing, key=lambda one: (_RANKS.index(one.priority), -one.alert_id))

    def as_json(self, now_ns: int, *, permit: str | None = None) -> str:
        """Return the state as one line. permit: as the monitor says, who heard no permit yet."""
        state, reason = self.watched.permit(now_ns)
        if permit is not None:
            state, reason = permit, reason if permit == "HELD" else ""
        told = {
            "permit": state,
            "reason": reason if state == "HELD" else "",
            "lease_left_ms": round(self.watched.lease_left_ms(now_ns)) if state != "HELD" else 0,
            "epoch": self.watched.epoch,
            "run_id": self.watched.run_id,
            "is_silent": self.is_silent(now_ns),
            "verdict": self.watched.verdict,
            "alerts": self.alerts(),
            "misses_alerts": self.watched.misses_alerts,
        }
        return msgspec.json.encode(told).decode()

    def mark(self, now_ns: int) -> tuple[object, ...]:
        """Return what is another when there is something new to tell; time alone is not."""
        watched = self.watched
        alerts = tuple((one.alert_id, one.state) for one in self.alerts())
        state = watched.permit(now_ns)[0]
        doubts = self.is_silent(now_ns), watched.misses_alerts
        return state, *doubts, watched.run_id, alerts, id(watched.verdict)
