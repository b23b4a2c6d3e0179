"""A scanner that waits for its images: what it sent last, and when each image was back."""

import select
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import ismrmrd
import numpy as np
from _table import MeasurementError

from realtime.clock import MonotonicClock
from simulators import GradientEcho, Treatment, TreatmentSimulator
from simulators.mrd import (
    ACQUISITION_HEAD,
    LAST_IN_MEASUREMENT,
    close_message,
    config_message,
    header_message,
)
from simulators.static_frames import static_frame_bytes

_IMAGE, _TEXT, _CLOSE = 1022, 5, 4
_HEAD_BYTES, _IMAGE_FIXED = 198, 2 + 198 + 8
_FINE_WAIT_NS = 300_000
_PATIENCE_S = 60.0


@dataclass(slots=True)
class Heard:
    """Monotonic ns: by frame when its last readout was handed over, and its images came."""

    sent_ns: dict[int, int] = field(default_factory=dict)
    image_ns: dict[int, list[int]] = field(default_factory=dict)

    def first_ms(self, *, n_warm: int) -> list[float]:
        """Return last readout sent → first image back, by frame, those without one left out."""
        return [
            (self.image_ns[frame][0] - sent_ns) / 1e6
            for frame, sent_ns in self.sent_ns.items()
            if frame >= n_warm and frame in self.image_ns
        ]

    def last_ms(self, *, n_warm: int) -> list[float]:
        """Return last readout sent → all its images back, by frame."""
        return [
            (self.image_ns[frame][-1] - sent_ns) / 1e6
            for frame, sent_ns in self.sent_ns.items()
            if frame >= n_warm and frame in self.image_ns
        ]


class ImageClient:
    """Sends ready-made frames, at a steady pace or as fast as they are taken, and hears images."""

    def __init__(self, port: int, *, matrix: int, n_coils: int, rate_hz: float) -> None:
        self._clock = MonotonicClock()
        self._line = socket.create_connection(("127.0.0.1", port), 10.0)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._n_rows = matrix
        self._step_ns = 1e9 / (rate_hz * matrix)
        self._treatment = _treatment(matrix, n_coils, rate_hz)
        self._buffer = bytearray()
        self._is_closed = False
        self.heard = Heard()

    def paced(self, *, n_frames: int) -> Heard:
        """Send frames readout by readout at the scanner's pace, and wait for the last image."""
        begin_ns = self._open()
        for index, message in enumerate(self._imaging(n_frames)):
            self._wait_until(begin_ns + round(index * self._step_ns))
            if index % self._n_rows == self._n_rows - 1:
                self.heard.sent_ns[index // self._n_rows] = self._clock.now_ns()
            self._send(message)
        return self._finish()

    def flat_out(self, *, n_frames: int) -> Heard:
        """Send frames as fast as they are taken."""
        self._open()
        messages = list(self._imaging(1))
        whole = bytearray().join(messages)
        readout = np.dtype(
            {"names": ["head"], "formats": [ACQUISITION_HEAD], "offsets": [2],
             "itemsize": len(messages[0])}
        )  # fmt: skip
        heads = np.frombuffer(whole, readout)["head"]
        heads["flags"] &= np.uint64(~LAST_IN_MEASUREMENT & (1 << 64) - 1)
        frame_ticks = round(self._step_ns * self._n_rows / 1e3)  # the treatment's stamps are in µs
        for frame in range(n_frames):
            self._send(whole)
            self.heard.sent_ns[frame] = self._clock.now_ns()
            heads["idx"]["repetition"] += 1
            heads["scan_counter"] += self._n_rows
            heads["acquisition_time_stamp"] += frame_ticks
        return self._finish()

    def _open(self) -> int:
        header = TreatmentSimulator(self._treatment).header()
        self._line.sendall(config_message("latency") + header_message(header))
        return self._clock.now_ns() + 1_500_000_000  # both servers plan meanwhile

    def _imaging(self, n_frames: int) -> Iterator[bytes]:
        """Send the noise scan; yield the imaging readouts."""
        for time_s, message in static_frame_bytes(self._treatment, n_frames=n_frames):
            if time_s < 0:
                self._line.sendall(message)
            else:
                yield message

    def _send(self, message: bytes | bytearray) -> None:
        """Send all of it, hearing what comes meanwhile."""
        view = memoryview(message)
        while view:
            readable, writable, _ = select.select([self._line], [self._line], [], _PATIENCE_S)
            if readable:
                self._hear()
            if writable:
                view = view[self._line.send(view, socket.MSG_DONTWAIT) :]
            if not (readable or writable) or self._is_closed:
                raise MeasurementError("the server takes nothing more")

    def _wait_until(self, due_ns: int) -> None:
        while (left_ns := due_ns - self._clock.now_ns()) > 0:
            if select.select([self._line], [], [], max(left_ns - _FINE_WAIT_NS, 0) / 1e9)[0]:
                self._hear()

    def _finish(self) -> Heard:
        self._line.sendall(close_message())
        end_ns = self._clock.now_ns() + round(_PATIENCE_S * 1e9)
        while not self._is_closed and self._clock.now_ns() < end_ns:
            if select.select([self._line], [], [], 1.0)[0]:
                self._hear()
        self._line.close()
        return self.heard

    def _hear(self) -> None:
        data = self._line.recv(1 << 20)
        if not data:
            self._is_closed = True
            return
        now_ns = self._clock.now_ns()
        self._buffer += data
        while (n_bytes := self._take(now_ns)) is not None:
            del self._buffer[:n_bytes]

    def _take(self, now_ns: int) -> int | None:
        """Return the length of the message that stands first, None where it is not whole."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        kind = struct.unpack_from("<H", buffer)[0]
        if kind == _CLOSE:
            self._is_closed = True
            return 2
        if kind == _TEXT:
            n_bytes = 6 + struct.unpack_from("<I", buffer, 2)[0] if len(buffer) >= 6 else 1 << 30
            return n_bytes if len(buffer) >= n_bytes else None
        if kind != _IMAGE:
            raise MeasurementError(f"the server sent message {kind}")
        if len(buffer) < _IMAGE_FIXED:
            return None
        head = ismrmrd.ImageHeader.from_buffer_copy(buffer[2 : 2 + _HEAD_BYTES])
        x, y, z = head.matrix_size
        n_attributes = struct.unpack_from("<Q", buffer, 2 + _HEAD_BYTES)[0]
        n_bytes = int(_IMAGE_FIXED + n_attributes + 4 * x * y * z)
        if len(buffer) < n_bytes:
            return None
        self.heard.image_ns.setdefault(int(head.repetition), []).append(now_ns)
        return n_bytes


def _treatment(matrix: int, n_coils: int, rate_hz: float) -> Treatment:
    sequence = GradientEcho(
        matrix=(matrix, matrix),
        repetition_time_s=1.0 / (rate_hz * matrix),
        time_stamp_unit="us",
    )
    return Treatment(sequence=sequence, n_coils=n_coils)
