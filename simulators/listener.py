"""Hears the monitor: events by ZeroMQ, results by TCP, each on a thread of its own."""

import contextlib
import math
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import zmq

from simulators.clock import now_s
from simulators.device_line import Monitor
from simulators.mrd import CLOSE, Result, ResultReader

_POLL_MS = 20


class EventBody(msgspec.Struct, frozen=True):
    """The fields of an event that a therapy device acts on; all others are ignored."""

    state: str = "HELD"
    lease_ms: float = 0.0
    reason: str = ""
    frame_id: int = -1
    decision: str = "HELD"
    age_ms: float | None = None


class _Header(msgspec.Struct, frozen=True):
    schema: int
    epoch: str
    sequence: int
    body: EventBody


@dataclass(frozen=True, slots=True)
class Event:
    """One event and the wall time of its receipt."""

    wall_s: float
    topic: str
    epoch: str
    sequence: int
    body: EventBody


@dataclass(slots=True, eq=False)
class _Heard:
    events: list[Event] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    last_wall_s: float = -math.inf
    is_closed: bool = False


class EventListener:
    """Subscribes to every topic; `events` only ever grows."""

    def __init__(self, monitor: Monitor) -> None:
        self.heard = _Heard()
        self._newest = {"verdict": -1, "permit": -1}  # frame_id
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, 20_000)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        monitor.secure(self._socket)
        self._socket.connect(f"tcp://{monitor.host}:{monitor.event_port}")
        self._thread = threading.Thread(target=self._listen, name="events", daemon=True)
        self._thread.start()

    def wait_for_event(self, timeout_s: float) -> bool:
        """Wait until anything at all was heard."""
        return self._wait(lambda: bool(self.heard.events), timeout_s)

    def wait_for_frame(self, frame_id: int, *, timeout_s: float) -> bool:
        """Wait until the verdict of this frame and a permit that follows from it were heard."""
        return self._wait(lambda: self._has_frame(frame_id), timeout_s)

    def close(self) -> None:
        """End the thread and the socket."""
        self._stop.set()
        self._thread.join(2.0)
        self._socket.close()

    def _has_frame(self, frame_id: int) -> bool:
        newest = self._newest
        return min(newest["verdict"], newest["permit"]) >= frame_id

    def _wait(self, is_true: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(is_true, timeout_s)

    def _listen(self) -> None:
        while not self._stop.is_set():
            if not self._socket.poll(_POLL_MS):
                continue
            parts = self._socket.recv_multipart()
            wall_s = now_s()
            with self._changed:
                self._note(parts, wall_s)
                self._changed.notify_all()

    def _note(self, parts: list[bytes], wall_s: float) -> None:
        self.heard.last_wall_s = wall_s
        try:
            header = msgspec.json.decode(parts[1], type=_Header)
        except (msgspec.MsgspecError, IndexError) as error:
            self.heard.faults.append(f"event {parts[0]!r}: {error}")
            return
        topic = parts[0].decode(errors="replace")
        event = Event(wall_s, topic, header.epoch, header.sequence, header.body)
        self.heard.events.append(event)
        newest = self._newest.get(topic, -1)
        self._newest[topic] = max(newest, event.body.frame_id)


class ResultListener:
    """Drains what the server sends back, so that neither side ever waits for the other."""

    def __init__(self, connection: socket.socket) -> None:
        self.heard = _Heard()
        self._connection = connection
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._drain, name="results", daemon=True)
        self._thread.start()

    def wait_closed(self, timeout_s: float) -> bool:
        """Wait until the server said CLOSE or hung up."""
        return self._closed.wait(timeout_s)

    def _drain(self) -> None:
        reader = ResultReader()
        try:
            while chunk := self._receive():
                results = reader.feed(chunk)
                self.heard.results.extend(results)
                self.heard.is_closed |= any(result.identifier == CLOSE for result in results)
                if self.heard.is_closed:
                    break
        except (OSError, ValueError) as error:
            self.heard.faults.append(str(error))
        self._closed.set()

    def _receive(self) -> bytes:
        while True:
            with contextlib.suppress(TimeoutError):  # the time-out is for sending
                return self._connection.recv(1 << 20)
