"""The scanner of `mrmonitor latency`: sends ready-made frames and hears verdicts and images.

A process of its own, `python -m realtime.cli.latency_sender ORDER OUT`, both JSON files.
"""

import gc
import select
import socket
import sys
from pathlib import Path

import msgspec
import zmq

from realtime.cli.latency_scan import Order, departures_s, ready_scan
from realtime.clock import MonotonicClock
from realtime.tuning import SCANNER_LEVEL, Tuning, go_first, tuned_context
from simulators.mrd import IMAGE, ResultReader, close_message, config_message, header_message

_LAST_WORD_NS = 10_000_000_000
_ADMISSION_NS = 60_000_000_000
_FRAME_NUMBERS = 1 << 16  # an MRD image counts its frame with 16 bits


class Heard(msgspec.Struct):
    """Monotonic ns by frame, all taken by the sender but received_ns, which the verdict tells.

    sent_ns: before the last readout was handed to the socket; given_ns: after.
    heard_ns: the verdict's event. images_ns: each of its images, whole.
    """

    sent_ns: dict[int, int] = {}
    given_ns: dict[int, int] = {}
    received_ns: dict[int, int] = {}
    heard_ns: dict[int, int] = {}
    images_ns: dict[int, list[int]] = {}


class _Body(msgspec.Struct):
    frame_id: int
    received_ns: int = 0


class _Event(msgspec.Struct):
    body: _Body


class _Sender:
    def __init__(self, order: Order) -> None:
        self._order, self._clock = order, MonotonicClock()
        self.heard = Heard()
        self._context = tuned_context(Tuning())
        self._events = self._context.socket(zmq.SUB)
        self._events.subscribe("verdict")
        self._events.connect(order.events)
        self._line = socket.create_connection(("127.0.0.1", order.port), 10.0)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._inputs: list[int | socket.socket] = [self._events.FD, self._line]
        self._reader = ResultReader()
        self._last_image = -1
        self._is_closed = False

    def run(self) -> None:
        """Send everything, wait for the last verdict and the server's end."""
        order, clock, heard = self._order, self._clock, self.heard
        scan = ready_scan(order)
        self._line.sendall(config_message(order.config) + header_message(scan.header_xml))
        for message in scan.noise:
            self._line.sendall(message)
        leaves_s = departures_s(order).ravel()
        n_rows, n_readouts = order.n_rows, leaves_s.size
        gc.collect()
        gc.freeze()
        begin_ns = clock.now_ns()
        for index, at_s in enumerate(leaves_s.tolist()):
            if index == n_rows:
                # the first frame has the session admitted, which takes its time
                self._wait_for_verdicts(1, at_most_ns=_ADMISSION_NS)
                begin_ns = clock.now_ns() - round(at_s * 1e9)
            ready = scan.frame.message(index, t_s=at_s, is_end=index == n_readouts - 1)
            self._wait_until(begin_ns + round(at_s * 1e9))
            frame, row = divmod(index, n_rows)
            if row < n_rows - 1:
                self._line.sendall(ready)
                continue
            heard.sent_ns[frame] = clock.now_ns()
            self._line.sendall(ready)
            heard.given_ns[frame] = clock.now_ns()
        self._wait_for_verdicts(order.n_frames, at_most_ns=_LAST_WORD_NS)
        self._line.sendall(close_message())
        end_ns = clock.now_ns() + _LAST_WORD_NS
        while not self._is_closed and clock.now_ns() < end_ns:
            self._hear(0.1)
        self._line.close()
        self._context.destroy(linger=0)

    def _wait_until(self, due_ns: int) -> None:
        """Hear what comes until a moment; nothing that has come waits for it."""
        while (left_ns := due_ns - self._clock.now_ns()) > 0:
            self._hear(left_ns / 1e9)

    def _wait_for_verdicts(self, n_frames: int, *, at_most_ns: int) -> None:
        end_ns = self._clock.now_ns() + at_most_ns
        while len(self.heard.heard_ns) < n_frames and self._clock.now_ns() < end_ns:
            if self._is_closed:
                return
            self._hear(0.01)

    def _hear(self, timeout_s: float) -> None:
        ready = select.select(self._inputs, [], [], timeout_s)[0]
        if self._line in ready:
            self._hear_line()
        if ready:
            self._hear_events()

    def _hear_events(self) -> None:
        """Take all events: the descriptor of a ZeroMQ socket tells only of what is new."""
        while True:
            try:
                parts = self._events.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            now_ns = self._clock.now_ns()
            body = msgspec.json.decode(parts[1], type=_Event).body
            if self.heard.heard_ns.setdefault(body.frame_id, now_ns) == now_ns:
                self.heard.received_ns[body.frame_id] = body.received_ns

    def _hear_line(self) -> None:
        data = self._line.recv(1 << 20)
        now_ns = self._clock.now_ns()
        if not data:
            self._is_closed = True
            self._inputs.remove(self._line)
            return
        if not self._order.wants_images:
            return
        for result in self._reader.feed(data):
            if result.identifier == IMAGE:
                # images come in order: a number that is far below the last one has begun anew
                ahead = (result.index - self._last_image) % _FRAME_NUMBERS
                self._last_image += ahead
                self.heard.images_ns.setdefault(self._last_image, []).append(now_ns)


def main(order_path: Path, out_path: Path) -> None:
    """Send what the order says and write what was heard."""
    order = msgspec.json.decode(order_path.read_bytes(), type=Order)
    sender = _Sender(order)
    sender.run()
    out_path.write_bytes(msgspec.json.encode(sender.heard))


if __name__ == "__main__":
    go_first(SCANNER_LEVEL)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
