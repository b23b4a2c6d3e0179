"""Everybody who speaks MRD to us: listening, reading, hanging up. Nobody can make another wait."""

import socket
from collections import deque
from collections.abc import Mapping

import zmq

from realtime.outputs.publisher import endpoint_of, refused_address
from realtime.peers import TcpPeer, ZmqPeer
from realtime.reception import Begin, Reception
from realtime.security.door import Door
from realtime.streams.mrd_layout import CONFIG_FILE, CONFIG_TEXT, HEADER, MESSAGE_ID

_LISTEN_BACKLOG = 128
_ACCEPTED_A_TURN = 32
_MAX_ZMQ_MESSAGE_BYTES = 1 << 28
# What is taken of ZeroMQ in one go: a flood there must not starve the rest of the loop.
_ZMQ_TURNS = 256
_ZMQ_TURN_BYTES = 1 << 18  # whole messages; a large one is decoded piece by piece
# A client that was told to go may still be sending; closing at once would destroy what it was told.
_DRAIN_NS = 5_000_000_000
_MAX_DEAF = 1000
# More than this many are no scanners, and descriptors are finite.
_MAX_CLIENTS = 64
# A ZeroMQ client that has to wait shares its socket with others that need not.
_MAX_PARKED_BYTES = 1 << 26
_BEGINNINGS = frozenset({CONFIG_FILE, CONFIG_TEXT, HEADER})


class Clients:
    """The sockets for MRD clients, and one reception for each client."""

    def __init__(
        self,
        tcp: tuple[str, int] | None,
        zmq_address: str | None,
        context: "zmq.Context[zmq.Socket[bytes]]",
        poller: zmq.Poller,
        begin: Begin,
        door: Door,
    ) -> None:
        self._poller = poller
        self._begin = begin
        self._listener = None if tcp is None else _listen(tcp)
        self._door = door
        self._router = None if zmq_address is None else _bind(context, zmq_address, self._door)
        self._receptions: dict[int | bytes, Reception] = {}
        self._over_ns: dict[int | bytes, int] = {}
        self._parked: dict[bytes, deque[memoryview]] = {}
        self._n_parked_bytes = 0
        self._gave_way: list[Reception] = []
        # ZeroMQ clients that were told to go: what they still had under way is not a new session
        self._deaf: deque[bytes] = deque(maxlen=_MAX_DEAF)
        if self._listener is not None:
            poller.register(self._listener.fileno(), zmq.POLLIN)
        if self._router is not None:
            poller.register(self._router, zmq.POLLIN)

    @property
    def tcp_port(self) -> int:
        """The port that clients connect to, 0 where there is none."""
        return 0 if self._listener is None else int(self._listener.getsockname()[1])

    @property
    def zmq_endpoint(self) -> str:
        """The address that ZeroMQ clients connect to, empty where there is none."""
        return "" if self._router is None else endpoint_of(self._router)

    @property
    def is_empty(self) -> bool:
        """Whether nobody is connected."""
        return not self.n_clients

    @property
    def n_clients(self) -> int:
        """How many are connected, those among them that were told to go."""
        return len(self._receptions)

    @property
    def is_pressed(self) -> bool:
        """Whether something that has come can be gone on with now, without waiting for more."""
        return any(self._receptions[key].wants_input for key in self._parked)

    def adopt(self, connection: socket.socket, *, name: str, now_ns: int) -> None:
        """Serve a stream socket that is already connected."""
        peer = TcpPeer(connection, name=name)
        self._receptions[peer.fileno()] = Reception(peer, self._begin, opened_ns=now_ns)

    def watch(self) -> None:
        """Poll each client for what it may do now; one that has to wait is not read."""
        if self._router is not None:
            is_full = self._n_parked_bytes > _MAX_PARKED_BYTES and self._flooder() is None
            self._poller.register(self._router, 0 if is_full else zmq.POLLIN)
        for reception in self._receptions.values():
            if isinstance(reception.peer, TcpPeer):
                is_draining = reception.is_over and not reception.is_ended
                wanted = zmq.POLLIN if reception.wants_input or is_draining else 0
                if reception.peer.has_output:
                    wanted |= zmq.POLLOUT
                self._poller.register(reception.peer.fileno(), wanted)

    def read(self, ready: Mapping[object, int], *, now_ns: int) -> None:
        """Take what has come."""
        if self._listener is not None and self._listener.fileno() in ready:
            self._accept(now_ns)
        for key, reception in list(self._receptions.items()):
            if isinstance(reception.peer, TcpPeer) and key in ready:
                self._read_tcp(reception, reception.peer, ready[key], now_ns)
        if self._router is not None and self._router in ready:
            self._read_router(self._router, now_ns)

    def tick(self, now_ns: int) -> list[Reception]:
        """Go on with those who had to wait; return those whose conversation is over."""
        over, self._gave_way = self._gave_way, []
        for key, reception in list(self._receptions.items()):
            if reception.is_waiting:
                reception.pump(now_ns=now_ns)
            if isinstance(key, bytes) and key in self._parked:
                self._unpark(key, reception, now_ns)
            reception.tick(now_ns)
            if reception.is_over:
                over.append(reception)
                self._let_go(key, reception, now_ns)
        return over

    def close(self) -> None:
        """Hang up on everybody."""
        for key, reception in list(self._receptions.items()):
            if not reception.is_over:
                reception.farewell()
            self._forget(key)
        if self._listener is not None:
            self._listener.close()
        if self._router is not None:
            self._router.close(linger=200)

    def _let_go(self, key: int | bytes, reception: Reception, now_ns: int) -> None:
        """Drop a client that has taken its last words and closed, or has had time to."""
        since_ns = self._over_ns.setdefault(key, now_ns)
        if isinstance(reception.peer, ZmqPeer):
            self._deaf.append(reception.peer.identity)
            self._forget(key)
        elif reception.is_ended or now_ns - since_ns > _DRAIN_NS:
            if reception.peer.has_output and now_ns - since_ns <= _DRAIN_NS:
                return
            self._forget(key)

    def _forget(self, key: int | bytes) -> None:
        peer = self._receptions.pop(key).peer
        self._over_ns.pop(key, None)
        if isinstance(key, bytes):
            self._n_parked_bytes -= sum(map(len, self._parked.pop(key, ())))
        if isinstance(peer, TcpPeer):
            self._poller.register(peer.fileno(), 0)
        peer.close()

    def _accept(self, now_ns: int) -> None:
        for _ in range(_ACCEPTED_A_TURN):
            try:
                if self._listener is None:
                    return
                connection, address = self._listener.accept()
            except OSError:
                return
            if not self._door.admits(address[0]):
                connection.close()
                continue
            name = f"tcp:{address[0]}:{address[1]}"
            if self._finds_place():
                self.adopt(connection, name=name, now_ns=now_ns)
            else:
                refused = Reception(TcpPeer(connection, name=name), self._begin, opened_ns=now_ns)
                refused.fail(f"{_MAX_CLIENTS} clients are connected, no more are served")
                refused.peer.close()
                self._gave_way.append(refused)

    def _finds_place(self) -> bool:
        """Whether one more client finds a place; the oldest that has sent no header gives way."""
        if len(self._receptions) < _MAX_CLIENTS:
            return True
        for key, reception in self._receptions.items():
            if not reception.has_header:
                reception.fail(
                    f"{_MAX_CLIENTS} clients are connected and this one has sent no header; "
                    "connect again"
                )
                self._gave_way.append(reception)
                if isinstance(key, bytes):
                    self._deaf.append(key)
                self._forget(key)
                return True
        return False

    def _read_tcp(self, reception: Reception, peer: TcpPeer, events: int, now_ns: int) -> None:
        if events & zmq.POLLOUT:
            peer.flush()
        if not events & ~zmq.POLLOUT:
            return
        data = peer.receive() if reception.is_over else peer.receive(reception.turn_bytes)
        if data is None:
            return
        if reception.is_over:
            reception.is_ended = reception.is_ended or not data
        elif reception.wants_input:
            reception.receive(data, now_ns=now_ns)

    def _read_router(self, router: "zmq.Socket[bytes]", now_ns: int) -> None:
        n_bytes = 0
        for _ in range(_ZMQ_TURNS):
            if n_bytes > _ZMQ_TURN_BYTES or not self._may_park():
                return
            try:
                identity, *parts = router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            message = b"".join(parts)
            n_bytes += len(message)
            reception = self._receptions.get(identity) or self._greet(
                router, identity, message, now_ns
            )
            if reception is None:
                continue
            is_large = len(message) > reception.turn_bytes
            if is_large or reception.is_waiting or identity in self._parked:
                self._parked.setdefault(identity, deque()).append(memoryview(message))
                self._n_parked_bytes += len(message)
            elif reception.wants_input:
                reception.receive(message, now_ns=now_ns)

    def _may_park(self) -> bool:
        """Whether more of ZeroMQ may be read: its clients share a socket, and memory is bounded."""
        if self._n_parked_bytes <= _MAX_PARKED_BYTES:
            return True
        flooder = self._flooder()
        if flooder is None:
            return False
        reception = self._receptions[flooder]
        self._n_parked_bytes -= sum(map(len, self._parked.pop(flooder)))
        reception.fail(
            "sends faster than its images are made, and over ZeroMQ that would keep a treatment "
            "waiting; send it over TCP"
        )
        return True

    def _flooder(self) -> bytes | None:
        """Return the imaging client that fills the memory while a treatment shares its socket."""
        sessions = {
            key: one.session
            for key, one in self._receptions.items()
            if isinstance(key, bytes) and one.session is not None and not one.is_over
        }
        patient = [key for key, one in sessions.items() if one.is_patient and key in self._parked]
        if not patient or all(one.is_patient for one in sessions.values()):
            return None
        return max(patient, key=lambda key: sum(map(len, self._parked[key])))

    def _unpark(self, identity: bytes, reception: Reception, now_ns: int) -> None:
        """Go on with what a ZeroMQ client sent while it had to wait, or sent in one large piece."""
        parked, n_left = self._parked[identity], reception.turn_bytes
        for _ in range(_ZMQ_TURNS):
            if not (parked and reception.wants_input) or n_left <= 0:
                break
            message = parked.popleft()
            piece, rest = message[:n_left], message[n_left:]
            if rest:
                parked.appendleft(rest)
            n_left -= len(piece)
            self._n_parked_bytes -= len(piece)
            reception.receive(bytes(piece), now_ns=now_ns)
        if not parked:
            self._parked.pop(identity, None)

    def _greet(
        self, router: "zmq.Socket[bytes]", identity: bytes, message: bytes, now_ns: int
    ) -> Reception | None:
        if identity in self._deaf:
            kind = MESSAGE_ID.unpack_from(message)[0] if len(message) >= MESSAGE_ID.size else 0
            if kind not in _BEGINNINGS:
                return None
            self._deaf.remove(identity)
        if not self._finds_place():
            return None
        peer = ZmqPeer(router, identity)
        self._receptions[identity] = Reception(peer, self._begin, opened_ns=now_ns)
        return self._receptions[identity]


def _listen(address: tuple[str, int]) -> socket.socket:
    try:
        listener = socket.create_server(address, backlog=_LISTEN_BACKLOG)
    except OSError as error:
        where = f"tcp {address[0]}:{address[1]}"
        raise refused_address(where, error) from error
    listener.setblocking(False)
    return listener


def _bind(
    context: "zmq.Context[zmq.Socket[bytes]]", address: str, door: Door
) -> "zmq.Socket[bytes]":
    router = context.socket(zmq.ROUTER)
    door.guard(router, is_for_scanners=True)
    router.setsockopt(zmq.MAXMSGSIZE, _MAX_ZMQ_MESSAGE_BYTES)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    try:
        router.bind(address)
    except zmq.ZMQError as error:
        router.close(linger=0)
        raise refused_address(address, error) from error
    return router
