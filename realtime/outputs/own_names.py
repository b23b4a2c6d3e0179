"""By which names an HTTP socket of ours may be called."""

import ipaddress
import socket

from messages import MonitorError


def hosts_of(listening: socket.socket) -> set[str]:
    """Return the `host:port` by which others may call a listening socket.

    Any other name that leads here was bound to this address by somebody else.
    """
    host, port = listening.getsockname()[:2]
    address = ipaddress.ip_address(host)
    bare = f"[{host}]" if address.version == 6 else host
    names = {bare, "127.0.0.1", "localhost", "[::1]"} if address.is_loopback else {bare}
    return {f"{name}:{port}" for name in names}


def address_of(listening: socket.socket) -> str:
    """Return the address that a person types for it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def refuse_nameless(option: str, listening: socket.socket) -> None:
    """Raise MonitorError for a socket that has no name of its own."""
    host = listening.getsockname()[0]
    if host in ("0.0.0.0", "::"):
        raise MonitorError(
            f"{option} {host}: every address of this machine at once; name the one by which others "
            "come, so that our own name can be told from a foreign one"
        )
