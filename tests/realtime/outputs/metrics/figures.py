"""A monitor's events with times of a test's choice, and the metrics that they make."""

from collections import Counter

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from messages import Alert, Finding, FrameKey, Heartbeat, Permit, RunStart, RunStop, Verdict
from messages.codec import Envelope
from realtime.outputs.metrics.counts import Counts
from realtime.outputs.metrics.processes import Processes
from realtime.outputs.metrics.state import State
from realtime.watched import Watched

START = RunStart(
    "run", "brain", "cafe", "mrgfus", "digest", "tcp:1.2.3.4:5", "2026-11-22T01:00:00", "host", {},
    (1, 32, 32), (64.0, 64.0, 5.0), 100.0, 4500.0, {},
)  # fmt: skip
STOP = RunStop("run", "completed", "closed", "2026-11-22T01:10:00", 7, 2, 1, 3, 200, 5, 6, 4)
STAGES = {"reconstruct": 0.6, "measure": 2.0}


def verdict(frame_id: int = 0, outcome: str = "COMPUTED", age_ms: float = 4.0) -> Verdict:
    stages = STAGES if outcome == "COMPUTED" else None
    found = () if outcome == "COMPUTED" else (Finding("late-frame", "hold", "no verdict in time"),)
    return Verdict(
        frame_id, FrameKey(), outcome, "HELD", findings=found, age_ms=age_ms, stage_ms=stages,
        run_id="run",
    )  # fmt: skip


def alert(number: int, state: str = "raised", *, priority: str = "high") -> Alert:
    return Alert(number, "drift.hold", priority, True, state, "drift", run_id="run", frame_id=3)


class Clock:
    """Time stands still until it is moved."""

    def __init__(self) -> None:
        self.ns = 10**12

    def now_ns(self) -> int:
        return self.ns


class Figures:
    """All that the process of the metrics has, without sockets."""

    def __init__(self, pid: int = 1) -> None:
        self.clock, self.watched, self.missed = Clock(), Watched(), Counter()
        self.registry = CollectorRegistry()
        self.state = State(self.watched, self.clock)
        self.counts = Counts(self.registry, self.watched)
        self.registry.register(self.state)
        self.registry.register(Processes(pid))
        self._sequences: dict[type, int] = {}

    def hear(self, noun: object, *, after_s: float = 0.0) -> None:
        self.clock.ns += round(after_s * 1e9)
        sequence = self._sequences[type(noun)] = self._sequences.get(type(noun), 0) + 1
        envelope = Envelope(1, "epoch", sequence, b"", self.clock.ns / 1e6)
        self.watched.hear(envelope, noun, now_ns=self.clock.ns)
        self.state.hear(noun, self.clock.ns)
        self.counts.hear(noun)
        self.look()

    def look(self, *, after_s: float = 0.0) -> None:
        self.clock.ns += round(after_s * 1e9)
        self.counts.look(self.clock.ns, missed=self.missed)

    def beat(self, permit: str = "HELD", *, after_s: float = 0.1, run_id: str = "run") -> None:
        last = self.watched.last_alert
        self.hear(Heartbeat(last, permit, run_id), after_s=after_s)

    def grant(self, lease_ms: float = 4500.0) -> None:
        self.hear(Permit("GRANTED", lease_ms, "", 0, "run"))

    def text(self) -> str:
        return generate_latest(self.registry).decode()

    def samples(self) -> dict[tuple[str, ...], float]:
        return samples(self.text())


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return each sample by its name and its labels' values."""
    return {
        (one.name, *one.labels.values()): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def treated() -> Figures:
    """A treatment of which every metric has something to tell."""
    it = Figures()
    it.beat()
    it.hear(START)
    it.grant()
    it.hear(verdict())
    it.hear(verdict(1, "LATE", 100.0))
    it.hear(alert(0))
    it.missed = Counter(verdict=2)
    it.hear(STOP)
    it.beat()
    return it
