"""Clients of the live page without a browser: one that reads all that comes, one that is frozen."""

import json
import socket
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from realtime.clock import MonotonicClock

_PATIENCE_S = 20.0


class Reader:
    """Reads all that comes, as the page's script does, on a thread.

    drawn_ms: (frame, when it was read by the monotonic clock).
    """

    def __init__(self, address: str) -> None:
        self._host = address.removeprefix("http://").rstrip("/")
        self._drawn: list[tuple[int, float]] = []
        self._clock = MonotonicClock()
        self._is_over = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """End its thread."""
        self._is_over = True
        self._thread.join()

    def drawn_ms(self) -> list[tuple[int, float]]:
        """Return each frame that was read, and when."""
        return list(self._drawn)

    def _run(self) -> None:
        where = f"ws://{self._host}/socket"
        with connect(where, origin=f"http://{self._host}", compression=None, max_size=None) as line:
            line.send('{"type":"hello"}')
            seen = {"beat": 0, "picture": 0}
            while not self._is_over:
                try:
                    message = line.recv(_PATIENCE_S)
                except (ConnectionClosed, TimeoutError):
                    return
                if isinstance(message, str):
                    told = json.loads(message)
                else:
                    told = json.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])
                    self._drawn.append((told["frame_id"], self._clock.now_ns() / 1e6))
                if told["type"] in seen:
                    seen[told["type"]] = told["number"]
                    line.send(json.dumps({"type": "seen", "stamp_ms": 1.0, **seen}))


class Frozen:
    """A browser that never reads; when it is sent away it comes again."""

    def __init__(self, address: str) -> None:
        self._address = address.removeprefix("http://").rstrip("/")
        self.n_came = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """End its thread."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        host, port = self._address.split(":")
        while not self._is_over.is_set():
            with socket.create_connection((host, int(port)), _PATIENCE_S) as line:
                self.n_came += 1
                line.sendall(
                    f"GET /socket HTTP/1.1\r\nHost: {self._address}\r\n"
                    f"Origin: http://{self._address}\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
                )
                hello = b'{"type":"hello"}'
                line.sendall(bytes([0x81, 0x80 | len(hello)]) + bytes(4) + hello)
                self._is_over.wait(6.0)  # a second longer than it is borne with
