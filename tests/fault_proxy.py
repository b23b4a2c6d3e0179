"""A TCP proxy that spoils what passes through it, in Toxiproxy's vocabulary.

It runs on a thread of its own; toxics come and go from the test's thread while bytes flow, each for
one direction: "up" from client to server, "down" back. What they do by chance comes from one seed.
A proxy reads ahead as far as a client sends, so that what it holds back is no back-pressure.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, Direction] = ("up", "down")
PATIENCE_S = 20.0
_CHUNK_BYTES = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: RST instead of FIN

Pieces = AsyncIterator[bytes]


class _EndError(Exception):
    """A toxic ends the connection. is_reset: by RST."""

    def __init__(self, *, is_reset: bool) -> None:
        self.is_reset = is_reset


@dataclass(frozen=True)
class Latency:
    """Each piece comes `latency_ms` after it was sent, give or take `jitter_ms`; order is kept."""

    latency_ms: float
    jitter_ms: float = 0.0

    async def through(self, flow: "_Flow", pieces: Pieces) -> Pieces:
        async for piece in pieces:
            wanted_ms = self.latency_ms + flow.chance.uniform(-self.jitter_ms, self.jitter_ms)
            await asyncio.sleep(max(0.0, wanted_ms / 1e3 - flow.age_s()))
            yield piece


@dataclass(frozen=True)
class Bandwidth:
    """At most so many bytes a second."""

    bytes_per_s: float

    async def through(self, flow: "_Flow", pieces: Pieces) -> Pieces:
        async for piece in pieces:
            for start in range(0, len(piece), 1024):
                part = piece[start : start + 1024]
                await asyncio.sleep(len(part) / self.bytes_per_s)
                yield part


@dataclass(frozen=True)
class Slicer:
    """Pieces of `average_bytes`, give or take `variation_bytes`, with `delay_us` between them."""

    average_bytes: int
    variation_bytes: int = 0
    delay_us: float = 0.0

    async def through(self, flow: "_Flow", pieces: Pieces) -> Pieces:
        async for piece in pieces:
            rest = piece
            while rest:
                spread = flow.chance.randint(-self.variation_bytes, self.variation_bytes)
                n = max(1, self.average_bytes + spread)
                yield rest[:n]
                rest = rest[n:]
                await asyncio.sleep(self.delay_us / 1e6)


@dataclass(frozen=True)
class LimitData:
    """The connection is closed once so many bytes have passed."""

    n_bytes: int

    async def through(self, flow: "_Flow", pieces: Pieces) -> Pieces:
        async for piece in pieces:
            left = self.n_bytes - flow.n_passed_bytes
            yield piece[:left]
            if len(piece) >= left:
                raise _EndError(is_reset=False)


@dataclass(frozen=True)
class Timeout:
    """Half-open: everything is swallowed, the end of the stream too.

    After `timeout_ms` the connection is closed; with 0 it stays open until the toxic is removed.
    """

    timeout_ms: float = 0.0

    async def through(self, flow: "_Flow", pieces: Pieces) -> Pieces:
        async for _ in pieces:
            if self.timeout_ms:
                await asyncio.sleep(self.timeout_ms / 1e3)
                raise _EndError(is_reset=False)
        return
        yield b""


@dataclass(frozen=True)
class ResetPeer:
    """Both sides are reset, `timeout_ms` after the next bytes come."""

    timeout_ms: float = 0.0

    async def through(self, flow: "_Flow", pieces: Pieces) -> Pieces:
        async for _ in pieces:
            await asyncio.sleep(self.timeout_ms / 1e3)
            raise _EndError(is_reset=True)
        yield b""


@dataclass(frozen=True)
class BitFlip:
    """In every stretch of `every_bytes` one bit, chosen by chance, is flipped."""

    every_bytes: int

    async def through(self, flow: "_Flow", pieces: Pieces) -> Pieces:
        async for piece in pieces:
            damaged = bytearray(piece)
            for start in range(0, len(damaged), self.every_bytes):
                stop = min(start + self.every_bytes, len(damaged))
                damaged[flow.chance.randrange(start, stop)] ^= 1 << flow.chance.randrange(8)
            yield bytes(damaged)


@dataclass(frozen=True)
class Hold:
    """Everything waits until the toxic is removed, then comes at once: a burst after a stall."""

    async def through(self, flow: "_Flow", pieces: Pieces) -> Pieces:
        async for piece in pieces:
            await flow.wait_without(self)
            yield piece


Toxic = Latency | Bandwidth | Slicer | LimitData | Timeout | ResetPeer | BitFlip | Hold


class _Flow:
    """One direction of one connection. chance: its own sequence of the proxy's seed."""

    def __init__(self, proxy: "FaultProxy", direction: Direction, number: int) -> None:
        self._proxy, self._direction = proxy, direction
        self.chance = random.Random(f"{proxy.seed} {direction} {number}")
        self.n_passed_bytes = 0
        self._sent_s = 0.0

    @property
    def toxics(self) -> tuple[Toxic, ...]:
        return self._proxy.toxics[self._direction]

    def age_s(self) -> float:
        """How long ago the piece in hand was sent."""
        return asyncio.get_running_loop().time() - self._sent_s

    async def wait_without(self, toxic: Toxic) -> None:
        while toxic in self.toxics:
            await self._proxy.changed.wait()

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on until the end of the stream, which passes too unless it is swallowed."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        reading = asyncio.create_task(self._read(reader, chunks))
        try:
            while True:
                self._sent_s, chunk = await chunks.get()
                if not chunk:
                    break
                await self._pass(chunk, writer)
            for toxic in self.toxics:
                if isinstance(toxic, Hold | Timeout):
                    await self.wait_without(toxic)
            with contextlib.suppress(OSError):
                writer.write_eof()
        finally:
            reading.cancel()

    async def _read(
        self, reader: asyncio.StreamReader, chunks: "asyncio.Queue[tuple[float, bytes]]"
    ) -> None:
        chunk = b"first"
        while chunk:
            try:
                chunk = await reader.read(_CHUNK_BYTES)
            except ConnectionError:
                chunk = b""
            self._proxy.count("read", self._direction, len(chunk))
            chunks.put_nowait((asyncio.get_running_loop().time(), chunk))

    async def _pass(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        pieces = _single(chunk)
        for toxic in self.toxics:
            pieces = toxic.through(self, pieces)
        async for piece in pieces:
            writer.write(piece)
            await writer.drain()
            self.n_passed_bytes += len(piece)
            self._proxy.count("passed", self._direction, len(piece))


class FaultProxy:
    """Listens on a free port of this machine and passes everything on to `port`."""

    def __init__(self, port: int, *, seed: int = 0) -> None:
        self.seed = seed
        self.toxics: dict[Direction, tuple[Toxic, ...]] = {"up": (), "down": ()}
        self._target = port
        self._counts = {(what, way): 0 for what in ("read", "passed") for way in DIRECTIONS}
        self._n_connections = 0
        self._progress = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(PATIENCE_S)

    def add(self, *toxics: Toxic, direction: Direction = "up") -> None:
        """Spoil one direction of all connections from the next bytes on."""
        self._change({**self.toxics, direction: (*self.toxics[direction], *toxics)})

    def clear(self) -> None:
        """Take all toxics away."""
        self._change({"up": (), "down": ()})

    def n_bytes(self, what: Literal["read", "passed"], direction: Direction = "up") -> int:
        """How many bytes have been read from one side, or passed on to the other."""
        return self._counts[what, direction]

    def wait(self, is_it: Callable[["FaultProxy"], bool]) -> None:
        """Wait until what has passed is such that `is_it` holds."""
        with self._progress:
            assert self._progress.wait_for(lambda: is_it(self), PATIENCE_S), self._counts

    def count(self, what: Literal["read", "passed"], direction: Direction, n_bytes: int) -> None:
        """Note bytes that came or went."""
        with self._progress:
            self._counts[what, direction] += n_bytes
            self._progress.notify_all()

    def close(self) -> None:
        """Cut every connection and end the thread."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def _change(self, toxics: dict[Direction, tuple[Toxic, ...]]) -> None:
        done = threading.Event()

        def change() -> None:
            self.toxics = toxics
            self.changed.set()
            self.changed = asyncio.Event()
            done.set()

        self._loop.call_soon_threadsafe(change)
        assert done.wait(PATIENCE_S), "the proxy's loop hangs"

    async def _listen(self) -> int:
        self.changed = asyncio.Event()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):  # of `close`
            await self._join(reader, writer)
        self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._n_connections = self._n_connections, self._n_connections + 1
        up, down = _Flow(self, "up", number), _Flow(self, "down", number)
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._target)
        is_reset = True
        try:
            async with asyncio.TaskGroup() as flows:
                flows.create_task(up.run(reader, ours))
                flows.create_task(down.run(theirs, writer))
            is_reset = False
        except* _EndError as ends:
            is_reset = any(one.is_reset for one in ends.exceptions)  # type: ignore[union-attr]
        except* ConnectionError:
            pass  # one side is gone, by RST: so is the other
        finally:
            for one in (writer, ours):
                _close(one, is_reset=is_reset)

    async def _stop(self) -> None:
        self._server.close()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _close(writer: asyncio.StreamWriter, *, is_reset: bool) -> None:
    if not is_reset:
        writer.close()
        return
    with contextlib.suppress(OSError):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


async def _single(chunk: bytes) -> Pieces:
    yield chunk


@contextlib.contextmanager
def proxied(port: int, *, seed: int = 0) -> Iterator[FaultProxy]:
    """A proxy before `port` for the length of a `with`."""
    proxy = FaultProxy(port, seed=seed)
    try:
        yield proxy
    finally:
        proxy.close()
