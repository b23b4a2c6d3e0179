"""A client's end of a link to an MRD server: a TCP or inherited socket, or a ZeroMQ DEALER.

Nothing here blocks but `wait`, so one loop can send and receive at once and neither side can hold
up the other.
"""

import select
import socket
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import zmq

from messages import MonitorError
from realtime.security.keys import secure_client

_RECEIVE_BYTES = 1 << 20


class Link(Protocol):
    """Where a client's messages go and where the replies come from."""

    def send(self, data: memoryview) -> int:
        """Send what can be sent now; return how many bytes were taken, 0 for none.

        Raises ConnectionError where the peer has gone.
        """
        ...

    def receive(self) -> bytes | None:
        """Return what has come, None for nothing yet, b"" for the end of the stream."""
        ...

    def wait(self, timeout_s: float, *, for_sending: bool) -> None:
        """Wait until something has come or, if asked, can be sent; at most `timeout_s`."""
        ...

    def end_sending(self) -> None:
        """Say that no more will be sent."""
        ...

    def close(self) -> None:
        """Let go of the link."""
        ...


class SocketLink:
    """A connected stream socket, TCP or one end of a socket pair."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: memoryview) -> int:
        """Send what the socket's buffer takes."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def receive(self) -> bytes | None:
        """Return what has come."""
        try:
            return self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return None

    def wait(self, timeout_s: float, *, for_sending: bool) -> None:
        """Wait for the socket."""
        select.select([self._socket], [self._socket] if for_sending else [], [], timeout_s)

    def end_sending(self) -> None:
        """Half-close: the server may still answer."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the peer has gone already; the replies that came before are still read

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class ZmqLink:
    """A DEALER: each ZeroMQ message is one MRD message, the same bytes as on TCP."""

    def __init__(self, address: str, *, keys: Path | None = None) -> None:
        """Connect to `tcp://host:port`; ZeroMQ connects when the server is there."""
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 5000)
        try:
            secure_client(self._socket, keys)
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise MonitorError(f"cannot connect to {address}: {error}") from error
        except MonitorError:
            self.close()
            raise

    def send(self, data: memoryview) -> int:
        """Send one whole message, or none."""
        try:
            self._socket.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return 0
        return len(data)

    def receive(self) -> bytes | None:
        """Return one message; ZeroMQ has no end of stream, only CLOSE."""
        try:
            return b"".join(self._socket.recv_multipart(zmq.NOBLOCK))
        except zmq.Again:
            return None

    def wait(self, timeout_s: float, *, for_sending: bool) -> None:
        """Wait for the socket."""
        self._socket.poll(
            max(0, round(timeout_s * 1000)), zmq.POLLIN | (zmq.POLLOUT if for_sending else 0)
        )

    def end_sending(self) -> None:
        """Do nothing: CLOSE has said it."""

    def close(self) -> None:
        """Close the socket once what was sent has left, at most 5 s."""
        self._socket.close()
        self._context.term()


def open_link(url: str, *, timeout_s: float = 10.0, keys: Path | None = None) -> Link:
    """Connect to `tcp://host:port` (MRD over TCP) or `zmq://host:port` (MRD over ZeroMQ).

    keys: the folder of this client's keys; they are for ZeroMQ alone.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in ("tcp", "zmq") or not host or not port:
        raise MonitorError(f"address {url!r}, expected tcp://host:port or zmq://host:port")
    if parts.scheme == "zmq":
        return ZmqLink(f"tcp://{host}:{port}", keys=keys)
    if keys is not None:
        raise MonitorError(f"--keys: MRD over TCP has no encryption, expected zmq:// not {url}")
    try:
        return SocketLink(socket.create_connection((host, port), timeout=timeout_s))
    except OSError as error:
        raise MonitorError(f"cannot connect to {url}: {error.strerror or error}") from error
