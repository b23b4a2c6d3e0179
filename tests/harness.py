"""A small scan as MRD bytes, clients for a gateway, and a gateway that runs on a thread.

The scan: a disc of 32 x 32 pixels in 2 coils with white noise, a vendor whose clock is known, and
heat as phase in its middle. Its bytes come from the simulator's encoder, never from ours.
"""

import contextlib
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import zmq

from messages.codec import Envelope, Noun, decode
from realtime.clock import MonotonicClock
from realtime.gateway import Gateway
from realtime.outputs.publisher import Addresses
from realtime.protocol import Protocol, parse_protocol
from realtime.settings import Settings
from simulators.mrd import (
    ACQUISITION_HEAD,
    CLOSE,
    IMAGE,
    LAST_IN_SLICE,
    TEXT,
    Result,
    ResultReader,
    acquisition_message,
    close_message,
    config_message,
    header_message,
)

H1_HZ = 123.25e6
ECHO_TIME_S = 0.01
ALPHA_PPM_PER_C = -0.01
RAD_PER_C = 2 * np.pi * ALPHA_PPM_PER_C * 1e-6 * H1_HZ * ECHO_TIME_S
PATIENCE_S = 20.0  # how long a test waits for an event before it fails
ANYWHERE = "tcp://127.0.0.1:*"

PROTOCOL = """
[protocol]
name = "small"
therapy = "mrgfus"
frame_deadline_ms = {deadline_ms}
lease_ms = {lease_ms}

[stream]
time_stamp_unit = "auto"
stall_ms = {stall_ms}

[recon]
method = "fft"

[thermometry]
method = "single-baseline"
baseline_frames = 2
alpha_ppm_per_c = -0.01
phase_sign = 1
body_temperature_c = 37.0
drift_order = 0
heated_margin_px = 3.0

[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [16.0, 16.0]
radii_px = [2.0, 2.0]

[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 60.0
"""


def small_protocol(
    *, deadline_ms: float = 4000.0, lease_ms: float = 30_000.0, stall_ms: float = 20_000.0
) -> Protocol:
    """A protocol whose times a busy machine can keep; each test tightens the one that it tests."""
    return parse_protocol(
        PROTOCOL.format(deadline_ms=deadline_ms, lease_ms=lease_ms, stall_ms=stall_ms)
    )


@dataclass(frozen=True)
class Scan:
    """The scan's geometry; `lines` are those that are acquired."""

    n_pixels: int = 32
    n_coils: int = 2
    noise_std: float = 0.02
    lines: tuple[int, ...] = tuple(range(32))
    n_slices: int = 1
    counts_repetitions: bool = True

    @property
    def n_samples(self) -> int:
        """Samples of a readout; the readout is oversampled by two."""
        return 2 * self.n_pixels

    def header(self, **changed: str) -> bytes:
        """The header; `changed` replaces the text of a tag, empty text removes the tag."""
        n = self.n_pixels
        xml = f"""<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<acquisitionSystemInformation><systemVendor>SIEMENS</systemVendor>
<systemFieldStrength_T>2.8948</systemFieldStrength_T>
<receiverChannels>{self.n_coils}</receiverChannels></acquisitionSystemInformation>
<experimentalConditions><H1resonanceFrequency_Hz>{H1_HZ:.0f}</H1resonanceFrequency_Hz>
</experimentalConditions>
<encoding>
<encodedSpace><matrixSize><x>{2 * n}</x><y>{n}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>{4 * n}</x><y>{2 * n}</y><z>5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>{n}</x><y>{n}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>{2 * n}</x><y>{2 * n}</y><z>5</z></fieldOfView_mm></reconSpace>
<encodingLimits>
<kspace_encoding_step_1><minimum>0</minimum><maximum>{n - 1}</maximum><center>{n // 2}</center>
</kspace_encoding_step_1>
<slice><minimum>0</minimum><maximum>{self.n_slices - 1}</maximum><center>0</center></slice>
</encodingLimits>
<trajectory>cartesian</trajectory>
</encoding>
<sequenceParameters><TR>10</TR><TE>{ECHO_TIME_S * 1e3:g}</TE></sequenceParameters>
</ismrmrdHeader>"""
        for tag, text in changed.items():
            before, rest = xml.split(f"<{tag}>", 1)
            after = rest.split(f"</{tag}>", 1)[1]
            xml = before + (f"<{tag}>{text}</{tag}>" if text else "") + after
        return xml.encode()

    def kspace(self, frame: int, *, rise_c: float = 0.0) -> np.ndarray:
        """One frame's k-space, complex64 (line, coil, sample)."""
        n = self.n_pixels
        y, x = np.mgrid[:n, : 2 * n].astype(float)
        y, x = y - n // 2, x - n
        body = ((y / (0.4 * n)) ** 2 + (x / (0.4 * n)) ** 2 < 1).astype(complex)
        heat_c = rise_c * np.exp(-(y**2 + x**2) / (2 * 3.0**2))
        coils = np.stack(
            [np.exp(1j * c + (x * (-1) ** c) / (2.0 * n)) for c in range(self.n_coils)]
        )
        images = coils * body * np.exp(1j * RAD_PER_C * heat_c)
        rng = np.random.default_rng(frame)
        images = images + self.noise_std * (
            rng.standard_normal(images.shape) + 1j * rng.standard_normal(images.shape)
        )
        centred = np.fft.ifftshift(images, axes=(1, 2))
        kspace = np.fft.fftshift(np.fft.fft2(centred), axes=(1, 2))
        return kspace.transpose(1, 0, 2).astype(np.complex64)

    def frame(self, frame: int, *, rise_c: float = 0.0, slice_: int = 0) -> list[bytes]:
        """One frame's readouts as messages 1008."""
        kspace = self.kspace(frame * self.n_slices + slice_, rise_c=rise_c)
        return [
            acquisition_message(self.head(frame, line, slice_=slice_), kspace[line])
            for line in self.lines
        ]

    def head(self, frame: int, line: int, *, slice_: int = 0) -> np.ndarray:
        """The header of one readout."""
        head = np.zeros((), ACQUISITION_HEAD)
        n_before = frame * self.n_pixels * self.n_slices + slice_ * self.n_pixels + line
        head["version"] = 1
        head["flags"] = LAST_IN_SLICE if line == self.lines[-1] else 0
        head["measurement_uid"] = 1
        head["scan_counter"] = 1 + n_before
        head["acquisition_time_stamp"] = 1_000_000 + 4 * n_before  # 10 ms in ticks of 2.5 ms
        head["number_of_samples"] = self.n_samples
        head["available_channels"] = head["active_channels"] = self.n_coils
        head["center_sample"] = self.n_samples // 2
        head["sample_time_us"] = 8.0
        head["read_dir"], head["phase_dir"], head["slice_dir"] = np.eye(3, dtype=np.float32)
        head["idx"]["kspace_encode_step_1"] = line
        head["idx"]["slice"] = slice_
        head["idx"]["repetition"] = frame if self.counts_repetitions else 0
        return head

    def opening(self, **changed: str) -> bytes:
        """Header message alone: no config, so the gateway's own protocol holds."""
        return header_message(self.header(**changed))

    def session(self, n_frames: int) -> bytes:
        """A whole session from header to CLOSE."""
        frames = b"".join(b"".join(self.frame(n)) for n in range(n_frames))
        return self.opening() + frames + close_message()


@dataclass
class Client:
    """An MRD client on a TCP socket; every wait is bounded."""

    connection: socket.socket
    results: list[Result] = field(default_factory=list)
    is_reset: bool = False
    _reader: ResultReader = field(default_factory=ResultReader)

    @classmethod
    def to(cls, port: int) -> "Client":
        """Connect."""
        return cls(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))

    def send(self, *messages: bytes) -> None:
        """Send; a server that has hung up is noticed by `read_to_end`."""
        try:
            self.connection.sendall(b"".join(messages))
        except (BrokenPipeError, ConnectionResetError):
            self.is_reset = True

    def send_frame(self, scan: Scan, frame: int, *, rise_c: float = 0.0) -> None:
        """Send a frame and wait for its magnitude; temperature and dose come right behind it."""
        n_frames = self.n_frames + 1
        self.send(*scan.frame(frame, rise_c=rise_c))
        self.read_until(lambda _: self.n_frames >= n_frames)

    def read_to_end(self) -> list[Result]:
        """Return all results up to the end of the stream."""
        while True:
            try:
                data = self.connection.recv(1 << 16)
            except ConnectionResetError:
                self.is_reset = True
                return self.results
            if not data:
                return self.results
            self.results += self._reader.feed(data)

    def read_until(self, is_enough: Callable[[list[Result]], bool]) -> list[Result]:
        """Return the results once there are enough of them."""
        while not is_enough(self.results):
            data = self.connection.recv(1 << 16)
            if not data:
                raise AssertionError(f"the server hung up after {self.results}")
            self.results += self._reader.feed(data)
        return self.results

    def hang_up(self) -> None:
        """Close without a word."""
        self.connection.close()

    @property
    def texts(self) -> list[str]:
        """What the server has said."""
        return [one.text for one in self.results if one.identifier == TEXT]

    @property
    def n_frames(self) -> int:
        """Magnitude images that came back: one a frame."""
        return sum(one.identifier == IMAGE and one.series == 0 for one in self.results)

    @property
    def n_images(self) -> int:
        """Images that came back."""
        return sum(one.identifier == IMAGE for one in self.results)

    @property
    def is_closed(self) -> bool:
        """Whether CLOSE came, and came last."""
        return bool(self.results) and self.results[-1].identifier == CLOSE


class Listener:
    """A subscriber that keeps every event that it has seen."""

    def __init__(
        self, events: str, enter: Callable[["zmq.Socket[bytes]"], None] = lambda _: None
    ) -> None:
        self._socket = zmq.Context.instance().socket(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.setsockopt(zmq.RCVHWM, 0)
        enter(self._socket)
        self._socket.connect(events)
        self._clock = MonotonicClock()
        self.events: list[tuple[Envelope, str, Noun]] = []

    def wait(self, is_it: Callable[[str, Noun], bool], *, after: int = 0) -> Noun:
        """Return the first event since number `after` for which `is_it` holds."""
        deadline_ns = self._clock.now_ns() + round(PATIENCE_S * 1e9)
        seen = after
        while True:
            for _, topic, noun in self.events[seen:]:
                seen += 1
                if is_it(topic, noun):
                    return noun
            remaining_ms = (deadline_ns - self._clock.now_ns()) // 1_000_000
            if remaining_ms <= 0 or not self._socket.poll(remaining_ms):
                told = [(t, n) for _, t, n in self.events[after:] if t not in ("map", "heartbeat")]
                raise AssertionError(f"the event did not come; came: {told[-20:]}")
            parts = self._socket.recv_multipart()
            envelope, noun = decode(parts)
            self.events.append((envelope, parts[0].decode(), noun))

    def topic(self, name: str, *, after: int = 0) -> Noun:
        """Wait for the first event of a topic."""
        return self.wait(lambda topic, _: topic == name, after=after)

    def all(self, name: str) -> list[Noun]:
        """Return the events of a topic that have been seen."""
        return [noun for _, topic, noun in self.events if topic == name]

    @property
    def n_seen(self) -> int:
        """How many events have been seen; more may be under way."""
        return len(self.events)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close(linger=0)


class Asker:
    """Someone at the control port."""

    def __init__(self, control: str) -> None:
        self._socket = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.connect(control)

    def ask(self, request: bytes) -> list[list[bytes]]:
        """Send a request; return the messages up to and with its answer."""
        self._socket.send(request)
        got: list[list[bytes]] = []
        while not (got and len(got[-1]) == 1):
            if not self._socket.poll(int(PATIENCE_S * 1000)):
                raise AssertionError(f"no answer to {request!r}; got {got}")
            got.append(self._socket.recv_multipart())
        return got

    def close(self) -> None:
        """Close the socket."""
        self._socket.close(linger=0)


class Running:
    """A gateway on a thread, ports of its own choice."""

    def __init__(self, out: Path, protocol: Protocol | None, **settings: object) -> None:
        self.out = out
        # another process that starts costs seconds of a small machine; who tests it asks for it
        settings.setdefault("keeps_spare", False)
        self.gateway = Gateway(
            Settings(
                out,
                protocol,
                tcp=("127.0.0.1", 0),
                zmq=ANYWHERE,
                addresses=Addresses(ANYWHERE, ANYWHERE),
                **settings,
            ),
            MonotonicClock(),
        )
        self.error: BaseException | None = None
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._listeners: list[Listener | Asker] = []
        self.events = self.listen()
        self._thread.start()
        self.events.topic("heartbeat")

    def _run(self) -> None:
        try:
            self.gateway.run(lambda: self._is_stopping)
        except BaseException as error:  # noqa: BLE001 - the test's teardown raises it
            self.error = error

    @property
    def port(self) -> int:
        """Where MRD clients connect."""
        return self.gateway.tcp_port

    @property
    def is_alive(self) -> bool:
        """Whether the gateway's loop runs."""
        return self._thread.is_alive()

    def listen(self) -> Listener:
        """A new subscriber."""
        gateway = self.gateway
        self._listeners.append(Listener(gateway.publisher.endpoints.events, gateway.door.enter))
        return self._listeners[-1]

    def ask(self, request: bytes) -> list[list[bytes]]:
        """Ask the control port once."""
        asker = Asker(self.gateway.publisher.endpoints.control)
        try:
            return asker.ask(request)
        finally:
            asker.close()

    def acknowledge_all(self) -> None:
        """Acknowledge every alert that is not over: a treatment that was lost needs a person."""
        for _ in range(2):  # alerts wait for the disk, at most for one heartbeat
            self.mark()
        last = {noun.alert_id: noun.state for noun in self.events.all("alert")}
        for alert_id in (one for one, state in last.items() if state in ("raised", "cleared")):
            self.ask(b'{"type": "acknowledge", "alert_id": %d, "who": "test"}' % alert_id)

    def mark(self) -> int:
        """Take in all that has been published so far: what comes after it is new."""
        sequences = self.gateway.publisher._sequences
        last = sequences["heartbeat"]
        seen = self.events.n_seen
        self.events.wait(lambda t, _: t == "heartbeat" and self._beat_seen() > last, after=seen)
        return self.events.n_seen

    def _beat_seen(self) -> int:
        return max((e.sequence for e, t, _ in self.events.events if t == "heartbeat"), default=0)

    def since(self, mark: int, topic: str) -> list[Noun]:
        """Return the events of a topic that have been seen since a mark."""
        return [noun for _, name, noun in self.events.events[mark:] if name == topic]

    def connect(self) -> Client:
        """A new MRD client."""
        return Client.to(self.port)

    def serves(self, scan: Scan, n_frames: int = 4) -> Client:
        """Play a whole good session, frame by answered frame; return its client."""
        client = self.connect()
        client.send(scan.opening())
        for n in range(n_frames):
            client.send_frame(scan, n)
        client.send(close_message())
        client.read_to_end()
        assert client.is_closed
        assert not [text for text in client.texts if text.startswith("ERROR")]
        assert client.n_images == 3 * n_frames
        client.hang_up()
        return client

    def stop(self) -> None:
        """End the loop, close the gateway and raise what it died of."""
        self._is_stopping = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the gateway hangs"
        self.gateway.close()
        for listener in self._listeners:
            listener.close()
        if self.error is not None:
            raise self.error


@contextlib.contextmanager
def running(out: Path, protocol: Protocol | None = None, **settings: object) -> Iterator[Running]:
    """A gateway for the length of a `with`; its death is the test's failure."""
    it = Running(out, protocol or small_protocol(), **settings)
    try:
        yield it
    finally:
        it.stop()


def children(pid: int) -> set[int]:
    """Return the processes whose parent is `pid`."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.add(int(stat.parent.name))
    return found


def is_running(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_gone(pid: int, *, timeout_s: float = PATIENCE_S) -> bool:
    """Wait until a process has ended, woken by its pidfd; False where it has not."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ready, _, _ = select.select([fd], [], [], timeout_s)
        return bool(ready)
    finally:
        os.close(fd)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process for the length of a `with`."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


__all__ = [
    "PATIENCE_S", "RAD_PER_C", "Asker", "Client", "Listener", "Running", "Scan", "children",
    "close_message", "config_message", "frozen", "header_message", "is_running", "running",
    "small_protocol", "wait_gone",
]  # fmt: skip
