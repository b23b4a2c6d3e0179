"""A gateway in this process beside a client in another one, and what it says on the way."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import zmq

from messages import MonitorError
from messages.codec import Noun, decode
from realtime.cli.client import Client
from realtime.clock import MonotonicClock
from realtime.gateway import Gateway
from realtime.outputs.publisher import Addresses
from realtime.protocol import Protocol
from realtime.settings import Settings
from realtime.tuning import UNTUNED, Tuning

_FREE_PORT = "tcp://127.0.0.1:*"
_LIVES_ON_NS = 20_000_000_000

_RUN_FILES = (
    "run.json", "raw.mrd", "maps.h5", "verdicts.csv", "readings.csv", "alerts.jsonl",
    "report.html", "report.pdf", "protocol.toml", "truth.h5", "closed_loop.json", "waveforms.h5",
    "power.csv", "beams.csv", "motion.csv", "dose.csv", "delivered_dose.dcm",
    "journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm",
)  # fmt: skip

Heed = Callable[[Noun], None]


def local_settings(
    out: Path,
    protocol: Protocol,
    *,
    is_lossless: bool = False,
    is_recording: bool = True,
    replayed: Path | None = None,
    tuning: Tuning = UNTUNED,
) -> Settings:
    """Return settings of a gateway for one run in `out`, on free ports of this machine alone."""
    return Settings(
        out,
        protocol,
        tcp=("127.0.0.1", 0),
        zmq=None,
        addresses=Addresses(_FREE_PORT, _FREE_PORT),
        is_single_run=True,
        is_lossless=is_lossless,
        is_recording=is_recording,
        replayed=replayed,
        tuning=tuning,
    )


def fresh_folder(out: Path) -> Path:
    """Return the folder, made; refuse one that holds a run already."""
    if out.exists() and not out.is_dir():
        raise MonitorError(f"{out}: is a file, expected a folder for the run")
    if (out / "run.json").exists() or (out / "raw.mrd").exists():  # the latter of one refused
        raise MonitorError(f"{out}: holds a run already, choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    return out


def replaced_folder(out: Path, *, protocol_name: str) -> Path:
    """Return the folder, made, without the earlier run of this protocol that it may hold."""
    try:
        start = json.loads((out / "run.json").read_text(encoding="utf-8"))["start"]
        is_earlier = start["protocol_name"] == protocol_name
    except (OSError, ValueError, KeyError, TypeError):
        is_earlier = False
    for name in _RUN_FILES if is_earlier else ():
        (out / name).unlink(missing_ok=True)
    return fresh_folder(out)


@contextmanager
def hosting(settings: Settings) -> Iterator[Gateway]:
    """Open a gateway; whatever happens, its run and its processes are ended."""
    old = signal.signal(signal.SIGTERM, _as_interrupt)
    gateway = Gateway(settings, MonotonicClock())
    try:
        yield gateway
    finally:
        try:
            gateway.close()
        finally:
            signal.signal(signal.SIGTERM, old)


class Follower:
    """Hears a gateway's events from within its own loop."""

    def __init__(self, gateway: Gateway, heed: Heed) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, 10_000)
        for topic in ("verdict", "permit", "alert", "run."):
            self._socket.subscribe(topic)
        gateway.door.enter(self._socket)
        self._socket.connect(gateway.publisher.endpoints.events)
        self._heed = heed

    def hear(self) -> None:
        """Pass on what was published."""
        while True:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._heed(decode(parts)[1])

    def close(self) -> None:
        """Close the socket."""
        self._context.destroy(linger=0)


def serve_client(gateway: Gateway, client: Client, heed: Heed | None = None) -> None:
    """Turn the gateway until the client process has ended and its session is over.

    heed: what to do with each event; without it this process does nothing but serve.
    """
    follower, clock = None if heed is None else Follower(gateway, heed), MonotonicClock()
    gone_ns: int | None = None
    try:
        while gone_ns is None or not gateway.is_idle:
            gateway.turn(at_most_ms=20)
            if follower is not None:
                follower.hear()
            if gone_ns is None and client.status is not None:
                gone_ns = clock.now_ns()
            if gone_ns is not None and clock.now_ns() - gone_ns > _LIVES_ON_NS:
                raise MonitorError("the session did not end after its client had gone")
        if follower is not None:
            follower.hear()
    finally:
        if follower is not None:
            follower.close()


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt
