"""What one readout costs the gateway, from bytes received to shared memory: time and memory."""

import argparse
import gc
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
from _table import Outcome, Table, Target, run

from messages import SessionHeader
from messages.codec import Noun
from realtime import control
from realtime.clock import MonotonicClock
from realtime.protocol import load_protocol
from realtime.reception import Reception
from realtime.session import Session
from realtime.session_setup import RunIdentity
from realtime.streams.mrd_decoder import Decoder
from simulators.mrd import header_message
from simulators.sequence import GradientEcho
from simulators.simulator import TreatmentSimulator
from simulators.static_frames import static_frame_bytes
from simulators.treatment import Treatment

CASES = ((128, 8), (256, 32))
N_SETTLING = 3  # frames: shared memory is touched, the scanner's clock is known
MOST_RETAINED_BYTES = 1.0
KB = 1e3


class Mute:
    """A client, a sink and a worker that take everything and say nothing."""

    name = "benchmark"

    def __init__(self) -> None:
        self.assigned: list[control.Assign] = []

    def publish(self, _: Noun) -> None:
        """Take an event."""

    def finish(self) -> None:
        """Take the end."""

    def ring(self) -> None:
        """Take a ring."""

    def configure(self, _: control.Configuration, **memory_fds: int | None) -> None:
        """Take a configuration and leave the memory alone."""
        del memory_fds

    def send(self, message: object, *, is_droppable: bool = False) -> None:
        """Take an order, or words for the client."""
        del is_droppable
        if isinstance(message, control.Assign):
            self.assigned = [message]


class Gateway:
    """One client's conversation with its session, without sockets and without a worker."""

    def __init__(self, header_xml: bytes, *, image_shape: tuple[int, int, int]) -> None:
        self._mute, self._clock = Mute(), MonotonicClock()
        self._session: Session | None = None
        self._shape = image_shape
        self._n_answered = 0
        self.reception = Reception(self._mute, self._begin, opened_ns=0)  # type: ignore[arg-type]
        self.reception.receive(header_message(header_xml), now_ns=self._clock.now_ns())

    def _begin(self, _: Reception, header: SessionHeader) -> Session:
        run_identity = RunIdentity("run", "benchmark", "", "", {})
        self._session = Session(
            load_protocol("mrgfus-demo"), header, run_identity, self._mute, self._mute,
            is_lossless=False,
        )  # fmt: skip
        return self._session

    def receive(self, message: bytes) -> int:
        """Take one message; return the ns that it took."""
        began_ns = self._clock.now_ns()
        self.reception.receive(message, now_ns=began_ns)
        return self._clock.now_ns() - began_ns

    def answer(self) -> None:
        """Answer for the worker: it is ready, and each whole frame has failed."""
        session, now_ns = self._session, self._clock.now_ns()
        if session is None:
            return
        if session.state == "admitting":
            ready = control.Ready({"total": 1.0}, self._shape, (240.0, 240.0, 3.0))
            session.worker_said(ready, now_ns=now_ns)
            self.reception.pump(now_ns=now_ns)
        n_frames = session.answers.counts.n_frames
        if n_frames > self._n_answered and self._mute.assigned:
            order, self._mute.assigned = self._mute.assigned[0], []
            failed = control.Failed(order.slot, self._n_answered, "not computed here")
            session.worker_said(failed, now_ns=now_ns)
        self._n_answered = n_frames


@dataclass(slots=True)
class Cost:
    """Of each readout. transient_bytes: the most that was taken while it was on its way."""

    took_us: list[float] = field(default_factory=list)
    decoded_us: list[float] = field(default_factory=list)
    transient_bytes: list[int] = field(default_factory=list)
    retained_bytes: list[float] = field(default_factory=list)
    n_message_bytes: int = 0


def cost(matrix: int, n_coils: int, n_frames: int) -> Cost:
    """Return what readouts cost once the session has settled."""
    found = Cost()
    sequence = GradientEcho(matrix=(matrix, matrix))
    treatment = Treatment(sequence=sequence, n_coils=n_coils, n_noise_readouts=0)
    header_xml = TreatmentSimulator(treatment).header()
    total = N_SETTLING + 2 * n_frames
    messages = (one for _, one in static_frame_bytes(treatment, n_frames=total))
    gateway = Gateway(header_xml, image_shape=(1, matrix, matrix))
    for _ in range(N_SETTLING):
        _play(gateway, messages, matrix)
    for _ in range(n_frames):
        found.took_us += [ns / 1e3 for ns in _play(gateway, messages, matrix)[:-1]]
    _memory(gateway, messages, matrix, n_frames, found)
    found.decoded_us = _decoding(header_xml, treatment, matrix)
    found.n_message_bytes = 2 + 340 + 8 * n_coils * sequence.n_samples
    return found


def _play(gateway: Gateway, messages: Iterator[bytes], n_lines: int) -> list[int]:
    """Play one frame; return the ns of each readout."""
    took = []
    for _ in range(n_lines):
        took.append(gateway.receive(next(messages)))
        gateway.answer()
    return took


def _memory(
    gateway: Gateway, messages: Iterator[bytes], n_lines: int, n_frames: int, found: Cost
) -> None:
    """Note what each readout takes at most, and what a frame leaves behind."""
    frames = [[next(messages) for _ in range(n_lines)] for _ in range(n_frames)]
    # what is noted must not grow while it is measured
    transient_bytes = np.zeros((n_frames, n_lines), np.int64)
    gc.collect()
    tracemalloc.start()
    for number, frame in enumerate(frames):
        if number == 1:  # with the first, what is held is an old frame's, not traced
            held = tracemalloc.get_traced_memory()[0]
        for line, message in enumerate(frame):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            gateway.receive(message)
            transient_bytes[number, line] = tracemalloc.get_traced_memory()[1] - before
            gateway.answer()
    gc.collect()
    left = tracemalloc.get_traced_memory()[0] - held
    found.retained_bytes.append(left / (n_lines * (n_frames - 1)))
    tracemalloc.stop()
    found.transient_bytes = transient_bytes.ravel().tolist()


def _decoding(header_xml: bytes, treatment: Treatment, n_lines: int) -> list[float]:
    """Return µs of the decoder alone."""
    clock, decoder, took = MonotonicClock(), Decoder(), []
    decoder.feed(header_message(header_xml))
    for _, message in static_frame_bytes(treatment, n_frames=4):
        began_ns = clock.now_ns()
        decoder.feed(message)
        for _ in decoder.events():
            pass
        took.append((clock.now_ns() - began_ns) / 1e3)
    return took[n_lines:]


def measure(arguments: argparse.Namespace) -> Outcome:
    n_frames = 4 if arguments.quick else 30
    targets, rows = [], []
    for matrix, n_coils in CASES[:1] if arguments.quick else CASES:
        found = cost(matrix, n_coils, n_frames)
        name = f"{matrix} × {matrix}, {n_coils} coils"
        retained = found.retained_bytes[0]
        targets.append(
            Target(
                f"{name}: a readout leaves nothing behind once its frame is answered",
                f"{retained:.1f} bytes",
                retained < MOST_RETAINED_BYTES,
            )
        )
        rows.append(
            (
                name,
                f"{found.n_message_bytes / KB:.1f} kB",
                *(f"{np.percentile(found.took_us, one):.0f} µs" for one in (50, 99)),
                f"{np.median(found.decoded_us):.0f} µs",
                f"{np.median(found.transient_bytes) / KB:.1f} kB",
                f"{retained:.1f} bytes",
            )
        )
    columns = ("scan", "readout", "p50", "p99", "of it decoding", "taken meanwhile", "kept")
    table = Table(
        "One readout through the gateway",
        columns,
        tuple(rows),
        "Reception, decoder, session and shared memory, without the socket; the last readout of a "
        "frame left out. Taken meanwhile: the most that Python and numpy hold at once for it, by "
        "tracemalloc: one copy of the samples, aligned, and the nouns.",
    )
    return Outcome(tuple(targets), (table,))


if __name__ == "__main__":
    sys.exit(run("readout", measure, about=__doc__))
