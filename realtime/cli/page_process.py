"""The live page beside a gateway."""

from messages import MonitorError
from realtime.cli.companion import Companion, Place, listen
from realtime.cli.open_host import is_loopback
from realtime.outputs.own_names import address_of, refuse_nameless


class PageProcess(Companion):
    """Opens the page's port, so that a busy one is known at once, and hands it to the process."""

    def __init__(self, host: str, port: int, place: Place) -> None:
        """Start it. Raises MonitorError where it cannot listen there."""
        listening = listen("page", host, port)
        with listening:
            refuse_nameless("--page-host", listening)
            super().__init__(
                "live page",
                "realtime.outputs.page",
                place,
                [str(listening.fileno())],
                where=address_of(listening),
                listening=listening,
            )


def refuse_open_page(host: str, *, is_unencrypted: bool) -> None:
    """Raise MonitorError for a page that other machines could open, unless that was written."""
    if not is_loopback(host) and not is_unencrypted:
        raise MonitorError(
            f"--page-host {host}: the page has no encryption and asks for no password: anybody "
            "there could look, and acknowledge alerts; an SSH tunnel on the same port number "
            "(ssh -L 8090:127.0.0.1:8090) is safe; --i-know-this-is-unencrypted allows it all the "
            "same"
        )
