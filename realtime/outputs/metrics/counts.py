"""What is counted of a monitor's events."""

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Histogram

from messages import Alert, RunStop, Verdict
from messages.codec import Noun
from realtime.watched import Watched

# of deadlines from 20 ms to 2 s, and of stages that take tenths of a millisecond
AGE_BUCKETS_S = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3,
    0.5, 1.0, 2.0,
)  # fmt: skip
STAGE_BUCKETS_S = (0.0001, 0.0002, 0.0005, *AGE_BUCKETS_S)
_OUTCOMES = ("COMPUTED", "LATE", "FAULT")
_MOST_BETWEEN_NS = 500_000_000  # beyond it this process stood still, and knows of no permit


class Counts:
    """Counters and histograms in a registry; they begin at 0 with this process."""

    def __init__(self, registry: CollectorRegistry, watched: Watched) -> None:
        self._watched = watched
        self._looked_ns: int | None = None
        self._state = "HELD"
        self._told_missed: Tally[str] = Tally()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"mrmonitor_{name}", text, labels, registry=registry)

        self._frames = counter("frames", "Frames answered, by outcome.", "outcome")
        self._findings = counter("findings", "Findings in frames.", "rule", "severity")
        self._alerts = counter("alerts_raised", "Alerts raised.", "event", "priority")
        self._permits = counter("permit_changes", "Changes of the permit to a state.", "state")
        self._granted_s = counter("permit_granted_seconds", "Time for which it was granted.")
        self._runs = counter("runs", "Runs that have ended, by how.", "status")
        self._readouts = counter("readouts", "Readouts of runs that have ended.")
        self._bad_readouts = counter(
            "bad_readouts", "Readouts of ended runs that were duplicate, lost or unused.", "kind"
        )
        self._incomplete = counter("incomplete_frames", "Frames of ended runs that lacked lines.")
        self._missed = counter("events_missed", "Events that this process did not hear.", "topic")
        self._age_s = Histogram(
            "mrmonitor_frame_age_seconds",
            "From a frame's last readout to its verdict, whatever its outcome.",
            buckets=AGE_BUCKETS_S,
            registry=registry,
        )
        self._stage_s = Histogram(
            "mrmonitor_stage_seconds",
            "What a stage of a computed frame took.",
            ["stage"],
            buckets=STAGE_BUCKETS_S,
            registry=registry,
        )
        for outcome in _OUTCOMES:
            self._frames.labels(outcome)
        for state in ("GRANTED", "HELD"):
            self._permits.labels(state)
        for kind in ("duplicate", "lost", "unused"):
            self._bad_readouts.labels(kind)

    def hear(self, noun: Noun) -> None:
        """Count an event."""
        if isinstance(noun, Verdict):
            self._count_frame(noun)
        elif isinstance(noun, Alert) and noun.state == "raised":
            self._alerts.labels(noun.event, noun.priority).inc()
        elif isinstance(noun, RunStop):
            self._runs.labels(noun.status).inc()
            self._readouts.inc(noun.n_readouts)
            self._bad_readouts.labels("duplicate").inc(noun.n_duplicate_readouts)
            self._bad_readouts.labels("lost").inc(noun.n_lost_readouts)
            self._bad_readouts.labels("unused").inc(noun.n_unused_readouts)
            self._incomplete.inc(noun.n_incomplete)

    def look(self, now_ns: int, *, missed: Tally[str]) -> None:
        """Count how long the permit was granted, and what was missed. Call it often."""
        state = self._watched.permit(now_ns)[0]
        since_ns = 0 if self._looked_ns is None else now_ns - self._looked_ns
        if state != self._state:
            self._permits.labels(state).inc()
        elif state == "GRANTED" and since_ns <= _MOST_BETWEEN_NS:
            self._granted_s.inc(since_ns / 1e9)
        self._state, self._looked_ns = state, now_ns
        for topic, n_missed in (missed - self._told_missed).items():
            self._missed.labels(topic).inc(n_missed)
        self._told_missed = missed.copy()

    def _count_frame(self, verdict: Verdict) -> None:
        self._frames.labels(verdict.outcome).inc()
        self._age_s.observe(verdict.age_ms / 1e3)
        for finding in verdict.findings:
            self._findings.labels(finding.rule, finding.severity).inc()
        for stage, took_ms in (verdict.stage_ms or {}).items():
            self._stage_s.labels(stage).observe(took_ms / 1e3)
