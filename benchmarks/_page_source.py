"""A monitor's events of a treatment, from memory, at its pace: what the live page is played."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import zmq
from _table import MeasurementError

from messages import (
    FrameKey,
    Heartbeat,
    LimitPlan,
    Maps,
    Permit,
    Pose,
    RegionPlan,
    RegionReading,
    RunStart,
    Verdict,
)
from messages.codec import Noun, encode
from realtime.cli.companion import Place
from realtime.cli.page_process import PageProcess
from realtime.clock import MonotonicClock
from realtime.outputs.publisher import Addresses, endpoint_of

RATE_HZ = 15
MATRIX = 256
_RUN = "run"
_PATIENCE_S = 30.0
_ANYWHERE = "tcp://127.0.0.1:*"
_POSE = Pose((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
_FIELD_MM = (240.0, 240.0, 3.0)
_REGION = RegionReading("focus", "target", 13, 13, 54.4, 40.3, 0.29, 74.0, 0.1)
_START = RunStart(
    _RUN, "benchmark", "", "mrgfus", "", "memory", "2026-01-01T00:00:00Z", "", {},
    (1, MATRIX, MATRIX), _FIELD_MM, 100.0, 4500.0, {},
    regions=(RegionPlan("focus", "target"), RegionPlan("bone", "organ-at-risk")),
    limits=(LimitPlan("temperature-max", "focus", "temperature_c", 58.0, 60.0, "°C"),),
    frame_interval_s=1.0 / RATE_HZ,
)  # fmt: skip


class Source:
    """Publishes on a thread: all maps of a frame, its verdict and permit, ten beats a second.

    published_ms: by frame, on the monotonic clock.
    """

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._events = self._context.socket(zmq.PUB)
        self._events.bind(_ANYWHERE)
        self.address = endpoint_of(self._events)
        self._sequences: dict[type, int] = {}
        self._clock = MonotonicClock()
        self._is_over = False
        self.published_ms: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def n_frames(self) -> int:
        """How many frames have been published."""
        return len(self.published_ms)

    def close(self) -> None:
        """End its thread."""
        self._is_over = True
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        frames = [_maps(n) for n in range(8)]
        beat_ns = frame_ns = self._clock.now_ns()
        start_ns = beat_ns + 1_000_000_000  # subscribers are there by then
        while not self._is_over:
            self._clock.sleep_until_ns(min(beat_ns, frame_ns))
            now_ns = self._clock.now_ns()
            if now_ns >= beat_ns:
                if now_ns >= start_ns:  # again and again: a page may come at any time
                    start_ns += 1_000_000_000_000
                    self._say(_START)
                beat_ns += 100_000_000
                self._say(Heartbeat(0, "GRANTED", _RUN))
            if now_ns >= frame_ns:
                frame_ns += 1_000_000_000 // RATE_HZ
                n = len(self.published_ms)
                self._say_frame(n, frames[n % len(frames)])

    def _say_frame(self, n: int, maps: Maps) -> None:
        key = FrameKey(n, 0, 0, 0, 0)
        self._say(Permit("GRANTED", 4500.0, "", n, _RUN))
        reading = replace(_REGION, temperature_max_c=54.4 + n % 5)
        verdict = Verdict(
            n, key, "COMPUTED", "GRANTED", n / RATE_HZ, regions=(reading,) * 4,
            permit="GRANTED", run_id=_RUN, stage_ms={"recon": 1.2, "thermometry": 3.4},
        )  # fmt: skip
        self._say(verdict)
        self.published_ms[n] = self._clock.now_ns() / 1e6
        self._say(replace(maps, frame_id=n, key=key))

    def _say(self, noun: Noun) -> None:
        sequence = self._sequences[type(noun)] = self._sequences.get(type(noun), 0) + 1
        at_ms = self._clock.now_ns() / 1e6
        self._events.send_multipart(encode(noun, epoch="one", sequence=sequence, at_ms=at_ms))


@contextlib.contextmanager
def played() -> Iterator[tuple[Source, PageProcess]]:
    """Give a source and the page that shows it, for the length of a `with`."""
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(contextlib.closing(Source()))
        # nobody is asked for alerts here
        where = Place(Addresses(source.address, source.address), None)
        yield source, stack.enter_context(contextlib.closing(PageProcess("127.0.0.1", 0, where)))


def wait_for_frames(source: Source, seen: Callable[[], list[int]]) -> None:
    """Wait until a second's frames have been published and seen by each. Raises MeasurementError.

    seen: how many each has seen.
    """
    clock = MonotonicClock()
    end_ns = clock.now_ns() + round(_PATIENCE_S * 1e9)
    while min([source.n_frames, *seen()]) < RATE_HZ:
        if clock.now_ns() > end_ns:
            raise MeasurementError(f"no frames were seen within {_PATIENCE_S:.0f} s")
        clock.sleep_until_ns(clock.now_ns() + 50_000_000)


def _maps(seed: int) -> Maps:
    """Return a head with a hot focus in noise: contours and colours as a treatment has them."""
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[:MATRIX, :MATRIX] - MATRIX / 2) / MATRIX
    body = (y**2 + x**2 < 0.18)[None]
    noise = rng.standard_normal((3, 1, MATRIX, MATRIX)).astype(np.float32)
    spot = np.exp(-((y - 0.05) ** 2 + x**2) / 0.0016)[None].astype(np.float32)
    magnitude = np.abs(np.where(body, 1.0 - 0.3 * np.cos(9 * x), 0.0) + 0.03 * noise[0])
    temperature = (37.0 + (15.0 + seed) * spot + 0.4 * noise[1]).astype(np.float32)
    dose = (250.0 * spot**2).astype(np.float32)
    bits = (spot > 0.5) | ((np.hypot(y + 0.3, x)[None] < 0.05) * np.uint16(2))
    planes = [magnitude.astype(np.float32), temperature, np.full_like(temperature, 0.4)]
    return Maps(
        seed, FrameKey(0, 0, 0, 0, 0), 0.0, _FIELD_MM, _POSE, *planes, body & (magnitude > 0.1),
        dose, 0.9 * dose, 1.1 * dose, dose / 500.0, region_bits=bits.astype(np.uint16), run_id=_RUN,
    )  # fmt: skip
