"""The two ways in: a stream socket, and one ZeroMQ client of a shared ROUTER socket.

A peer moves bytes. It never blocks: what a slow client does not take waits in a bounded queue, and
what does not fit is dropped and counted.
"""

import contextlib
import socket
from collections import deque

import zmq

MAX_QUEUED_BYTES = 1 << 26
_CHUNK_BYTES = 1 << 20


class TcpPeer:
    """A client on a stream socket."""

    def __init__(self, connection: socket.socket, *, name: str) -> None:
        connection.setblocking(False)
        if connection.family in {socket.AF_INET, socket.AF_INET6}:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # a scanner that lost its power closes nothing: notice it within half a minute
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        self._connection = connection
        self._queue: deque[memoryview] = deque()
        self._queued_bytes = 0
        self._buffer = bytearray(_CHUNK_BYTES)
        self.name = name
        self.n_dropped = 0
        self._is_finishing = False

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._connection.fileno()

    @property
    def has_output(self) -> bool:
        """Whether bytes wait for the client to take them."""
        return bool(self._queue)

    def receive(self, at_most_bytes: int = _CHUNK_BYTES) -> bytes | None:
        """Return what has come; empty when the client has ended its side; None when nothing has."""
        try:
            n = self._connection.recv_into(self._buffer, at_most_bytes)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        return bytes(memoryview(self._buffer)[:n])

    def send(self, message: bytes, *, is_droppable: bool = False) -> None:
        """Send a message, or queue it; a droppable one is dropped where the queue is full."""
        if self._queued_bytes + len(message) > MAX_QUEUED_BYTES:
            self.n_dropped += 1
            if is_droppable:
                return
        self._queue.append(memoryview(message))
        self._queued_bytes += len(message)
        self.flush()

    def flush(self) -> None:
        """Send what the client will take now."""
        while self._queue:
            try:
                n = self._connection.send(self._queue[0])
            except BlockingIOError:
                return
            except OSError:
                self._queue.clear()
                self._queued_bytes = 0
                return
            self._queued_bytes -= n
            if n == len(self._queue[0]):
                self._queue.popleft()
            else:
                self._queue[0] = self._queue[0][n:]
        if self._is_finishing:
            with contextlib.suppress(OSError):  # the client has gone first
                self._connection.shutdown(socket.SHUT_WR)

    def finish(self) -> None:
        """Say that no more will come, once the client has taken all; it may still send."""
        self._is_finishing = True
        self.flush()

    def close(self) -> None:
        """Close the socket."""
        self._connection.close()


class ZmqPeer:
    """A DEALER client: each of its ZeroMQ messages is one MRD message."""

    def __init__(self, router: "zmq.Socket[bytes]", identity: bytes) -> None:
        self._router = router
        self.identity = identity
        self.name = f"zmq:{identity.hex()}"
        self.has_output = False
        self.n_dropped = 0

    def send(self, message: bytes, *, is_droppable: bool = False) -> None:
        """Send a message; one that the client has no room for is dropped and counted."""
        del is_droppable  # ZeroMQ bounds its own queue, whatever the message
        try:
            self._router.send_multipart([self.identity, message], zmq.NOBLOCK)
        except zmq.ZMQError:
            self.n_dropped += 1

    def flush(self) -> None:
        """Do nothing: ZeroMQ keeps its own queue."""

    def finish(self) -> None:
        """Do nothing: a ZeroMQ client has no end of stream but CLOSE."""

    def close(self) -> None:
        """Do nothing: the ROUTER socket is shared and stays open."""


Peer = TcpPeer | ZmqPeer
