"""What a connection may cost before anybody looks at what it says.

uvicorn limits neither how long a handshake takes, nor how many connections wait, nor what a socket
sends in pings and fragments; these two do.
"""

import asyncio
import socket

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from realtime.clock import MonotonicClock
from realtime.outputs.page.bucket import Bucket

HANDSHAKE_S = 5.0
MOST_CONNECTIONS = 64
INBOUND_BYTES = (16384.0, 8192.0)  # at once, and a second; a page that is open says 2 kB/s
_WRITE_S = 5.0
_LAST_WORDS_S = 1.0
_KERNEL_BYTES = 1 << 18
_TOO_MUCH = 1008


class NotTaken(Exception):  # noqa: N818 - of a browser, no error of ours; Starlette eats OSErrors
    """What is sent to a browser stays here."""


class Request(H11Protocol):
    """A connection that has five seconds to ask, be answered and go, or to become a socket."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        # the kernel would keep megabytes for one who does not read
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES
        )
        self._deadline = self.loop.call_later(HANDSHAKE_S, self._end)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _end(self) -> None:
        if self.transport.get_protocol() is self:
            self.transport.abort()


class Socket(WebSocketsSansIOProtocol):
    """A WebSocket that may send so many bytes a second, whatever they are."""

    _bucket: Bucket | None = None
    _is_cut = False

    def data_received(self, data: bytes) -> None:
        """Take bytes; too many end the conversation, unread."""
        if self._is_cut:
            return
        # the handshake is our own copy of a request that was read already
        if not self.handshake_initiated:
            super().data_received(data)
            return
        self._bucket = self._bucket or Bucket(*INBOUND_BYTES)
        if self._bucket.take(len(data), MonotonicClock().now_ns()):
            super().data_received(data)
        else:
            self._cut_off()

    async def send(self, message: ASGISendEvent) -> None:
        """Send; once the conversation is over, that is no error of ours.

        Raises NotTaken where the browser has taken nothing for five seconds.
        """
        if not self.writable.is_set():
            await self._until_writable()
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)

    async def _until_writable(self) -> None:
        try:
            async with asyncio.timeout(_WRITE_S):
                await self.writable.wait()
        except TimeoutError:
            raise NotTaken(f"nothing was taken for {_WRITE_S:g} s") from None

    async def run_asgi(self) -> None:
        """Serve; a peer that does not take its last words is gone soon after."""
        await super().run_asgi()
        self.loop.call_later(_LAST_WORDS_S, self.transport.abort)

    def _cut_off(self) -> None:
        reason = f"more than {INBOUND_BYTES[1]:.0f} bytes a second"
        self._is_cut = True
        self.transport.pause_reading()
        if not self.close_sent:
            if self.handshake_complete:
                self.conn.send_close(_TOO_MUCH, reason)
                self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.queue.put_nowait(
                {"type": "websocket.disconnect", "code": _TOO_MUCH, "reason": reason}
            )
        # not closed at once: a reset would overtake the reason
        self.loop.call_later(_LAST_WORDS_S, self.transport.abort)
