"""How an output follows a monitor: its state as it may be believed, and every alert once."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from messages import Alert
from messages.codec import TOPICS, Envelope, Noun
from realtime.clock import Clock
from realtime.control_line import ask
from realtime.outputs.listener import Listener
from realtime.outputs.missed_alerts import MissedAlerts
from realtime.watched import Watched


class Hearing:
    """A listener that keeps a `Watched`, and asks for the alerts that it missed.

    listener: may watch its owner's sockets too, see there. n_missed: events that were published
    and not heard, by topic; the alerts among them come all the same.
    """

    def __init__(
        self, events: str, control: str, *, topics: Iterable[str], keys: Path | None, clock: Clock
    ) -> None:
        """Subscribe. Raises MonitorError where the keys cannot be read."""
        self.watched = Watched()
        self.n_missed: Counter[str] = Counter()
        self.listener = Listener(events, topics={*topics, "heartbeat", "alert"}, keys=keys)
        self._missed = MissedAlerts(self.watched, partial(ask, control, keys=keys))
        self._clock = clock
        self._sequences: dict[str, int] = {}

    def heard(self) -> Iterator[tuple[Noun, int]]:
        """Give the events that have come, each with the time at which it was heard."""
        for envelope, noun in self.listener.heard():
            now_ns = self._clock.now_ns()
            last = self._last_alert(envelope)
            self._note_gap(envelope, TOPICS[type(noun)])
            self.watched.hear(envelope, noun, now_ns=now_ns)
            # one out of order comes again when the missed ones are asked for
            if not isinstance(noun, Alert) or self.watched.last_alert > last:
                yield noun, now_ns
        now_ns = self._clock.now_ns()
        if missed := self._missed.look(now_ns):
            topic = TOPICS[Alert]
            self._sequences[topic] = max(self._sequences.get(topic, 0), self.watched.last_alert)
        for alert in missed:
            yield alert, now_ns

    def close(self) -> None:
        """Close the subscription."""
        self.listener.close()

    def _last_alert(self, envelope: Envelope) -> int:
        return self.watched.last_alert if envelope.epoch == self.watched.epoch else 0

    def _note_gap(self, envelope: Envelope, topic: str) -> None:
        if envelope.epoch != self.watched.epoch:
            self._sequences.clear()  # what came before this subscriber was missed by nobody
        last = self._sequences.get(topic)
        self._sequences[topic] = envelope.sequence
        if last is not None and envelope.sequence > last + 1:
            self.n_missed[topic] += envelope.sequence - last - 1
