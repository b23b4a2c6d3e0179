"""What stands with a monitor at the moment of asking; of one that is silent hardly anything."""

import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import metadata

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from messages import Verdict
from messages.codec import Noun
from realtime.clock import Clock
from realtime.watched import SILENCE_NS, Watched

_PRIORITIES = ("high", "medium", "low")
_STATES = ("raised", "cleared", "acknowledged")


class State(Collector):
    """Gauges, made anew each time.

    A monitor that was not heard for 500 ms is not up, its permit counts as not granted, and what
    it said of its alerts and its run is left out: an old value never looks fresh.
    """

    def __init__(self, watched: Watched, clock: Clock) -> None:
        self._watched, self._clock = watched, clock
        self._frame_ns: int | None = None

    def hear(self, noun: Noun, now_ns: int) -> None:
        """Take an event."""
        if isinstance(noun, Verdict):
            self._frame_ns = now_ns - self._watched.late_ns

    def collect(self) -> Iterable[Metric]:
        """Give the gauges of now."""
        watched, now_ns = self._watched, self._clock.now_ns()
        silent_ns = watched.silent_ns(now_ns)
        is_up = silent_ns is not None and silent_ns <= SILENCE_NS
        is_granted = watched.permit(now_ns)[0] == "GRANTED"
        lease_s = watched.lease_left_ms(now_ns) / 1e3 if is_granted else 0.0
        yield _gauge("up", "1 if the monitor was heard in the last 500 ms.", is_up)
        yield _gauge("permit_granted", "1 if the permit is granted and its lease runs.", is_granted)
        yield _gauge("permit_lease_left_seconds", "How long the lease goes on, 0 if held.", lease_s)
        if silent_ns is not None:
            text = "Age of the monitor's last word; it beats ten times a second."
            yield _gauge("last_word_age_seconds", text, silent_ns / 1e9)
        if self._frame_ns is not None:
            text = "Age of the last frame's verdict."
            yield _gauge("last_frame_age_seconds", text, (now_ns - self._frame_ns) / 1e9)
        late = "How much later than the promptest event the last one was heard."
        yield _gauge("hearing_late_seconds", late, watched.late_ns / 1e9)
        if is_up:
            yield from self._of_alerts()
            yield from self._of_run()
        yield _info("build", "Which monitor this is.", version=_version(), python=_python())

    def _of_alerts(self) -> Iterator[Metric]:
        watched = self._watched
        family = GaugeMetricFamily(
            "mrmonitor_open_alerts", "Alerts that are not over.", labels=["priority", "state"]
        )
        standing = Counter[tuple[str, str]](
            (one.priority, one.state) for one in watched.alerts.values()
        )
        for priority in _PRIORITIES:
            for state in _STATES:
                family.add_metric([priority, state], standing[priority, state])
        yield family
        n_missed = 0
        if watched.heartbeat is not None:
            n_missed = max(0, watched.heartbeat.last_alert - watched.last_alert)
        text = "Changes of alerts that this process has not heard yet."
        yield _gauge("alert_changes_behind", text, n_missed)

    def _of_run(self) -> Iterator[Metric]:
        start = self._watched.start
        is_on = bool(self._watched.run_id)
        yield _gauge("run_active", "1 while a run has the permit, granted or held.", is_on)
        if start is None:
            return
        yield _info(
            "run",
            "The protocol of the run that has the permit.",
            protocol=start.protocol_name,
            protocol_hash=start.protocol_hash,
        )
        deadline_s = start.frame_deadline_ms / 1e3
        yield _gauge("frame_deadline_seconds", "What a frame of this run may take.", deadline_s)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"mrmonitor_{name}", text, value=float(value))


def _info(name: str, text: str, **labels: str) -> Metric:
    family = GaugeMetricFamily(f"mrmonitor_{name}_info", text, labels=list(labels))
    family.add_metric(list(labels.values()), 1.0)
    return family


def _version() -> str:
    return metadata.version("mr-therapy-monitor")


def _python() -> str:
    return platform.python_version()
