"""OpenIGTLink beside a gateway."""

import socket

from messages import MonitorError
from realtime.cli.companion import Companion, Place, listen
from realtime.cli.open_host import is_loopback


class OpenIgtLinkProcess(Companion):
    """Opens its port, so that a busy one is known at once, and hands it to the process."""

    def __init__(self, host: str, port: int, place: Place) -> None:
        """Start it. Raises MonitorError where it cannot listen there."""
        listening = listen("OpenIGTLink", host, port)
        with listening:
            super().__init__(
                "OpenIGTLink",
                "realtime.outputs.openigtlink",
                place,
                [str(listening.fileno())],
                where=_address(listening),
                listening=listening,
            )


def refuse_open_igtlink(host: str, *, is_unencrypted: bool) -> None:
    """Raise MonitorError where other machines could look on, unless that was written."""
    if not is_loopback(host) and not is_unencrypted:
        raise MonitorError(
            f"--openigtlink-host {host}: OpenIGTLink has no encryption and asks for no password: "
            "anybody there could look on; an SSH tunnel (ssh -L 18944:127.0.0.1:18944) is safe; "
            "--i-know-this-is-unencrypted allows it all the same"
        )


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
