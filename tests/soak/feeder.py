"""A scanner's frames in pieces, each when it is due: ready-made samples, counters that move on."""

import socket
from collections.abc import Sequence

from simulators.mrd import acquisition_message, close_message
from tests.harness import Scan

SCAN = Scan()
PERIOD_NS = 100_000_000
_N_PIECES = 8
_ACQUIRED_NS = 70_000_000  # from a frame's first piece to its last readout
_N_NOISES = 8


class Feeder:
    """One session's frames on a connected socket.

    rises_c: the heat of each frame in °C, again from the first when all are sent; None leaves out
        a frame's last line but one. After `n_cold` frames without heat.
    sent_ns: when each frame's last readout was handed to the socket.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        now_ns: int,
        rises_c: Sequence[float | None] = (0.0,),
        n_cold: int = 0,
    ) -> None:
        self.connection = connection
        self.sent_ns: list[int] = []
        self._rises_c, self._n_cold = rises_c, n_cold
        self._began_ns, self._piece = now_ns, 0
        connection.sendall(SCAN.opening())

    @property
    def frame_ns(self) -> int:
        """When the frame under way, or the next, begins."""
        return self._began_ns + len(self.sent_ns) * PERIOD_NS

    @property
    def due_ns(self) -> int:
        """When the next piece is due."""
        return self.frame_ns + self._piece * _ACQUIRED_NS // (_N_PIECES - 1)

    def send(self, now_ns: int) -> None:
        """Send the next piece."""
        if now_ns > self.due_ns + PERIOD_NS:  # held up: a scanner does not hurry after it
            self._began_ns += now_ns - self.due_ns
        frame = len(self.sent_ns)
        n = SCAN.n_pixels // _N_PIECES
        lines = range(self._piece * n, (self._piece + 1) * n)
        self.connection.sendall(b"".join(self._message(frame, line) for line in lines))
        self._piece += 1
        if self._piece == _N_PIECES:
            self._piece = 0
            self.sent_ns.append(now_ns)

    def close(self) -> None:
        """End the session as a scanner does, in mid-frame too."""
        self.connection.sendall(close_message())

    def _message(self, frame: int, line: int) -> bytes:
        rise_c = None
        if frame >= self._n_cold:
            rise_c = self._rises_c[(frame - self._n_cold) % len(self._rises_c)]
            if rise_c is None and line == SCAN.n_pixels - 2:
                return b""
        kspace = _kspace(frame % _N_NOISES, rise_c or 0.0)
        return acquisition_message(SCAN.head(frame, line), kspace[line])


_made: dict[tuple[int, float], object] = {}


def _kspace(noise: int, rise_c: float):
    if (noise, rise_c) not in _made:
        _made[noise, rise_c] = SCAN.kspace(noise, rise_c=rise_c)
    return _made[noise, rise_c]
