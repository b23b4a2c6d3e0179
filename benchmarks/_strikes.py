"""A treatment whose worker is struck again and again, and what a subscriber must then believe.

One loop does all: it sends each frame's readouts as a scanner would, hears the events, strikes, and
stamps each with CLOCK_MONOTONIC.
"""

import contextlib
import json
import os
import random
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq
from _table import MeasurementError

from realtime.clock import MonotonicClock
from realtime.tuning import Tuning, tuned_context
from tests.soak.feeder import PERIOD_NS, Feeder
from tests.soak.monitor import Monitor

# SIGUSR2: what _stuck/sitecustomize.py does
_SIGNALS = {"hung": signal.SIGSTOP, "stuck": signal.SIGUSR2, "killed": signal.SIGKILL}
_MOST_KILLS = 3  # the loss after these ends a session
_HEELS_NS = 20_000_000
_PATIENCE_NS = 60_000_000_000
_HEARD = (b"permit", b"verdict", b"alert", b"run.")


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike and what followed; times in ms, NaN where it did not come.

    phase: of the frame's cycle, 0 at its first readout. from_readout_ms: from the struck frame's
    last readout to the moment at which a subscriber must read HELD; negative before that readout.
    from_strike_ms: the same from the strike. permit_ms, verdict_ms: last readout to each event.
    """

    kind: str
    phase: float
    from_readout_ms: float
    from_strike_ms: float
    permit_ms: float
    verdict_ms: float
    how: str


@dataclass(slots=True)
class _Heard:
    """What the events of the run under way have said."""

    run_id: str = ""
    is_granted: bool = False
    lapses_ns: int = 0
    has_stopped: bool = False
    answers: dict[int, list[str]] = field(default_factory=dict)
    held: tuple[int, int] | None = None  # when, of which frame
    unanswered: tuple[int, int] | None = None


class Ward:
    """A monitor, its scanner and its subscriber in one loop."""

    def __init__(self, monitor: Monitor, rng: random.Random) -> None:
        self._monitor, self._rng = monitor, rng
        self._now_ns = MonotonicClock().now_ns
        self._context = tuned_context(Tuning())  # a stuck worker must not delay who watches
        self._events = self._context.socket(zmq.SUB)
        self._events.setsockopt(zmq.RCVHWM, 0)
        for topic in _HEARD:
            self._events.setsockopt(zmq.SUBSCRIBE, topic)
        self._events.connect(monitor.events)
        self._control = self._context.socket(zmq.DEALER)
        self._control.connect(monitor.control)
        self._poller = zmq.Poller()
        self._poller.register(self._events, zmq.POLLIN)
        self._poller.register(self._control, zmq.POLLIN)
        self._feeder: Feeder | None = None
        self._heard = _Heard()
        self._verdicts_seen = 0
        self._n_kills = 0
        self._is_ended = False
        self.n_frames = self.n_unanswered = self.n_twice = 0

    def strike(self, kind: str) -> Strike:
        """Strike the worker at a random moment of the frame's cycle; return once all is well."""
        self._get_granted(kind)
        while True:
            at_ns = self._now_ns() + self._rng.randrange(PERIOD_NS)
            self._serve(lambda: False, until_ns=at_ns)
            if self._heard.is_granted:
                break
            self._wait(lambda: self._heard.is_granted, "a permit")
        worker = self._monitor.worker()
        if worker is None:
            raise MeasurementError("no worker has the session")
        self._heard.held = self._heard.unanswered = None
        struck_ns, next_frame = self._now_ns(), len(self._of_session.sent_ns)
        phase = (struck_ns - self._of_session.frame_ns) / PERIOD_NS % 1.0
        lapses_ns = self._heard.lapses_ns
        os.kill(worker, _SIGNALS[kind])
        try:
            self._wait(self._is_read_as_held, "HELD")
            if kind == "killed":  # FAULT of what it had in hand comes on the heels of HELD
                self._serve(lambda: False, until_ns=self._now_ns() + _HEELS_NS)
            else:
                self._wait(lambda: self._heard.unanswered is not None, "LATE")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
        held, verdict = self._heard.held, self._heard.unanswered
        self._n_kills += kind == "killed"
        frame = verdict[1] if verdict is not None else next_frame
        self._wait(lambda: len(self._of_session.sent_ns) > frame, "the struck frame's end")
        last_ns = self._of_session.sent_ns[frame]
        return _result(kind, phase, struck_ns, last_ns, held, verdict, lapses_ns)

    def end_session(self) -> None:
        """Close the session and count its answers."""
        feeder, heard = self._feeder, self._heard
        if feeder is None:
            return
        feeder.close()
        self._is_ended = True
        self._wait(lambda: heard.has_stopped, "the end of the run")
        self._poller.unregister(feeder.connection)
        feeder.connection.close()
        self._feeder = None
        sent = range(len(feeder.sent_ns))
        self.n_frames += len(sent)
        self.n_unanswered += sum(not heard.answers.get(frame) for frame in sent)
        self.n_twice += sum(len(answers) > 1 for answers in heard.answers.values())

    def close(self) -> None:
        """Let go of the sockets."""
        if self._feeder is not None:
            self._feeder.connection.close()
        self._context.destroy(linger=0)

    @property
    def _of_session(self) -> Feeder:
        if self._feeder is None:
            raise MeasurementError("no session is open")
        return self._feeder

    def _is_read_as_held(self) -> bool:
        heard = self._heard
        return (
            heard.held is not None
            or heard.unanswered is not None
            or self._now_ns() >= heard.lapses_ns
        )

    def _get_granted(self, kind: str) -> None:
        if kind == "killed":
            if self._n_kills == _MOST_KILLS:
                self.end_session()
            self._wait(lambda: len(self._monitor.workers()) > 1, "a spare worker", each_ms=50)
        if self._feeder is None:
            self._open_session()
        self._wait(lambda: self._heard.is_granted, "a permit")

    def _open_session(self) -> None:
        self._heard, self._n_kills, self._is_ended = _Heard(), 0, False
        connection = socket.create_connection(("127.0.0.1", self._monitor.mrd_port), 10.0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._feeder = Feeder(connection, now_ns=self._now_ns())
        self._poller.register(connection, zmq.POLLIN)

    def _wait(self, is_so: Callable[[], bool], what: str, *, each_ms: int | None = None) -> None:
        limit_ns = self._now_ns() + _PATIENCE_NS
        while not is_so():
            if self._now_ns() > limit_ns:
                said = self._monitor.log.strip().splitlines()[-3:]
                raise MeasurementError(f"{what} did not come within 60 s; monitor: {said}")
            step_ns = limit_ns if each_ms is None else self._now_ns() + each_ms * 1_000_000
            self._serve(is_so if each_ms is None else lambda: False, until_ns=step_ns)

    def _serve(self, is_so: Callable[[], bool], *, until_ns: int) -> None:
        """Send and hear until something is so, or until a moment."""
        while True:
            now_ns = self._now_ns()
            feeder = None if self._is_ended else self._feeder
            due_ns = until_ns if feeder is None else min(until_ns, feeder.due_ns)
            # the last millisecond without a sleep, which could only end at a whole one
            ready = dict(self._poller.poll(max((due_ns - now_ns) // 1_000_000, 0)))
            if ready:
                self._hear(ready)
            now_ns = self._now_ns()
            if feeder is not None and now_ns >= feeder.due_ns:
                feeder.send(now_ns)
            if now_ns >= until_ns or is_so():
                return

    def _hear(self, ready: dict[Any, int]) -> None:
        if self._events in ready:
            with contextlib.suppress(zmq.Again):
                while True:
                    topic, header, *_ = self._events.recv_multipart(zmq.NOBLOCK)
                    self._take(topic, json.loads(header), self._now_ns())
        if self._control in ready:
            self._control.recv_multipart()
        feeder = self._feeder
        if feeder is None or feeder.connection.fileno() not in ready:
            return
        if not feeder.connection.recv(1 << 20) and not self._is_ended:
            raise MeasurementError("the monitor hung up")

    def _take(self, topic: bytes, header: dict[str, Any], now_ns: int) -> None:
        heard, body = self._heard, header["body"]
        if topic == b"run.start":
            heard.run_id = body["run_id"]
        elif topic == b"run.stop":
            heard.has_stopped = heard.has_stopped or body["run_id"] == heard.run_id
        elif topic == b"permit":
            heard.is_granted = body["state"] == "GRANTED"
            if heard.is_granted:
                heard.lapses_ns = now_ns + round(body["lease_ms"] * 1e6)
            else:
                heard.held = heard.held or (now_ns, body["frame_id"])
        elif topic == b"verdict":
            self._verdicts_seen += 1
            if header["sequence"] != self._verdicts_seen:
                raise MeasurementError("a verdict was lost on its way to this process")
            heard.answers.setdefault(body["frame_id"], []).append(body["outcome"])
            if body["outcome"] != "COMPUTED":
                heard.unanswered = heard.unanswered or (now_ns, body["frame_id"])
        elif body["state"] == "raised" and body["latched"]:
            ack = {"type": "acknowledge", "alert_id": body["alert_id"], "who": "benchmark"}
            self._control.send(json.dumps(ack).encode())


def _result(
    kind: str,
    phase: float,
    struck_ns: int,
    last_ns: int,
    held: tuple[int, int] | None,
    verdict: tuple[int, int] | None,
    lapses_ns: int,
) -> Strike:
    ways = {"permit HELD": held, "LATE or FAULT": verdict, "lease lapsed": (lapses_ns, -1)}
    came = {how: at[0] for how, at in ways.items() if at is not None}
    how = min(came, key=came.__getitem__)

    def since_last_ms(event: str) -> float:
        return (came[event] - last_ns) / 1e6 if event in came else float("nan")

    return Strike(
        kind,
        phase,
        since_last_ms(how),
        (came[how] - struck_ns) / 1e6,
        since_last_ms("permit HELD"),
        since_last_ms("LATE or FAULT"),
        how,
    )
