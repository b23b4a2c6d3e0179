"""A scanner that plays a linac's scan into a monitor as fast as it is acquired, and hears it."""

import json
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from _monitor_process import MonitorProcess, Ports
from _table import MeasurementError
from numpy.typing import NDArray

from realtime.clock import MonotonicClock
from simulators.linac.scan import LinacScan
from simulators.mrd import close_message, config_message, header_message
from simulators.readout import Readout

Real = NDArray[np.float64]

_ADMISSION_NS = 60_000_000_000  # numba may have to compile
_FINE_WAIT_NS = 1_500_000
_LAST_WORD_NS = 5_000_000_000


@dataclass(slots=True, eq=False)
class Heard:
    """By the scanner's count of frames: monotonic ns at which the last readout was sent.

    begin_ns: of scanner time 0. permit_ns: by the monitor's own count, when each was received.
    verdicts: their bodies.
    """

    begin_ns: int = 0
    sent_ns: dict[int, int] = field(default_factory=dict)
    permit_ns: dict[int, int] = field(default_factory=dict)
    verdicts: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def frames(self) -> list[int]:
        """The frames that were answered in time."""
        computed = (n for n, body in self.verdicts.items() if body["outcome"] == "COMPUTED")
        return sorted(n for n in computed if n in self.sent_ns and self._id(n) in self.permit_ns)

    def sent_to_permit_ms(self, frames: list[int]) -> Real:
        """Return what passed from the last readout to the permit's event."""
        return np.array([(self.permit_ns[self._id(n)] - self.sent_ns[n]) / 1e6 for n in frames])

    def scanner_to_permit_ms(self, frames: list[int], scanner_s: list[float]) -> Real:
        """Return what passed from a moment of each frame, in scanner time, to its permit."""
        received_ns = np.array([self.permit_ns[self._id(n)] - self.begin_ns for n in frames])
        return np.asarray(received_ns / 1e6 - 1e3 * np.array(scanner_s))

    def _id(self, frame: int) -> int:
        return int(self.verdicts[frame]["frame_id"])


def play_paced(scan: LinacScan, protocol_text: str, *, name: str) -> Heard:
    """Play a scan in real time through gateway and worker processes, and hear every permit.

    name: that the protocol has. Readouts are computed before, so that sending costs nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        protocol = Path(folder) / "protocol.toml"
        protocol.write_text(protocol_text, encoding="utf-8")
        with MonitorProcess(str(protocol)) as monitor:
            readouts = list(scan.readouts())
            scanner = _Scanner(monitor.ports)
            try:
                scanner.play(scan, readouts, name=name)
            finally:
                scanner.close()
    return scanner.heard


class _Scanner:
    def __init__(self, ports: Ports) -> None:
        self.heard, self._clock = Heard(), MonotonicClock()
        self._is_admitted = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._events = self._context.socket(zmq.SUB)
        for topic in ("run.start", "permit", "verdict"):
            self._events.subscribe(topic)
        self._events.connect(f"tcp://127.0.0.1:{ports.events}")
        self._line = socket.create_connection(("127.0.0.1", ports.mrd), 10.0)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poller = zmq.Poller()
        self._poller.register(self._events, zmq.POLLIN)
        self._poller.register(self._line.fileno(), zmq.POLLIN)

    def close(self) -> None:
        self._line.close()
        self._context.destroy(linger=0)

    def play(self, scan: LinacScan, readouts: list[Readout], *, name: str) -> None:
        """Send the noise scan and a readout at once, and once admitted each one at its time."""
        self._line.sendall(config_message(name) + header_message(scan.header_xml()))
        for noise in (one for one in readouts if one.frame < 0):
            self._line.sendall(noise.message)
        first, *imaging = [one for one in readouts if one.frame >= 0]
        self._line.sendall(first.message)
        self._hear_until(lambda: self._is_admitted, _ADMISSION_NS)
        self.heard.begin_ns = self._clock.now_ns() - round(first.t_s * 1e9)
        for one in imaging:
            self._wait_until(self.heard.begin_ns + round(one.t_s * 1e9))
            if one.is_last_of_frame:
                self.heard.sent_ns[one.frame] = self._clock.now_ns()
            self._line.sendall(one.message)
        last = imaging[-1].frame
        self.heard.sent_ns.setdefault(last, self._clock.now_ns())
        self._hear_until(lambda: last in self.heard.verdicts, _LAST_WORD_NS)
        self._line.sendall(close_message())

    def _hear_until(self, is_over: Callable[[], bool], most_ns: int) -> None:
        end_ns = self._clock.now_ns() + most_ns
        while not is_over():
            if self._clock.now_ns() > end_ns:
                raise MeasurementError(f"the monitor was silent for {most_ns / 1e9:.0f} s")
            self._hear(10)

    def _wait_until(self, due_ns: int) -> None:
        while due_ns - self._clock.now_ns() > _FINE_WAIT_NS:
            self._hear(1)
        self._hear(0)
        self._clock.sleep_until_ns(due_ns)

    def _hear(self, timeout_ms: int) -> None:
        ready = dict(self._poller.poll(timeout_ms))
        if self._line.fileno() in ready and not self._line.recv(1 << 20):
            raise MeasurementError("the monitor closed the connection")
        if self._events not in ready:
            return
        topic, head, *_ = self._events.recv_multipart()
        now_ns, body = self._clock.now_ns(), json.loads(head)["body"]
        if topic == b"permit":
            self.heard.permit_ns.setdefault(body["frame_id"], now_ns)
        elif topic == b"verdict":
            self.heard.verdicts[body["key"]["repetition"]] = body
        elif topic == b"run.start":
            self._is_admitted = True
