"""OpenIGTLink: what its process costs at 15 frames/s, and how old an image is at its client."""

import argparse
import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
from _page_source import MATRIX, RATE_HZ, Source, wait_for_frames
from _process_cost import cpu_of, resident_mib
from _table import Outcome, Table, Target, run

from realtime.cli.companion import Place
from realtime.cli.openigtlink_process import OpenIgtLinkProcess
from realtime.clock import MonotonicClock, utc_now
from realtime.outputs.publisher import Addresses

_HEADER = struct.Struct(">H12s20sIIQQ")
_CONNECT_S = 20.0


class Client:
    """Reads all that comes, as 3D Slicer's connector does, on a thread.

    ages_ms: of each image, from its own time stamp until its last byte had been read.
    n_frames: of them those with magnitude.
    """

    def __init__(self, where: str) -> None:
        host, port = where.removeprefix("tcp://").rsplit(":", 1)
        self._line = socket.create_connection((host, int(port)), _CONNECT_S)
        self.ages_ms: list[float] = []
        self.n_frames = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """End its thread."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._line.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while header := self._read(_HEADER.size):
                _, kind, device, seconds, fraction, n_bytes, _ = _HEADER.unpack(header)
                self._read(n_bytes)
                if kind.startswith(b"IMAGE"):
                    said_s = seconds + fraction / 2**32
                    self.ages_ms.append((utc_now().timestamp() - said_s) * 1e3)
                    self.n_frames += device.startswith(b"mrm magnitude")

    def _read(self, n_bytes: int) -> bytes:
        """Return so many bytes; fewer at the end of the stream."""
        found = bytearray(n_bytes)
        begin = 0
        while begin < n_bytes:
            n_read = self._line.recv_into(memoryview(found)[begin:])
            if not n_read:
                return b""
            begin += n_read
        return bytes(found)


@dataclass(frozen=True, slots=True)
class Cost:
    """What the process took in one stretch, and what its slowest client got."""

    title: str
    cpu_percent: float
    resident_mib: float
    growth_mib: float
    frames_per_s: float
    images_per_s: float
    ages_ms: tuple[float, ...]

    def age_ms(self, percent: float) -> str:
        """Return a percentile of the ages, – where nobody looked."""
        return f"{np.percentile(self.ages_ms, percent):.1f} ms" if self.ages_ms else "–"


def cost(title: str, *, duration_s: float, n_clients: int, n_frozen: int) -> Cost:
    """Serve for a while; return what it cost."""
    print(f"{title} …", file=sys.stderr, flush=True)
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(contextlib.closing(Source()))
        # nobody is asked for alerts here
        place = Place(Addresses(source.address, source.address), None)
        server = stack.enter_context(contextlib.closing(OpenIgtLinkProcess("127.0.0.1", 0, place)))
        clients = [
            stack.enter_context(contextlib.closing(Client(server.where))) for _ in range(n_clients)
        ]
        wait_for_frames(source, lambda: [one.n_frames for one in clients])
        for _ in range(n_frozen):
            stack.enter_context(_frozen(server.where))
        clock = MonotonicClock()
        began_ns, cpu_s, resident = clock.now_ns(), cpu_of(server.pid), resident_mib(server.pid)
        first = [(one.n_frames, len(one.ages_ms)) for one in clients]
        clock.sleep_until_ns(began_ns + round(duration_s * 1e9))
        took_s = (clock.now_ns() - began_ns) / 1e9
        used_s, now_mib = cpu_of(server.pid) - cpu_s, resident_mib(server.pid)
        got = [
            (one.n_frames - n, one.ages_ms[begin:])
            for one, (n, begin) in zip(clients, first, strict=True)
        ]
    return Cost(
        title,
        used_s / took_s * 100,
        now_mib,
        now_mib - resident,
        min((n for n, _ in got), default=0) / took_s,
        min((len(ages) for _, ages in got), default=0) / took_s,
        tuple(age for _, ages in got for age in ages),
    )


@contextlib.contextmanager
def _frozen(where: str) -> Iterator[None]:
    """Have a client that never reads connected, for the length of a `with`."""
    host, port = where.removeprefix("tcp://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), _CONNECT_S):
        yield


def measure(arguments: argparse.Namespace) -> Outcome:
    duration_s = 1.0 if arguments.quick else arguments.seconds
    cases = (("nobody", 0, 0), ("one client", 1, 0), ("one client, one frozen", 1, 1),
             ("three clients", 3, 0))  # fmt: skip
    costs = [
        cost(title, duration_s=duration_s, n_clients=n_clients, n_frozen=n_frozen)
        for title, n_clients, n_frozen in cases
    ]
    rows = tuple(
        (
            each.title,
            f"{each.cpu_percent:.1f} %",
            f"{each.resident_mib:.0f} MiB",
            f"{each.growth_mib:+.1f} MiB",
            f"{each.frames_per_s:.1f}" if each.ages_ms else "–",
            f"{each.images_per_s:.0f}" if each.ages_ms else "–",
            each.age_ms(50),
            each.age_ms(99),
        )
        for each in costs
    )
    columns = ("connected", "CPU, of one core", "memory", "growth", "frames/s", "images/s",
               "age, median", "age, p99")  # fmt: skip
    note = (
        f"{RATE_HZ} frames/s of {MATRIX} × {MATRIX}: magnitude, temperature and dose as float32, "
        "regions as uint16, each client all of them. Age: from the time that the image itself "
        "tells until its last byte was read. The frozen client is let go after 10 s."
    )
    title = f"{RATE_HZ} frames/s of {MATRIX}²"
    targets = tuple(
        Target(
            f"{title} to {each.title}",
            f"{each.cpu_percent:.1f} % of one core, {each.frames_per_s:.1f} frames/s, "
            f"age {each.age_ms(50)} (p99 {each.age_ms(99)})",
            None,
        )
        for each in costs[1:]
    )
    return Outcome(targets, (Table("The process of OpenIGTLink", columns, rows, note),))


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=20.0, help="each row; 20 by default")


if __name__ == "__main__":
    sys.exit(run("openigtlink", measure, about=__doc__, options=_options))
