"""A treatment that is granted, and what is waited for while it is struck."""

from collections.abc import Callable

from messages import Verdict
from messages.codec import Noun
from tests.harness import Client, Running, Scan


def granted(
    gateway: Running, port: int | None = None, *, scan: Scan | None = None, n_frames: int = 3
) -> Client:
    """Return a client whose treatment is granted; port: of a proxy on the way, if any."""
    scan = scan or Scan()
    gateway.acknowledge_all()
    mark = gateway.mark()
    client = Client.to(port or gateway.port)
    client.send(scan.opening())
    for n in range(n_frames):
        client.send_frame(scan, n)
    gateway.events.wait(lambda t, n: t == "permit" and n.state == "GRANTED", after=mark)
    return client


def raised(event: str) -> Callable[[str, Noun], bool]:
    """Return what recognises an alert that is raised."""
    return lambda t, n: t == "alert" and n.event == event and n.state == "raised"


def verdict_of(gateway: Running, frame: int, mark: int) -> Verdict:
    """Wait for a frame's verdict."""
    return gateway.events.wait(lambda t, n: t == "verdict" and n.frame_id == frame, after=mark)
