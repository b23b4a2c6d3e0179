"""The scanner of `mrmonitor latency`: sends ready-made frames at a steady pace and hears verdicts.

A process of its own, `python -m realtime.cli.latency_sender ORDER OUT`, both JSON files.
"""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import zmq

from realtime.clock import MonotonicClock
from realtime.streams.mrd_encoder import encode_close, encode_config_file, encode_header
from simulators import GradientEcho, Treatment, TreatmentSimulator
from simulators.static_frames import static_frame_bytes

_POLL_MS = 1
_FINE_WAIT_NS = 1_500_000
_LAST_WORD_NS = 10_000_000_000


class Order(msgspec.Struct, frozen=True):
    """What to send, where, and how fast."""

    port: int
    events: str
    config: str
    matrix: int
    n_coils: int
    rate_hz: float
    n_frames: int


class Heard(msgspec.Struct):
    """Monotonic ns by frame: last readout handed to the socket, verdict's event received."""

    sent_ns: dict[int, int]
    heard_ns: dict[int, int]


class _Body(msgspec.Struct):
    frame_id: int


class _Event(msgspec.Struct):
    body: _Body


class _Sender:
    def __init__(self, order: Order) -> None:
        self._order, self._clock = order, MonotonicClock()
        self.heard = Heard({}, {})
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._events = self._context.socket(zmq.SUB)
        self._events.subscribe("verdict")
        self._events.connect(order.events)
        self._line = socket.create_connection(("127.0.0.1", order.port), 10.0)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poller = zmq.Poller()
        self._poller.register(self._events, zmq.POLLIN)
        self._poller.register(self._line.fileno(), zmq.POLLIN)
        self._is_closed = False

    def run(self, treatment: Treatment) -> None:
        """Send everything, wait for the last verdict and the server's end."""
        n_rows, clock = self._order.matrix, self._clock
        header = TreatmentSimulator(treatment).header()
        self._line.sendall(encode_config_file(self._order.config) + encode_header(header))
        imaging = self._send_noise(static_frame_bytes(treatment, n_frames=self._order.n_frames))
        begin_ns = clock.now_ns() + 1_000_000_000  # admission compiles and plans meanwhile
        step_ns = 1e9 / (self._order.rate_hz * n_rows)
        for index, message in enumerate(imaging):
            self._wait_until(begin_ns + round(index * step_ns))
            if index % n_rows == n_rows - 1:
                self.heard.sent_ns[index // n_rows] = clock.now_ns()
            self._line.sendall(message)
        self._wait_for_verdicts()
        self._line.sendall(encode_close())
        end_ns = clock.now_ns() + _LAST_WORD_NS
        while not self._is_closed and clock.now_ns() < end_ns:
            self._hear(100)
        self._line.close()
        self._context.destroy(linger=0)

    def _send_noise(self, messages: Iterator[tuple[float, bytes]]) -> Iterator[bytes]:
        """Send the noise scan, which lies before time zero; return the imaging readouts."""
        imaging: list[bytes] = []
        for time_s, message in messages:
            if time_s < 0:
                self._line.sendall(message)
            else:
                imaging.append(message)
                break
        yield from imaging
        yield from (message for _, message in messages)

    def _wait_until(self, due_ns: int) -> None:
        while due_ns - self._clock.now_ns() > _FINE_WAIT_NS:
            self._hear(_POLL_MS)
        self._hear(0)
        self._clock.sleep_until_ns(due_ns)

    def _wait_for_verdicts(self) -> None:
        end_ns = self._clock.now_ns() + _LAST_WORD_NS
        while len(self.heard.heard_ns) < self._order.n_frames and self._clock.now_ns() < end_ns:
            self._hear(_POLL_MS)

    def _hear(self, timeout_ms: int) -> None:
        ready = dict(self._poller.poll(timeout_ms))
        if self._events in ready:
            parts = self._events.recv_multipart()
            now_ns = self._clock.now_ns()
            frame_id = msgspec.json.decode(parts[1], type=_Event).body.frame_id
            self.heard.heard_ns.setdefault(frame_id, now_ns)
        if self._line.fileno() in ready and not self._line.recv(1 << 20):
            self._is_closed = True
            self._poller.unregister(self._line.fileno())


def treatment_of(order: Order) -> Treatment:
    """Return the unheated head whose stamps run as fast as it is sent."""
    sequence = GradientEcho(
        matrix=(order.matrix, order.matrix),
        repetition_time_s=1.0 / (order.rate_hz * order.matrix),
        time_stamp_unit="us",
    )
    return Treatment(sequence=sequence, n_coils=order.n_coils)


def main(order_path: Path, out_path: Path) -> None:
    """Send what the order says and write what was heard."""
    order = msgspec.json.decode(order_path.read_bytes(), type=Order)
    sender = _Sender(order)
    sender.run(treatment_of(order))
    out_path.write_bytes(msgspec.json.encode(sender.heard))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
