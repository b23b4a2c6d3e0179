"""Runs a treatment against a monitor: sends readouts, obeys the permit, measures the outcome."""

import contextlib
import math
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import zmq

from simulators.clock import now_s, wait_until
from simulators.faults import Fault, chain
from simulators.lease import Lease, PermitChange, PowerOff
from simulators.listener import Event, EventListener, ResultListener
from simulators.mrd import IMAGE, TEXT, close_message, config_message, header_message
from simulators.overshoot import FrameTimes, Overshoot, split_overshoot
from simulators.readout import Readout
from simulators.simulator import TreatmentSimulator

_ADMISSION_PATIENCE = 12.0  # times as long as for any other frame
_SILENCE_S = 1.0  # without any event for so long, at the scanner's own pace, the power is off
_SOCKET_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 15.0
_REAL_TIME = 1.0


@dataclass(frozen=True, slots=True)
class Monitor:
    """Where the monitor listens. control_port: where power is reported, or None."""

    host: str = "127.0.0.1"
    mrd_port: int = 9002
    event_port: int = 9004
    control_port: int | None = None


@dataclass(frozen=True, slots=True)
class VerdictHeard:
    """A verdict, and the wall time from the frame's last readout to its receipt."""

    frame_id: int
    decision: str
    age_ms: float | None
    latency_s: float


@dataclass(frozen=True, slots=True)
class ClosedLoopResult:
    """What came of a treatment.

    status: `completed`, or what broke it. n_missed_events: gaps in the sequence of events.
    images: image messages by series index.
    """

    status: str
    overshoot: Overshoot
    heated_s: float
    n_readouts: int
    frames: tuple[FrameTimes, ...]
    permits: tuple[PermitChange, ...]
    verdicts: tuple[VerdictHeard, ...]
    power_offs: tuple[PowerOff, ...]
    images: dict[int, int]
    texts: tuple[str, ...]
    n_missed_events: int
    n_unanswered_frames: int
    wall_s: float
    faults: tuple[str, ...] = field(default=())


class ClosedLoop:
    """One treatment against one monitor.

    At speed 1 an event counts from the moment that it is received. At any other speed the loop runs
    in lock-step: after a frame's last readout it waits for the frame's verdict and permit, and
    these count from as much scanner time after that readout as they took in wall time. So
    processing costs the patient the same at every speed.
    """

    def __init__(
        self,
        simulator: TreatmentSimulator,
        monitor: Monitor,
        *,
        speed: float = math.inf,
        limit_c: float = 60.0,
        config: str = "mrgfus-brain",
        faults: tuple[Fault, ...] = (),
        frame_wait_s: float = 5.0,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed {speed}, expected more than 0")
        self._simulator, self._monitor = simulator, monitor
        self._speed, self._limit_c, self._config = speed, limit_c, config
        self._fault, self._frame_wait_s = chain(*faults), frame_wait_s
        self._lease = Lease()
        self._permits: list[PermitChange] = []
        self._verdicts: list[VerdictHeard] = []
        self._offs: list[PowerOff] = []
        self._frames: list[FrameTimes] = []
        self._last_sent = (-math.inf, 0.0)  # scanner and wall time of the last frame's end
        self._last_of_topic: dict[str, Event] = {}
        self._n_events_seen = self._n_missed = self._n_unanswered = self._n_sent = 0
        self._start_wall_s = 0.0
        self._is_on = False

    def run(self) -> ClosedLoopResult:
        """Play the whole treatment; the power is off when this returns."""
        monitor, begun_s = self._monitor, now_s()
        self._events = EventListener(monitor.host, monitor.event_port)
        sequence = self._simulator.treatment.sequence
        self._power = _PowerReport(monitor, zero_s=sequence.echo_s(0))
        try:
            self._events.wait_for_event(2.0)  # a heartbeat: from here on nothing is missed
            with socket.create_connection((monitor.host, monitor.mrd_port), 5.0) as connection:
                connection.settimeout(_SOCKET_TIMEOUT_S)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                results = ResultListener(connection)
                status = self._play(connection, results)
                _hang_up(connection)
        finally:
            self._power.report(0.0, self._simulator.time_s)
            self._power.close()
            self._events.close()
        return self._result(status, results, now_s() - begun_s)

    def _play(self, connection: socket.socket, results: ResultListener) -> str:
        try:
            connection.sendall(config_message(self._config))
            connection.sendall(header_message(self._simulator.header()))
            for readout in self._simulator.noise_readouts():
                connection.sendall(readout.message)
            self._start_wall_s = now_s()
            for readout in self._fault(self._readouts()):
                self._send(connection, readout)
            self._end_power(PowerOff(self._simulator.time_s, "end"))
            if not self._simulator.is_finished:
                return "cut"  # a fault broke the stream off: hang up without CLOSE
            connection.sendall(close_message())
            return "completed" if results.wait_closed(_CLOSE_TIMEOUT_S) else "server never closed"
        except OSError as error:
            self._end_power(PowerOff(self._simulator.time_s, "end"))
            results.wait_closed(1.0)
            return f"connection lost: {error}"

    def _readouts(self) -> Iterator[Readout]:
        simulator = self._simulator
        while not simulator.is_finished:
            self._keep_pace(simulator.next_echo_s)
            self._heed_events()
            yield self._play_one()

    def _play_one(self) -> Readout:
        simulator = self._simulator
        start_s, end_s = simulator.time_s, simulator.next_echo_s
        permitted = self._lease.granted_until(start_s, end_s)
        if permitted is None or not simulator.wants_heat:
            self._end_power(self._lease.why_held(start_s) if permitted is None else None)
            self._report(start_s, is_on=False)
            return self._noted(simulator.next_readout(sonicating=False))
        self._is_on = True
        self._report(start_s, is_on=True)
        readout = simulator.next_readout(sonicating=True, until_s=permitted.t_s)
        if permitted.cause != "plan":
            self._end_power(permitted)
        return self._noted(readout)

    def _noted(self, readout: Readout) -> Readout:
        sequence = self._simulator.treatment.sequence
        if readout.is_last_of_frame:
            n_rows = sequence.matrix[1]
            center_s = sequence.echo_s(readout.frame * n_rows + n_rows // 2)
            self._frames.append(FrameTimes(center_s, readout.t_s))
        return readout

    def _end_power(self, off: PowerOff | None) -> None:
        """Note why the power goes off; None means that the plan is fulfilled."""
        if self._is_on:
            self._offs.append(off or PowerOff(self._simulator.time_s, "plan"))
        self._is_on = False
        self._report(self._simulator.time_s if off is None else off.t_s, is_on=False)

    def _report(self, t_s: float, *, is_on: bool) -> None:
        self._power.report(self._simulator.treatment.power_w if is_on else 0.0, t_s)

    def _keep_pace(self, t_s: float) -> None:
        if math.isfinite(self._speed):
            wait_until(self._start_wall_s + t_s / self._speed)
        if self._speed == _REAL_TIME:
            silence_s = now_s() - self._events.heard.last_wall_s
            if silence_s > _SILENCE_S:
                self._lease.fall_silent(max(t_s - silence_s + _SILENCE_S, self._simulator.time_s))

    def _send(self, connection: socket.socket, readout: Readout) -> None:
        if readout.delay_s:
            wait_until(now_s() + readout.delay_s)
        if readout.is_last_of_frame:  # before sending: the answer may overtake our own return
            self._last_sent = (readout.t_s, now_s())
        connection.sendall(readout.message)
        self._n_sent += 1
        if readout.is_last_of_frame and self._speed != _REAL_TIME:
            self._wait_for_frame(readout.frame)

    def _wait_for_frame(self, frame: int) -> None:
        begun_s = now_s()
        # before the first answer the monitor admits the session, and may have to compile for it
        patience = _ADMISSION_PATIENCE if frame == 0 else 1.0
        timeout_s = patience * self._frame_wait_s
        answered = self._events.wait_for_frame(frame, timeout_s=timeout_s)
        self._n_unanswered += not answered
        self._start_wall_s += now_s() - begun_s

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
        change = PermitChange(t_s, is_granted, lease_s, reason, event.body.frame_id, latency_s)
        self._permits.append(change)
        self._lease.change(change)

    def _result(self, status: str, results: ResultListener, wall_s: float) -> ClosedLoopResult:
        heard = results.heard
        overshoot = split_overshoot(
            self._simulator.truth, self._frames, limit_c=self._limit_c, offs=self._offs
        )
        images = Counter(entry.series for entry in heard.results if entry.identifier == IMAGE)
        return ClosedLoopResult(
            status=status,
            overshoot=overshoot,
            heated_s=self._simulator.heated_s,
            n_readouts=self._n_sent,
            frames=tuple(self._frames),
            permits=tuple(self._permits),
            verdicts=tuple(self._verdicts),
            power_offs=tuple(self._offs),
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


class _PowerReport:
    """Tells the monitor when the power changes, as a therapy device on the scanner's clock would.

    zero_s: the simulator's time of the first readout, from which the monitor counts.
    """

    def __init__(self, monitor: Monitor, *, zero_s: float) -> None:
        self._socket: zmq.Socket[bytes] | None = None
        self._zero_s, self._watts = zero_s, math.nan  # the first word counts, of no power too
        if monitor.control_port is not None:
            self._socket = zmq.Context.instance().socket(zmq.DEALER)
            self._socket.setsockopt(zmq.LINGER, 200)
            self._socket.connect(f"tcp://{monitor.host}:{monitor.control_port}")

    def report(self, watts: float, t_s: float) -> None:
        """Send the power if it changed, with the moment from which it holds; never wait."""
        if self._socket is None or watts == self._watts:
            return
        self._watts = watts
        since_s = max(t_s - self._zero_s, 0.0)
        message = msgspec.json.encode({"type": "power", "watts": watts, "time_s": since_s})
        try:
            self._socket.send(message, zmq.DONTWAIT)
        except zmq.Again:
            self._watts = math.nan  # nobody listens; try again at the next readout

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
