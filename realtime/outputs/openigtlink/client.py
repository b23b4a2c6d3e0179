"""One client: what it is still to get, of each message only the newest; and what it asks for."""

import contextlib
import socket

from realtime.outputs.openigtlink.devices import Key, Message
from realtime.outputs.openigtlink.encoder import Code, status
from realtime.outputs.openigtlink.reader import Reader, RefusedError, Request
from realtime.outputs.page.bucket import Bucket

MOST_WAITING = 512
STUCK_NS = 10_000_000_000
_LEAVE_NS = 1_000_000_000
_A_TURN_BYTES = 1 << 16
_KERNEL_BYTES = 1 << 18  # more would only hold older pictures
_ORDER = ("STATUS", "STRING", "TRANSFORM")


class Client:
    """Bounded, whatever its peer does.

    is_over: nothing more is to be said; close it. One that takes nothing for 10 s while a message
    is under way is over, as is one that leaves a message half said for so long.
    """

    def __init__(self, connection: socket.socket, *, now_ns: int) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        self.fd = connection.fileno()
        self.is_over = False
        self.muted: set[Key] = set()
        self._connection = connection
        self._reader = Reader()
        self._allowance = Bucket(burst=1 << 18, per_s=1 << 12)
        self._waiting: dict[Key, Message] = {}
        self._under_way = memoryview(b"")
        self._sent_ns = self._begun_ns = now_ns
        self._leave_ns: int | None = None

    @property
    def is_sending(self) -> bool:
        """Whether it has something to take."""
        return bool(self._under_way or self._waiting)

    def offer(self, message: Message) -> None:
        """Have a message sent, unless a newer one of its key comes first or it was stopped."""
        kind, _ = message.key
        if {message.key, (kind, "")}.isdisjoint(self.muted):
            self.answer(message)

    def answer(self, message: Message) -> None:
        """Have a message sent that it has asked for."""
        if self._leave_ns is None:
            self._waiting[message.key] = message
            # only questions about ever other names can fill it
            self.is_over = self.is_over or len(self._waiting) > MOST_WAITING

    def receive(self, *, now_ns: int, utc_s: float) -> list[Request]:
        """Return what it asks for; what is wrong is told, and ends the conversation."""
        try:
            chunk = self._connection.recv(_A_TURN_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            chunk = b""
        if not chunk:
            self.is_over = True
            return []
        if self._leave_ns is not None:
            return []
        requests: list[Request] = []
        n_whole, was_within = self._reader.n_whole, self._reader.is_within
        try:
            if not self._allowance.take(len(chunk), now_ns):
                raise RefusedError(Code.OVERFLOW, "expected at most 4 KiB a second")
            requests.extend(self._reader.feed(chunk))
        except RefusedError as error:
            self.leave(error.code, str(error), now_ns=now_ns, utc_s=utc_s)
        if self._reader.n_whole > n_whole or not was_within:
            self._begun_ns = now_ns
        return requests

    def send(self, *, now_ns: int) -> None:
        """Send as much as it takes now."""
        try:
            while self.is_sending:
                if not self._under_way:
                    self._under_way = memoryview(self._next().content)
                n_bytes = self._connection.send(self._under_way)
                self._under_way, self._sent_ns = self._under_way[n_bytes:], now_ns
        except BlockingIOError:
            return
        except OSError:
            self.is_over = True

    def leave(self, code: Code, text: str, *, now_ns: int, utc_s: float) -> None:
        """Say why, once what is under way has gone, and hang up."""
        said = Message(
            "STATUS", "mrmonitor", lambda: status("mrmonitor", code, code.name, text, utc_s=utc_s)
        )
        self._waiting = {said.key: said}
        self._leave_ns = now_ns + _LEAVE_NS

    def look(self, *, now_ns: int) -> None:
        """See whether it is over."""
        if not self.is_sending:
            self._sent_ns = now_ns
            if self._leave_ns is not None:
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_WR)
        begun_ns = self._begun_ns if self._reader.is_within else now_ns
        is_stuck = now_ns - min(self._sent_ns, begun_ns) > STUCK_NS
        has_left = self._leave_ns is not None and now_ns > self._leave_ns
        self.is_over = self.is_over or is_stuck or has_left

    def close(self) -> None:
        """Close its socket."""
        self._connection.close()

    def _next(self) -> Message:
        def place(key: Key) -> int:
            return _ORDER.index(key[0]) if key[0] in _ORDER else len(_ORDER)

        return self._waiting.pop(min(self._waiting, key=place))
