"""How an output's process hears the monitor: as any subscriber, until its starter is gone."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import zmq

from messages.codec import Envelope, Noun, decode
from realtime.control_line import connect

_HIGH_WATER = 1000
_MOST_A_TURN = 200


class Listener:
    """Waits for the monitor's events, and for whatever else its owner has the poller watch.

    is_over: standard input has ended, so whoever started this process is gone.
    poller: may watch the owner's own sockets too; `ready` then names those that have something.
    """

    def __init__(self, events: str, *, topics: Iterable[str], keys: Path | None) -> None:
        """Subscribe. Raises MonitorError where the keys cannot be read."""
        self.is_over = False
        self.poller = zmq.Poller()
        self.ready: dict[object, int] = {}
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, _HIGH_WATER)
        for topic in topics:
            self._socket.subscribe(topic)
        connect(self._socket, events, keys=keys)
        self.poller.register(self._socket, zmq.POLLIN)
        self.poller.register(sys.stdin.fileno(), zmq.POLLIN)

    def wait(self, at_most_ms: int) -> None:
        """Wait until something has come, or so long."""
        self.ready = dict(self.poller.poll(at_most_ms))
        if sys.stdin.fileno() in self.ready:
            self.is_over = True
            self.poller.unregister(sys.stdin.fileno())  # who listens on is not woken by it again

    def heard(self) -> Iterator[tuple[Envelope, Noun]]:
        """Give the events that have come, some hundreds at most."""
        for _ in range(_MOST_A_TURN):
            try:
                yield decode(self._socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return

    def close(self) -> None:
        """Close the subscription."""
        self._context.destroy(linger=0)
