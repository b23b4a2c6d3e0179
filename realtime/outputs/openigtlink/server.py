"""Serves OpenIGTLink clients from what the monitor publishes, in one loop that waits for nobody."""

import contextlib
import socket
from functools import partial
from pathlib import Path

import zmq

from realtime.clock import Clock, utc_now
from realtime.control_line import ask
from realtime.outputs.listener import Listener
from realtime.outputs.missed_alerts import MissedAlerts
from realtime.outputs.openigtlink.client import MOST_WAITING, Client
from realtime.outputs.openigtlink.devices import Message
from realtime.outputs.openigtlink.encoder import Code, message
from realtime.outputs.openigtlink.news import News
from realtime.outputs.openigtlink.reader import Request

MOST_CLIENTS = 16
_LOOK_MS = 50
_TOPICS = ("permit", "verdict", "alert", "heartbeat", "run.", "map")
_LONG_NAMES = {"TRANS": "TRANSFORM", "CAPABIL": "CAPABILITY"}  # 12 bytes hold no GET_TRANSFORM
_KINDS = ("IMAGE", "STATUS", "STRING", "TRANSFORM")
_CAPABILITY = b"".join(kind.encode().ljust(12, b"\0") for kind in _KINDS)


class Server:
    """The monitor's events in, messages out to every client.

    Reading is bounded, writing never blocks, and a picture is encoded once for all.
    """

    def __init__(
        self,
        listening: socket.socket,
        clock: Clock,
        *,
        events: str,
        control: str,
        keys: Path | None,
    ) -> None:
        """Subscribe. Raises MonitorError where the keys cannot be read."""
        listening.setblocking(False)
        self._listening, self._clock, self._news = listening, clock, News()
        self._line = Listener(events, topics=_TOPICS, keys=keys)
        self._line.poller.register(listening.fileno(), zmq.POLLIN)
        self._clients: dict[int, Client] = {}
        self._missed = MissedAlerts(self._news.watched, partial(ask, control, keys=keys))

    def run(self) -> None:
        """Serve until standard input ends."""
        while not self._line.is_over:
            self._line.wait(_LOOK_MS)
            self._turn(self._clock.now_ns(), utc_now().timestamp())

    def close(self) -> None:
        """Close all sockets."""
        for client in self._clients.values():
            client.close()
        self._listening.close()
        self._line.close()

    def _turn(self, now_ns: int, utc_s: float) -> None:
        for envelope, noun in self._line.heard():
            self._news.hear(envelope, noun, now_ns=now_ns, utc_s=utc_s)
        self._missed.look(now_ns)
        self._news.look(now_ns=now_ns, utc_s=utc_s)
        told = self._news.take()
        for client in list(self._clients.values()):
            for one in told:
                client.offer(one)
            self._attend(client, now_ns, utc_s)
        if self._listening.fileno() in self._line.ready:
            self._welcome(now_ns, utc_s)  # last, since others may have left

    def _welcome(self, now_ns: int, utc_s: float) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listening.accept()
            client = Client(connection, now_ns=now_ns)
            if len(self._clients) >= MOST_CLIENTS:
                text = f"{MOST_CLIENTS} clients are connected, more are not served"
                client.leave(Code.BUSY, text, now_ns=now_ns, utc_s=utc_s)
                client.send(now_ns=now_ns)
                client.close()
                return
            self._clients[client.fd] = client
            for one in self._news.current.values():
                client.offer(one)
            self._line.poller.register(client.fd, zmq.POLLIN | zmq.POLLOUT)

    def _attend(self, client: Client, now_ns: int, utc_s: float) -> None:
        if self._line.ready.get(client.fd, 0) & ~zmq.POLLOUT:
            for request in client.receive(now_ns=now_ns, utc_s=utc_s):
                self._answer(client, request, utc_s)
        client.send(now_ns=now_ns)
        client.look(now_ns=now_ns)
        if client.is_over:
            self._line.poller.unregister(client.fd)
            del self._clients[client.fd]
            client.close()
            return
        flags = zmq.POLLIN | (zmq.POLLOUT if client.is_sending else 0)
        self._line.poller.modify(client.fd, flags)

    def _answer(self, client: Client, request: Request, utc_s: float) -> None:
        """Answer as the protocol's page on queries asks for."""
        kind = _LONG_NAMES.get(request.kind, request.kind)
        key = kind, request.device
        if request.verb == "GET":
            found = [
                one
                for one in self._news.current.values()
                if one.key == key or (one.key[0] == kind and not request.device)
            ]
            # what there is not is answered with an empty body
            body = _CAPABILITY if kind == "CAPABILITY" else b""
            for one in found or [_reply(kind, request.device, body, utc_s)]:
                client.answer(one)
            return
        is_obeyed = kind in _KINDS and kind != "STATUS"
        if request.verb == "STT":
            client.muted.discard(key)
        elif is_obeyed := is_obeyed and len(client.muted) < MOST_WAITING:
            client.muted.add(key)
        body = bytes([0 if is_obeyed else 1])
        client.answer(_reply(f"RTS_{request.kind}", request.device, body, utc_s))


def _reply(kind: str, device: str, body: bytes, utc_s: float) -> Message:
    return Message(kind, device, lambda: message(kind, device, body, utc_s=utc_s))
