"""What a watcher may believe of a monitor: a lapsed lease and a silent monitor mean HELD."""

from dataclasses import dataclass, field

from messages import Alert, Heartbeat, Permit, RunStart, RunStop, Verdict
from messages.codec import Envelope, Noun

SILENCE_NS = 500_000_000  # five heartbeats


@dataclass(slots=True)
class Watched:
    """The state of a monitor as heard so far; the caller brings the time."""

    epoch: str = ""
    run_id: str = ""
    verdict: Verdict | None = None
    heartbeat: Heartbeat | None = None
    alerts: dict[int, Alert] = field(default_factory=dict)
    last_alert: int = 0
    _permit: Permit | None = None
    _permit_ns: int = 0
    _heard_ns: int | None = None

    @property
    def misses_alerts(self) -> bool:
        """Whether the monitor has published alerts that were not heard."""
        return self.heartbeat is not None and self.heartbeat.last_alert > self.last_alert

    def hear(self, envelope: Envelope, noun: Noun, *, now_ns: int) -> None:
        """Take an event."""
        if envelope.epoch != self.epoch:
            self._begin(envelope.epoch)
        self._heard_ns = now_ns
        if isinstance(noun, Heartbeat):
            self.heartbeat, self.run_id = noun, noun.run_id
        elif isinstance(noun, Permit):
            self._permit, self._permit_ns = noun, now_ns
        elif isinstance(noun, Verdict) and self._is_ours(noun.run_id):
            self.verdict = noun
        elif isinstance(noun, RunStart) and not self.run_id:
            # of several runs the heartbeat names the one that has the permit
            self.run_id, self.verdict = noun.run_id, None
        elif isinstance(noun, RunStop) and self._is_ours(noun.run_id):
            self._permit = None
        elif isinstance(noun, Alert) and envelope.sequence == self.last_alert + 1:
            # one out of sequence comes again, in order, when the missed ones are asked for
            self.last_alert = envelope.sequence
            self.note(noun)

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
        if self._permit is None:
            return "HELD", "no permit heard yet" if self.run_id else "no treatment is running"
        if self._permit.state == "HELD":
            return "HELD", self._permit.reason
        left_ms = self._permit.lease_ms - (now_ns - self._permit_ns) / 1e6
        if left_ms <= 0:
            return "HELD", f"the lease lapsed {abs(left_ms) / 1e3:.1f} s ago"
        return "GRANTED", f"for another {left_ms / 1e3:.1f} s"

    def _begin(self, epoch: str) -> None:
        """Forget what another life of the monitor said."""
        self.epoch, self.run_id, self.verdict, self.heartbeat = epoch, "", None, None
        self.alerts, self.last_alert, self._permit = {}, 0, None
