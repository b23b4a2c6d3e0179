"""Answers `GET /metrics`, and nothing else, to a bounded number of visitors for a bounded time.

The owner's loop waits for its sockets and gives it the time; no visitor is ever waited for.
"""

import contextlib
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import zmq

MOST_VISITORS = 16
PATIENCE_NS = 5_000_000_000  # from the first word to the last
MOST_REQUEST_BYTES = 8192
_MOST_IGNORED_BYTES = 1 << 16
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SEEN = ("Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Connection: close")


@dataclass(slots=True, eq=False)
class _Visitor:
    connection: socket.socket
    since_ns: int
    request: bytearray = field(default_factory=bytearray)
    reply: bytes | None = None
    n_ignored: int = 0


class Door:
    """Serves a listening socket. make_text: what is to be told; hosts: `host:port` that are us."""

    def __init__(
        self,
        listening: socket.socket,
        poller: zmq.Poller,
        make_text: Callable[[], bytes],
        hosts: Collection[str],
    ) -> None:
        self._listening, self._poller = listening, poller
        self._make_text, self._hosts = make_text, frozenset(hosts)
        self._visitors: dict[int, _Visitor] = {}
        listening.setblocking(False)
        poller.register(listening.fileno(), zmq.POLLIN)

    def turn(self, ready: dict[object, int], now_ns: int) -> None:
        """See to whoever has something for us, or takes something; let go who is slow."""
        if self._listening.fileno() in ready:
            self._accept(now_ns)
        for visitor in list(self._visitors.values()):
            if now_ns - visitor.since_ns > PATIENCE_NS:
                self._part(visitor)
            elif visitor.connection.fileno() in ready:
                self._serve(visitor)

    def close(self) -> None:
        """Let all of them go."""
        for visitor in list(self._visitors.values()):
            self._part(visitor)
        self._listening.close()

    def _accept(self, now_ns: int) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:  # gone already, or no descriptor is left
            return
        if len(self._visitors) >= MOST_VISITORS:
            # who idles must not keep the one out who asks
            self._part(min(self._visitors.values(), key=lambda one: one.since_ns))
        connection.setblocking(False)
        self._visitors[connection.fileno()] = _Visitor(connection, now_ns)
        self._poller.register(connection.fileno(), zmq.POLLIN)

    def _serve(self, visitor: _Visitor) -> None:
        try:
            if visitor.reply is None:
                self._read(visitor)
            elif visitor.reply:
                self._write(visitor)
            else:
                self._ignore(visitor)
        except BlockingIOError:
            return
        except OSError:
            self._part(visitor)

    def _read(self, visitor: _Visitor) -> None:
        chunk = visitor.connection.recv(MOST_REQUEST_BYTES)
        visitor.request += chunk
        if not chunk:
            self._part(visitor)
        elif b"\r\n\r\n" in visitor.request or len(visitor.request) > MOST_REQUEST_BYTES:
            visitor.reply = self._answer(bytes(visitor.request))
            self._poller.modify(visitor.connection.fileno(), zmq.POLLOUT)

    def _write(self, visitor: _Visitor) -> None:
        reply = visitor.reply or b""
        visitor.reply = reply[visitor.connection.send(reply) :]
        if not visitor.reply:
            # closed at once, a request that was not read whole would reset what we said
            visitor.connection.shutdown(socket.SHUT_WR)
            self._poller.modify(visitor.connection.fileno(), zmq.POLLIN)

    def _ignore(self, visitor: _Visitor) -> None:
        n_bytes = len(visitor.connection.recv(MOST_REQUEST_BYTES))
        visitor.n_ignored += n_bytes
        if not n_bytes or visitor.n_ignored > _MOST_IGNORED_BYTES:
            self._part(visitor)

    def _part(self, visitor: _Visitor) -> None:
        self._poller.unregister(visitor.connection.fileno())
        del self._visitors[visitor.connection.fileno()]
        with contextlib.suppress(OSError):
            visitor.connection.close()

    def _answer(self, request: bytes) -> bytes:
        head, end, _ = request.partition(b"\r\n\r\n")
        if not end or len(head) > MOST_REQUEST_BYTES:
            return _reply("431 Request Header Fields Too Large", "the request is too long\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _reply("400 Bad Request", "expected GET /metrics HTTP/1.1\n")
        fields = [line.partition(":") for line in lines]
        named = [value.strip() for name, _, value in fields if name.lower() == "host"]
        if len(named) != 1 or named[0] not in self._hosts:
            return _reply("403 Forbidden", "this host is not ours\n")
        if words[0] not in ("GET", "HEAD"):
            return _reply("405 Method Not Allowed", "expected GET\n", "Allow: GET, HEAD")
        if words[1].partition("?")[0] != "/metrics":
            return _reply("404 Not Found", "the metrics are at /metrics\n")
        reply = _reply("200 OK", self._make_text())
        return reply.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if words[0] == "HEAD" else reply


def _reply(status: str, text: str | bytes, *more: str) -> bytes:
    body = text.encode() if isinstance(text, str) else text
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {_CONTENT_TYPE if status.startswith('200') else 'text/plain'}",
        f"Content-Length: {len(body)}",
        *_SEEN,
        *more,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
