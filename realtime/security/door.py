"""The gateway's door: public keys over ZeroMQ, addresses of scanners.

ZeroMQ asks by ZAP (RFC 27) about each new connection, after it has itself checked that the peer
holds the key that it names. A thread answers, because the list lies on a disk; it holds nothing
that the gateway's loop waits for. Where it does not answer, nobody comes in.

It asks without keys too. A socket that nobody is asked about takes ZMTP 1.0, which has no greeting:
then the bytes of an HTTP request are frames, and a web page could acknowledge an alert.
"""

import ipaddress
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import zmq
from zmq.utils import z85

from messages import MonitorError
from realtime.security.allow_list import AllowList
from realtime.security.keys import ALLOWED, fingerprint, read_pair, refuse_writable

_ZAP = "inproc://zeromq.zap.01"
_DOMAIN, _SCANNERS = b"mrmonitor", b"mrmonitor.scanners"
_MOST_REFUSALS = 1000  # between two turns of the loop; more are not told
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Door:
    """Says who may come in, and notes who was refused.

    keys: the monitor's folder of keys, None for sockets without encryption. scanners: the networks
    that MRD without encryption is taken from, None for any.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        keys: Path | None = None,
        scanners: Sequence[Network] | None = None,
    ) -> None:
        self._context = context
        self._scanners = None if scanners is None else tuple(scanners)
        self._refused: deque[str] = deque(maxlen=_MOST_REFUSALS)
        self._pair = None if keys is None else read_pair(keys)
        self._thread: threading.Thread | None = None
        if self._pair is None or keys is None:
            return
        refuse_writable(keys)
        if (keys / ALLOWED).is_dir():
            refuse_writable(keys / ALLOWED)
        # this process hears its own events
        self._own = z85.decode(self._pair.public)
        self._list = AllowList(keys / ALLOWED)

    def guard(self, server: "zmq.Socket[bytes]", *, is_for_scanners: bool = False) -> None:
        """Have everybody asked about who comes to a socket that is going to be bound."""
        if self._thread is None:
            self._thread = self._open()
        server.zap_domain = _SCANNERS if is_for_scanners else _DOMAIN
        if self._pair is not None:
            server.curve_secretkey = self._pair.secret
            server.curve_server = True

    def enter(self, client: "zmq.Socket[bytes]") -> None:
        """Let a socket of this very process connect."""
        if self._pair is not None:
            client.curve_publickey = client.curve_serverkey = self._pair.public
            client.curve_secretkey = self._pair.secret

    def admits(self, address: str) -> bool:
        """Return whether MRD without encryption is taken from an address; a refusal is noted."""
        if self._scanners is None:
            return True
        one = ipaddress.ip_address(address.partition("%")[0])
        if any(one in network for network in self._scanners):
            return True
        self._refused.append(
            f"{address} wanted to send MRD and is none of the addresses that may "
            "(`serve --scanner`)"
        )
        return False

    def refused(self) -> Iterator[str]:
        """Yield once, in words, each refusal that was not yet told."""
        while self._refused:
            yield self._refused.popleft()

    def close(self) -> None:
        """End the thread; from here on nobody comes in."""
        if self._thread is None:
            return
        knock = self._context.socket(zmq.REQ)
        knock.connect(_ZAP)
        knock.send(b"")
        self._thread.join()
        knock.close(linger=0)
        self._thread = None

    def _open(self) -> threading.Thread:
        inbox = self._context.socket(zmq.REP)
        inbox.bind(_ZAP)
        thread = threading.Thread(target=self._answer_all, args=(inbox,), name="door", daemon=True)
        thread.start()
        return thread

    def _answer_all(self, inbox: "zmq.Socket[bytes]") -> None:
        while len(request := inbox.recv_multipart()) > 1:
            version, number, domain = request[:3]
            address = request[3].decode(errors="replace")
            if self._pair is None:
                is_allowed = domain != _SCANNERS or self.admits(address)
            else:
                is_allowed = self._knows(request[6:], address)
            status, text = (b"200", b"OK") if is_allowed else (b"400", b"not allowed")
            inbox.send_multipart([version, number, status, text, b"", b""])
        inbox.close(linger=0)

    def _knows(self, credentials: list[bytes], address: str) -> bool:
        key = credentials[0] if credentials else b""
        is_known = key == self._own or self._list.permits(key)
        if not is_known:
            self._note(address, key)
        return is_known

    def _note(self, address: str, key: bytes) -> None:
        shown = fingerprint(z85.encode(key)) if key else "none"
        self._refused.append(
            f"{address} came with a key that is not allowed, fingerprint {shown} "
            "(`mrmonitor keys allow` lets it in)"
        )


def network(text: str) -> Network:
    """Return the address, or the network, that a text names. Raises MonitorError."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise MonitorError(f"--scanner {text}: expected an IP address or a network: {error}") from (
            error
        )
