"""Plays a treatment to a monitor at the scanner's pace, and hears its permits as a device must."""

import contextlib
import math
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from simulators.clock import now_s, wait_until
from simulators.device_line import Monitor
from simulators.faults import Fault, chain
from simulators.lease import Lease, PermitChange
from simulators.listener import Event, EventListener, ResultListener
from simulators.mrd import IMAGE, TEXT, close_message, config_message, header_message
from simulators.readout import Readout

_ADMISSION_PATIENCE = 12.0  # times as long as for any other frame
_SILENCE_S = 1.0  # without any event for so long, at the scanner's own pace, the device is off
_SOCKET_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 15.0
_REAL_TIME = 1.0


class Therapy(Protocol):
    """A scanner and a therapy device; all times are the scanner's."""

    @property
    def time_s(self) -> float:
        """Time of the last readout."""

    @property
    def next_s(self) -> float | None:
        """Time of the readout to come; None where every one was played."""

    def header(self) -> bytes:
        """Return the MRD header, XML."""

    def opening(self) -> Iterator[Readout]:
        """Yield what comes before the first frame: the noise scan."""

    def play(self, lease: Lease) -> Readout:
        """Play the next readout; until then the device does what the lease permits."""

    def stop(self) -> None:
        """End the therapy, and say so; once is enough."""


@dataclass(frozen=True, slots=True)
class VerdictHeard:
    """A verdict, and the wall time from the frame's last readout to its receipt."""

    frame_id: int
    decision: str
    age_ms: float | None
    latency_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What passed between a device and a monitor.

    status: `completed`, or what broke it. n_missed_events: gaps in the sequence of events.
    images: image messages by series index.
    """

    status: str
    n_readouts: int
    permits: tuple[PermitChange, ...]
    verdicts: tuple[VerdictHeard, ...]
    images: dict[int, int]
    texts: tuple[str, ...]
    n_missed_events: int
    n_unanswered_frames: int
    wall_s: float
    faults: tuple[str, ...] = field(default=())


class MonitorLoop:
    """One conversation with one monitor.

    At speed 1 an event counts from the moment that it is received. At any other speed the loop runs
    in lock-step: after a frame's last readout it waits for the frame's verdict and permit, and
    these count from as much scanner time after that readout as they took in wall time. So
    processing costs the patient the same at every speed. What is heard later, while the next frame
    is made, counts from where the scanner is: it stands still however long that takes.
    """

    def __init__(
        self,
        monitor: Monitor,
        *,
        speed: float,
        config: str,
        faults: tuple[Fault, ...] = (),
        frame_wait_s: float = 5.0,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed {speed}, expected more than 0")
        self._monitor, self._speed, self._config = monitor, speed, config
        self._fault, self._frame_wait_s = chain(*faults), frame_wait_s
        self._lease = Lease()
        self._permits: list[PermitChange] = []
        self._verdicts: list[VerdictHeard] = []
        self._last_sent = (-math.inf, 0.0)  # scanner and wall time of the last frame's end
        self._last_of_topic: dict[str, Event] = {}
        self._n_events_seen = self._n_missed = self._n_unanswered = self._n_sent = 0
        self._start_wall_s = self._now_s = 0.0
        self._answered_wall_s = math.inf  # of the last frame, in lock-step

    @property
    def is_lock_step(self) -> bool:
        """Whether the scanner waits for each frame's answer."""
        return self._speed != _REAL_TIME

    def run(self, therapy: Therapy) -> Conversation:
        """Play the whole treatment; the device is off when this returns."""
        monitor, begun_s = self._monitor, now_s()
        self._events = EventListener(monitor)
        try:
            self._events.wait_for_event(2.0)  # a heartbeat: from here on nothing is missed
            with socket.create_connection((monitor.host, monitor.mrd_port), 5.0) as connection:
                connection.settimeout(_SOCKET_TIMEOUT_S)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                results = ResultListener(connection)
                status = self._play(therapy, connection, results)
                _hang_up(connection)
        finally:
            therapy.stop()
            self._events.close()
        return self._conversation(status, results, now_s() - begun_s)

    def _play(self, therapy: Therapy, connection: socket.socket, results: ResultListener) -> str:
        try:
            connection.sendall(config_message(self._config))
            connection.sendall(header_message(therapy.header()))
            for readout in therapy.opening():
                connection.sendall(readout.message)
            self._start_wall_s = now_s()
            for readout in self._fault(self._readouts(therapy)):
                self._send(connection, readout)
            therapy.stop()
            if therapy.next_s is not None:
                return "cut"  # a fault broke the stream off: hang up without CLOSE
            connection.sendall(close_message())
            return "completed" if results.wait_closed(_CLOSE_TIMEOUT_S) else "server never closed"
        except OSError as error:
            therapy.stop()
            results.wait_closed(1.0)
            return f"connection lost: {error}"

    def _readouts(self, therapy: Therapy) -> Iterator[Readout]:
        while (next_s := therapy.next_s) is not None:
            self._keep_pace(next_s, since_s=therapy.time_s)
            self._now_s = therapy.time_s
            self._heed_events()
            yield therapy.play(self._lease)

    def _keep_pace(self, t_s: float, *, since_s: float) -> None:
        if math.isfinite(self._speed):
            wait_until(self._start_wall_s + t_s / self._speed)
        if not self.is_lock_step:
            silence_s = now_s() - self._events.heard.last_wall_s
            if silence_s > _SILENCE_S:
                self._lease.fall_silent(max(t_s - silence_s + _SILENCE_S, since_s))

    def _send(self, connection: socket.socket, readout: Readout) -> None:
        if readout.delay_s:
            wait_until(now_s() + readout.delay_s)
        if readout.is_last_of_frame:  # before sending: the answer may overtake our own return
            self._last_sent, self._answered_wall_s = (readout.t_s, now_s()), math.inf
        connection.sendall(readout.message)
        self._n_sent += 1
        if readout.is_last_of_frame and self.is_lock_step:
            self._wait_for_frame(readout.frame)

    def _wait_for_frame(self, frame: int) -> None:
        begun_s = now_s()
        # before the first answer the monitor admits the session, and may have to compile for it
        patience = _ADMISSION_PATIENCE if frame == 0 else 1.0
        timeout_s = patience * self._frame_wait_s
        answered = self._events.wait_for_frame(frame, timeout_s=timeout_s)
        self._n_unanswered += not answered
        self._answered_wall_s = now_s()
        self._start_wall_s += self._answered_wall_s - begun_s

    def _heed_events(self) -> None:
        events = self._events.heard.events
        while self._n_events_seen < len(events):
            event = events[self._n_events_seen]
            before = self._last_of_topic.get(event.topic)
            if before is not None:
                self._check_sequence(before, event)
            self._last_of_topic[event.topic] = event
            self._n_events_seen += 1
            self._heed(event)

    def _check_sequence(self, before: Event, event: Event) -> None:
        """Events are numbered within their topic."""
        is_next = event.epoch == before.epoch and event.sequence == before.sequence + 1
        if not is_next:  # a HELD may be among what was missed
            self._n_missed += 1
            self._hold("events were missed", event)

    def _heed(self, event: Event) -> None:
        latency_s = event.wall_s - self._last_sent[1]
        body = event.body
        if event.topic == "permit":
            is_granted, lease_s = body.state == "GRANTED", body.lease_ms / 1e3
            self._change(event, is_granted=is_granted, lease_s=lease_s, reason=body.reason)
        elif event.topic == "verdict":
            heard = VerdictHeard(body.frame_id, body.decision, body.age_ms, latency_s)
            self._verdicts.append(heard)
        elif event.topic == "run.stop":
            self._hold("the run stopped", event)

    def _hold(self, reason: str, event: Event) -> None:
        self._change(event, is_granted=False, lease_s=0.0, reason=reason)

    def _change(self, event: Event, *, is_granted: bool, lease_s: float, reason: str) -> None:
        sent_t_s, sent_wall_s = self._last_sent
        latency_s = event.wall_s - sent_wall_s
        t_s = sent_t_s + latency_s
        if event.wall_s > self._answered_wall_s:
            before_s = self._permits[-1].t_s if self._permits else -math.inf
            t_s = min(t_s, max(self._now_s, before_s))
        change = PermitChange(t_s, is_granted, lease_s, reason, event.body.frame_id, latency_s)
        self._permits.append(change)
        self._lease.change(change)

    def _conversation(self, status: str, results: ResultListener, wall_s: float) -> Conversation:
        heard = results.heard
        images = Counter(entry.series for entry in heard.results if entry.identifier == IMAGE)
        return Conversation(
            status=status,
            n_readouts=self._n_sent,
            permits=tuple(self._permits),
            verdicts=tuple(self._verdicts),
            images=dict(images),
            texts=tuple(entry.text for entry in heard.results if entry.identifier == TEXT),
            n_missed_events=self._n_missed,
            n_unanswered_frames=self._n_unanswered,
            wall_s=wall_s,
            faults=(*self._events.heard.faults, *heard.faults),
        )


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the server may have been faster
        connection.shutdown(socket.SHUT_RDWR)
