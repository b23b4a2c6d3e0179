"""The therapy device's line to the monitor's control port."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec
import zmq

_LINGER_MS = 200


def _openly(line: "zmq.Socket[bytes]") -> None:
    """Leave a line without encryption."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """Where the monitor listens.

    control_port: where the device reports, or None. secure: what encrypts a line to its events or
    its control port.
    """

    host: str = "127.0.0.1"
    mrd_port: int = 9002
    event_port: int = 9004
    control_port: int | None = None
    secure: Callable[["zmq.Socket[bytes]"], None] = _openly


class _Answer(msgspec.Struct, frozen=True):
    status: str
    text: str = ""


class DeviceLine:
    """Tells what the device does, on the scanner's clock, and hears whether it was taken.

    zero_s: the simulator's time of the first readout, from which the monitor counts.
    patience_s: how long a report may wait for its answer; 0 asks for it at the next report.
    """

    def __init__(self, monitor: Monitor, *, zero_s: float, patience_s: float = 0.0) -> None:
        self.refusals: list[str] = []
        self._zero_s, self._patience_ms = zero_s, round(patience_s * 1e3)
        self._socket: zmq.Socket[bytes] | None = None
        if monitor.control_port is not None:
            self._socket = zmq.Context.instance().socket(zmq.DEALER)
            self._socket.setsockopt(zmq.LINGER, _LINGER_MS)
            monitor.secure(self._socket)
            self._socket.connect(f"tcp://{monitor.host}:{monitor.control_port}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            self._hear(0)
            self._socket.close()

    def report(self, kind: str, t_s: float, **said: float) -> bool:
        """Send what the device does from t_s on; return False where nobody listens."""
        if self._socket is None:
            return True
        since_s = max(t_s - self._zero_s, 0.0)
        message = msgspec.json.encode({"type": kind, **said, "time_s": since_s})
        try:
            self._socket.send(message, zmq.DONTWAIT)
        except zmq.Again:
            return False
        self._hear(self._patience_ms)
        return True

    def _hear(self, patience_ms: int) -> None:
        while self._socket is not None and self._socket.poll(patience_ms):
            answer = b""
            with contextlib.suppress(zmq.Again):
                answer = self._socket.recv_multipart(zmq.DONTWAIT)[-1]
            heard = msgspec.json.decode(answer, type=_Answer)
            if heard.status != "done":
                self.refusals.append(heard.text)
            patience_ms = 0
