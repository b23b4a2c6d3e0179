"""Figures for Prometheus beside a gateway."""

import socket

from messages import MonitorError
from realtime.cli.companion import Companion, Place, listen
from realtime.cli.open_host import is_loopback
from realtime.outputs.own_names import address_of, refuse_nameless

USUAL_PORT = 9090


class MetricsProcess(Companion):
    """Hands a listening socket to the process that answers Prometheus on it."""

    def __init__(self, listening: socket.socket, place: Place) -> None:
        """Start it. Raises MonitorError where it listens everywhere at once."""
        with listening:
            refuse_nameless("--metrics-host", listening)
            super().__init__(
                "metrics",
                "realtime.outputs.metrics",
                place,
                [str(listening.fileno())],
                where=f"{address_of(listening)}metrics",
                listening=listening,
            )


def listen_for_scrapes(host: str, port: int | None) -> socket.socket | str:
    """Return the listening socket, or why there is none on the usual port (`port` None).

    9090 is Prometheus's own: where it runs beside us it has that port, and the treatment must not
    wait for it. A port that was asked for is had or refused, by a MonitorError.
    """
    try:
        return listen("metrics", host, USUAL_PORT if port is None else port)
    except MonitorError as error:
        if port is not None:
            raise
        return f"not served: {error} by --metrics-port"


def refuse_open_metrics(host: str, *, is_unencrypted: bool) -> None:
    """Raise MonitorError for metrics that other machines could read, unless that was written."""
    if not is_loopback(host) and not is_unencrypted:
        raise MonitorError(
            f"--metrics-host {host}: the metrics have no encryption and ask for no password: "
            "anybody there could read how a treatment goes; an SSH tunnel on the same port number "
            "(ssh -L 9090:127.0.0.1:9090) is safe; --i-know-this-is-unencrypted allows it all the "
            "same"
        )
