"""A scanner that sends heated and incomplete frames, and comes back when the monitor has gone.

`python -m tests.soak.scanner LOG PORT` writes down how many frames each of its sessions has sent.
SIGUSR1 resets its connection, as a broken network does.
"""

import select
import signal
import socket
import struct
import sys
from pathlib import Path
from types import FrameType

from realtime.clock import MonotonicClock
from tests.soak.feeder import Feeder
from tests.soak.subscriber import Log

# °C above the body; None is an incomplete frame. Two good frames in a row let an alert go.
RISES_C = (*(0.0,) * 4, 30.0, 30.0, *(0.0,) * 7, None, *(0.0,) * 2)
_N_COLD = 4
_N_FRAMES = 80
_PATIENCE_S = 90.0
_BACK_OFF_S = (0.05, 0.1, 0.2, 0.4)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close sends RST


class ResetError(Exception):
    """The injector wants the connection reset."""


def session(port: int, clock: MonotonicClock, log: Log) -> None:
    """Send frames until all are sent, or until the connection breaks, from either side."""
    with socket.create_connection(("127.0.0.1", port), 10.0) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_PATIENCE_S)  # a session that is being admitted does not read
        feeder = Feeder(connection, now_ns=clock.now_ns(), rises_c=RISES_C, n_cold=_N_COLD)
        name, is_whole = f"tcp:127.0.0.1:{connection.getsockname()[1]}", False
        try:
            while len(feeder.sent_ns) < _N_FRAMES and _hears_on(connection, feeder, clock):
                feeder.send(clock.now_ns())
            feeder.close()
            while connection.recv(1 << 20):
                pass
            is_whole = len(feeder.sent_ns) == _N_FRAMES
        except ResetError:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        finally:
            log.write("sent", source=name, n_frames=len(feeder.sent_ns), is_whole=is_whole)


def _hears_on(connection: socket.socket, feeder: Feeder, clock: MonotonicClock) -> bool:
    """Take what comes back until the next piece is due; False where the monitor hung up."""
    while (remaining_ns := feeder.due_ns - clock.now_ns()) > 0:
        came = select.select([connection], [], [], remaining_ns / 1e9)[0]
        if came and not connection.recv(1 << 20):
            return False
    return True


def main(path: str, port: str) -> None:
    """Scan for ever."""

    def reset(number: int, frame: FrameType | None) -> None:
        raise ResetError

    signal.signal(signal.SIGUSR1, reset)
    clock, log, n_refused = MonotonicClock(), Log(Path(path)), 0
    while True:
        try:
            session(int(port), clock, log)
            n_refused = 0
        except OSError:
            n_refused += 1
        except ResetError:  # between two sessions there is nothing to reset
            continue
        back_off_s = _BACK_OFF_S[min(n_refused, len(_BACK_OFF_S) - 1)]
        try:
            clock.sleep_until_ns(clock.now_ns() + round(back_off_s * 1e9))
        except ResetError:
            continue


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
