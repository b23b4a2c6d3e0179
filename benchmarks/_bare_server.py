"""The least that a server can do: readout FFT on arrival, the rest after the last, one image back.

`python benchmarks/_bare_server.py` prints its port and serves one client after another until its
standard input ends. It has no temperature, no deadline, no record and no second client: it shows
what the language and this machine leave to a server that does more. Nothing of ours is in it.
"""

import contextlib
import os
import select
import socket
import struct
import sys

import ismrmrd
import numpy as np
import scipy.fft

_ID = struct.Struct("<H")
_LENGTH = struct.Struct("<I")
_HEAD_BYTES = 340
_IS_NOISE, _IS_LAST = 1 << 18, 1 << 7
_FIXED = {1: 1024}
_TEXTS = (2, 3, 5)


class _Line:
    """A blocking reader of exact numbers of bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray(1 << 20)

    def read(self, n_bytes: int) -> memoryview:
        if n_bytes > len(self._buffer):
            self._buffer = bytearray(n_bytes)
        view = memoryview(self._buffer)[:n_bytes]
        n_read = 0
        while n_read < n_bytes:
            n = self._connection.recv_into(view[n_read:])
            if not n:
                raise EOFError
            n_read += n
        return view


def serve(connection: socket.socket) -> None:
    """Answer one client until it sends CLOSE or goes."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line, hybrid = _Line(connection), np.zeros((0, 0, 0), np.complex64)
    while True:
        kind = _ID.unpack(line.read(2))[0]
        if kind in _FIXED:
            line.read(_FIXED[kind])
        elif kind in _TEXTS:
            line.read(_LENGTH.unpack(line.read(4))[0])
        elif kind == 4:
            connection.sendall(_ID.pack(4))
            return
        elif kind == 1008:
            head = ismrmrd.AcquisitionHeader.from_buffer_copy(line.read(_HEAD_BYTES))
            n_coils, n = head.active_channels, head.number_of_samples
            samples = np.frombuffer(line.read(n_coils * n * 8), np.complex64).reshape(n_coils, n)
            if head.flags & _IS_NOISE:
                continue
            row, n_rows = head.idx.kspace_encode_step_1, n // 2
            if hybrid.shape != (n_coils, n_rows, n // 2):
                hybrid = np.zeros((n_coils, n_rows, n // 2), np.complex64)
            along = scipy.fft.fftshift(scipy.fft.ifft(samples), axes=1)
            hybrid[:, row] = along[:, n // 4 : n // 4 + n // 2] * (-1) ** row
            if head.flags & _IS_LAST:
                connection.sendall(_image(hybrid, head))
        else:
            raise ValueError(f"message {kind}")


def _image(hybrid: np.ndarray, last: ismrmrd.AcquisitionHeader) -> bytes:
    coils = scipy.fft.ifft(hybrid, axis=1)
    pixels = np.sqrt(np.sum(coils.real**2 + coils.imag**2, axis=0), dtype=np.float32)
    head = ismrmrd.ImageHeader()
    head.version, head.data_type, head.channels, head.image_type = 1, 5, 1, 1
    head.matrix_size = (pixels.shape[1], pixels.shape[0], 1)
    head.repetition = last.idx.repetition
    return _ID.pack(1022) + bytes(head) + struct.pack("<Q", 0) + pixels.tobytes()


def main() -> None:
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))  # as the monitor has it
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        try:
            serve(connection)
        except (EOFError, ConnectionError):
            pass
        finally:
            connection.close()


if __name__ == "__main__":
    main()
