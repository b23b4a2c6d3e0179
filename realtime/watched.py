"""What a watcher may believe of a monitor: lapsed lease, silence, being late itself mean HELD."""

from collections import deque
from dataclasses import dataclass, field

from messages import Alert, Heartbeat, Permit, RunStart, RunStop, Verdict
from messages.codec import Envelope, Noun

SILENCE_NS = 500_000_000  # five heartbeats
CONFLICT_NS = 5_000_000_000  # so long nothing is believed after two monitors were heard as one
_MOST_PAST = 16
_MOST_RUNS = 16
LATE_NS = SILENCE_NS  # what is heard so late is no better than silence


@dataclass(slots=True)
class Watched:
    """The state of a monitor as heard so far; the caller brings the time.

    late_ns: by how much later than the promptest event the last one was heard.
    """

    epoch: str = ""
    run_id: str = ""
    verdict: Verdict | None = None
    heartbeat: Heartbeat | None = None
    alerts: dict[int, Alert] = field(default_factory=dict)
    last_alert: int = 0
    late_ns: int = 0
    _permit: Permit | None = None
    _permit_ns: int = 0
    _heard_ns: int | None = None
    _least_lag_ns: int | None = None
    _past: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_PAST))
    _sequences: dict[type[Noun], int] = field(default_factory=dict)
    _starts: dict[str, RunStart] = field(default_factory=dict)
    _conflict: str = ""
    _conflict_ns: int = 0

    @property
    def start(self) -> RunStart | None:
        """How the run that is followed began; None where that was not heard."""
        return self._starts.get(self.run_id)

    @property
    def misses_alerts(self) -> bool:
        """Whether the monitor has published alerts that were not heard."""
        return self.heartbeat is not None and self.heartbeat.last_alert > self.last_alert

    def hear(self, envelope: Envelope, noun: Noun, *, now_ns: int) -> None:
        """Take an event. One of an epoch that was over is of another monitor, and not taken."""
        self._note_conflict(envelope, type(noun), now_ns)
        if envelope.epoch in self._past:
            return
        if envelope.epoch != self.epoch:
            self._begin(envelope.epoch)
        self._heard_ns = now_ns
        self.late_ns = self._lateness_ns(envelope, now_ns)
        if isinstance(noun, Heartbeat):
            self.heartbeat, self.run_id = noun, noun.run_id
            if noun.permit_state == "HELD" and self._permit and self._permit.state == "GRANTED":
                # the permit that took it back was lost on its way
                self._permit = Permit("HELD", 0.0, "the monitor says HELD", self._permit.frame_id)
        elif isinstance(noun, Permit):
            # a permit that lay in a queue was running all the while
            self._permit, self._permit_ns = noun, now_ns - self.late_ns
        elif isinstance(noun, Verdict) and self._is_ours(noun.run_id):
            self.verdict = noun
        elif isinstance(noun, RunStart):
            self._begin_run(noun)
        elif isinstance(noun, RunStop) and self._is_ours(noun.run_id):
            self._permit = None
        elif isinstance(noun, Alert) and envelope.sequence == self.last_alert + 1:
            # one out of sequence comes again, in order, when the missed ones are asked for
            self.last_alert = envelope.sequence
            self.note(noun)

    def _begin_run(self, start: RunStart) -> None:
        self._starts[start.run_id] = start
        if len(self._starts) > _MOST_RUNS:
            del self._starts[next(iter(self._starts))]
        # of several runs the heartbeat names the one that has the permit
        if not self.run_id:
            self.run_id, self.verdict = start.run_id, None

    def _note_conflict(self, envelope: Envelope, kind: type[Noun], now_ns: int) -> None:
        """Note where what is heard as one monitor must be two: sequences of one only rise."""
        if envelope.epoch in self._past:
            self._conflict = f"two monitors publish here: {envelope.epoch} and {self.epoch}"
            self._conflict_ns = now_ns
        elif envelope.epoch == self.epoch:
            last, self._sequences[kind] = self._sequences.get(kind, 0), envelope.sequence
            if envelope.sequence <= last:
                self._conflict = f"two monitors publish as {self.epoch}: a sequence went back"
                self._conflict_ns = now_ns
        else:
            self._past.extend([self.epoch] if self.epoch else [])
            self._sequences = {kind: envelope.sequence}

    def _lateness_ns(self, envelope: Envelope, now_ns: int) -> int:
        """Return by how much later than the promptest event this one was heard.

        The clocks of two machines have no common zero, so what is late is told by what was not.
        """
        if envelope.at_ms is None:
            return 0
        lag_ns = now_ns - round(envelope.at_ms * 1e6)
        least_ns = lag_ns if self._least_lag_ns is None else min(self._least_lag_ns, lag_ns)
        self._least_lag_ns = least_ns
        return lag_ns - least_ns

    def is_current(self, envelope: Envelope, run_id: str) -> bool:
        """Return whether an event is of the monitor that is heard, and of its run."""
        return envelope.epoch == self.epoch and self._is_ours(run_id)

    def _is_ours(self, run_id: str) -> bool:
        return not (run_id and self.run_id) or run_id == self.run_id

    def caught_up(self, alerts: list[Alert]) -> None:
        """Take the alerts that had been missed, in order."""
        for alert in alerts:
            self.note(alert)
        self.last_alert += len(alerts)

    def note(self, alert: Alert) -> None:
        """Keep the newest word on an alert; one that is over is forgotten."""
        if alert.state == "withdrawn":
            self.alerts.pop(alert.alert_id, None)
        else:
            self.alerts[alert.alert_id] = alert

    def permit(self, now_ns: int) -> tuple[str, str]:
        """Return GRANTED or HELD, and why."""
        if self._heard_ns is None:
            return "HELD", "no monitor heard yet"
        if now_ns - self._heard_ns > SILENCE_NS:
            return "HELD", f"monitor silent for {(now_ns - self._heard_ns) / 1e9:.1f} s"
        if self.late_ns > LATE_NS:
            return "HELD", f"this watcher is {self.late_ns / 1e9:.1f} s behind the monitor"
        if self._conflict and now_ns - self._conflict_ns <= CONFLICT_NS:
            return "HELD", self._conflict
        if self._permit is None:
            return "HELD", "no permit heard yet" if self.run_id else "no treatment is running"
        if self._permit.state == "HELD":
            return "HELD", self._permit.reason
        left_ms = self.lease_left_ms(now_ns)
        if left_ms <= 0:
            return "HELD", f"the lease lapsed {abs(left_ms) / 1e3:.1f} s ago"
        return "GRANTED", f"for another {left_ms / 1e3:.1f} s"

    def lease_left_ms(self, now_ns: int) -> float:
        """Return how long the last permit goes on, below 0 where it has lapsed."""
        if self._permit is None:
            return 0.0
        return self._permit.lease_ms - (now_ns - self._permit_ns) / 1e6

    def silent_ns(self, now_ns: int) -> int | None:
        """Return the age of the monitor's last word, None before the first."""
        return None if self._heard_ns is None else now_ns - self._heard_ns + self.late_ns

    def _begin(self, epoch: str) -> None:
        """Forget what another life of the monitor said."""
        self.epoch, self.run_id, self.verdict, self.heartbeat = epoch, "", None, None
        self.alerts, self.last_alert, self._permit = {}, 0, None
        self._least_lag_ns, self._starts = None, {}
