"""The live page: what its process costs at 15 frames/s, and what a browser that froze costs it."""

import argparse
import contextlib
import json
import os
import re
import socket
import statistics
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
import zmq
from _table import MeasurementError, Outcome, Table, Target, run
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from messages import FrameKey, Heartbeat, Maps, Permit, Pose, RegionReading, Verdict
from messages.codec import Noun, encode
from realtime.cli.companion import Place
from realtime.cli.page_process import PageProcess
from realtime.clock import MonotonicClock
from realtime.outputs.publisher import Addresses, endpoint_of

RATE_HZ = 15
MATRIX = 256
MOST_CPU_PERCENT = 5.0
LEAST_DRAWN = 0.9  # of the frames: a page that draws few is cheap
MOST_GROWTH_MIB = 8.0
_PATIENCE_S = 20.0
_ANYWHERE = "tcp://127.0.0.1:*"
_POSE = Pose((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0))


class Source:
    """A monitor's events of a treatment, at its pace, on a thread; all eight maps a frame."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._events = self._context.socket(zmq.PUB)
        self._events.bind(_ANYWHERE)
        self.address = endpoint_of(self._events)
        self._sequences: dict[type, int] = {}
        self._clock = MonotonicClock()
        self._is_over = False
        self.n_frames = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """End its thread."""
        self._is_over = True
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        frames = [_maps(n) for n in range(8)]
        region = RegionReading("focus", "target", 13, 13, 54.4, 40.3, 0.29, 74.0, 0.1)
        beat_ns = frame_ns = self._clock.now_ns()
        while not self._is_over:
            self._clock.sleep_until_ns(min(beat_ns, frame_ns))
            now_ns = self._clock.now_ns()
            if now_ns >= beat_ns:
                beat_ns += 100_000_000
                self._say(Heartbeat(0, "GRANTED", "run"))
            if now_ns >= frame_ns:
                frame_ns += 1_000_000_000 // RATE_HZ
                n, self.n_frames = self.n_frames, self.n_frames + 1
                key = FrameKey(n, 0, 0, 0, 0)
                self._say(Permit("GRANTED", 4500.0, "", n, "run"))
                self._say(
                    Verdict(n, key, "COMPUTED", "GRANTED", n / RATE_HZ, regions=(region,) * 4,
                            permit="GRANTED", run_id="run")
                )  # fmt: skip
                self._say(replace(frames[n % len(frames)], frame_id=n, key=key))

    def _say(self, noun: Noun) -> None:
        sequence = self._sequences[type(noun)] = self._sequences.get(type(noun), 0) + 1
        at_ms = self._clock.now_ns() / 1e6
        self._events.send_multipart(encode(noun, epoch="one", sequence=sequence, at_ms=at_ms))


def _maps(seed: int) -> Maps:
    rng = np.random.default_rng(seed)
    shape = (1, MATRIX, MATRIX)
    planes = [rng.random(shape, np.float32) for _ in range(7)]
    planes[1] = 37 + 5 * planes[1]
    valid = rng.random(shape) > 0.3
    return Maps(
        seed, FrameKey(0, 0, 0, 0, 0), 0.0, (240.0, 240.0, 3.0), _POSE, *planes[:3], valid,
        *planes[3:], run_id="run",
    )  # fmt: skip


class Browser:
    """Reads all that comes, as the page's script does, on a thread."""

    def __init__(self, address: str) -> None:
        self._host = address.removeprefix("http://").rstrip("/")
        self.frame_ids: list[int] = []
        self.ages_ms: list[float] = []
        self._clock = MonotonicClock()
        self._is_over = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """End its thread."""
        self._is_over = True
        self._thread.join()

    def _run(self) -> None:
        where = f"ws://{self._host}/socket"
        with connect(where, origin=f"http://{self._host}", compression=None, max_size=None) as line:
            line.send('{"type":"hello"}')
            seen = {"beat": 0, "picture": 0}
            while not self._is_over:
                try:
                    message = line.recv(_PATIENCE_S)
                except (ConnectionClosed, TimeoutError):
                    return
                if isinstance(message, str):
                    told = json.loads(message)
                else:
                    told = json.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])
                    self.frame_ids.append(told["frame_id"])
                    self.ages_ms.append(self._clock.now_ns() / 1e6 - told["heard_ms"])
                if told["type"] in seen:
                    seen[told["type"]] = told["number"]
                    line.send(json.dumps({"type": "seen", "stamp_ms": 1.0, **seen}))


class Frozen:
    """A browser that never reads; when it is sent away it comes again."""

    def __init__(self, address: str) -> None:
        self._address = address.removeprefix("http://").rstrip("/")
        self.n_came = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """End its thread."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        host, port = self._address.split(":")
        while not self._is_over.is_set():
            with socket.create_connection((host, int(port)), _PATIENCE_S) as line:
                self.n_came += 1
                line.sendall(
                    f"GET /socket HTTP/1.1\r\nHost: {self._address}\r\n"
                    f"Origin: http://{self._address}\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
                )
                hello = b'{"type":"hello"}'
                line.sendall(bytes([0x81, 0x80 | len(hello)]) + bytes(4) + hello)
                self._is_over.wait(6.0)  # a second longer than it is borne with


@dataclass(frozen=True, slots=True)
class Cost:
    """What the page's process took in one stretch."""

    title: str
    cpu_percent: float
    resident_mib: float
    growth_mib: float
    frames_per_s: float
    n_missed: int
    age_ms: float


def cost(title: str, *, duration_s: float, n_browsers: int, n_frozen: int) -> Cost:
    """Serve for a while; return what it cost."""
    print(f"{title} …", file=sys.stderr, flush=True)
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(contextlib.closing(Source()))
        # nobody is asked for alerts here
        page = stack.enter_context(
            contextlib.closing(
                PageProcess(
                    "127.0.0.1", 0, Place(Place(Addresses(source.address, source.address), None))
                )
            )
        )
        browsers = [
            stack.enter_context(contextlib.closing(Browser(page.where))) for _ in range(n_browsers)
        ]
        for _ in range(n_frozen):
            stack.enter_context(contextlib.closing(Frozen(page.where)))
        _wait_for_frames(browsers, source)
        clock = MonotonicClock()
        began_ns, cpu_s, resident = clock.now_ns(), _cpu_s(page.pid), _resident_mib(page.pid)
        begin, first = source.n_frames, [len(one.frame_ids) for one in browsers]
        clock.sleep_until_ns(began_ns + round(duration_s * 1e9))
        took_s = (clock.now_ns() - began_ns) / 1e9
        n_sent = source.n_frames - begin
        got = [len(one.frame_ids) - n for one, n in zip(browsers, first, strict=True)]
        ages = [age for one, n in zip(browsers, first, strict=True) for age in one.ages_ms[n:]]
        used_s, now_mib = _cpu_s(page.pid) - cpu_s, _resident_mib(page.pid)
    return Cost(
        title,
        used_s / took_s * 100,
        now_mib,
        now_mib - resident,
        min(got, default=0) / took_s,
        max((n_sent - one for one in got), default=0),
        statistics.median(ages) if ages else float("nan"),
    )


def _wait_for_frames(browsers: list[Browser], source: Source) -> None:
    clock = MonotonicClock()
    end_ns = clock.now_ns() + round(_PATIENCE_S * 1e9)
    while min([source.n_frames, *(len(one.frame_ids) for one in browsers)]) < RATE_HZ:
        if clock.now_ns() > end_ns:
            raise MeasurementError(f"no frames at the page within {_PATIENCE_S:.0f} s")
        clock.sleep_until_ns(clock.now_ns() + 50_000_000)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def _costs(*, duration_s: float) -> Iterator[Cost]:
    yield cost("no browser", duration_s=duration_s, n_browsers=0, n_frozen=0)
    yield cost("one browser", duration_s=duration_s, n_browsers=1, n_frozen=0)
    yield cost("one browser, one frozen", duration_s=duration_s, n_browsers=1, n_frozen=1)
    yield cost("three browsers", duration_s=duration_s, n_browsers=3, n_frozen=0)


def measure(arguments: argparse.Namespace) -> Outcome:
    costs = list(_costs(duration_s=2.0 if arguments.quick else arguments.seconds))
    _, one, frozen, _ = costs
    rows = tuple(
        (
            each.title,
            f"{each.cpu_percent:.1f} %",
            f"{each.resident_mib:.0f} MiB",
            f"{each.growth_mib:+.1f} MiB",
            "–" if np.isnan(each.age_ms) else f"{each.frames_per_s:.1f}",
            "–" if np.isnan(each.age_ms) else str(each.n_missed),
            "–" if np.isnan(each.age_ms) else f"{each.age_ms:.1f} ms",
        )
        for each in costs
    )
    columns = ("open", "CPU, of one core", "memory", "growth", "frames/s drawn", "passed over",
               "heard → at the browser, median")  # fmt: skip
    note = (
        f"{RATE_HZ} frames/s of {MATRIX} × {MATRIX}, all eight maps, permits, verdicts, ten "
        "heartbeats a second. The frozen browser never reads, is sent away after 5 s and comes "
        "again. Passed over: frames that a newer one replaced before the browser could take them."
    )
    title = f"{RATE_HZ} frames/s of {MATRIX}²"
    targets = (
        _cpu_target(title, one),
        _cpu_target(f"{title} beside a frozen browser", frozen),
        Target(
            f"a frozen browser costs under {MOST_GROWTH_MIB:g} MiB",
            f"{frozen.growth_mib:+.1f} MiB",
            frozen.growth_mib < MOST_GROWTH_MIB,
        ),
    )
    return Outcome(targets, (Table("The page's process", columns, rows, note),))


def _cpu_target(title: str, found: Cost) -> Target:
    return Target(
        f"{title}: under {MOST_CPU_PERCENT:g} % of one core, {LEAST_DRAWN:.0%} of the frames drawn",
        f"{found.cpu_percent:.1f} %, {found.frames_per_s:.1f} frames/s",
        found.cpu_percent < MOST_CPU_PERCENT and found.frames_per_s >= LEAST_DRAWN * RATE_HZ,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=20.0, help="each row; 20 by default")


if __name__ == "__main__":
    sys.exit(run("page", measure, about=__doc__, options=_options))
