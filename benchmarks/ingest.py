"""How fast a recording is read: replay against a loop over `ismrmrd.Dataset.read_acquisition`."""

import argparse
import socket
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
import ismrmrd
from _table import MeasurementError, Outcome, Table, Target, run

from realtime.clock import MonotonicClock
from realtime.gateway import Gateway
from realtime.outputs.publisher import Addresses
from realtime.protocol import load_protocol
from realtime.settings import Settings
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.recordings import open_recording
from simulators.recording import write_hdf5
from simulators.simulator import TreatmentSimulator
from simulators.static_frames import static_frame_bytes
from simulators.treatment import Treatment

TIMES_AS_FAST = 20.0
N_READ_BY_THEM = 500  # of each round; 3 ms a readout
N_SETTLING = 384  # the noise scan and two frames of 128 lines
FREE_PORT = "tcp://127.0.0.1:*"


@dataclass
class Reader:
    """One way to read the file. `read` returns readouts and the ns that they took."""

    name: str
    read: Callable[[Path], tuple[int, int]]
    times_us: list[float] = field(default_factory=list)

    @property
    def median_us(self) -> float:
        """The median round, for one readout."""
        return statistics.median(self.times_us)


def timed(read: Callable[[Path], int]) -> Callable[[Path], tuple[int, int]]:
    """Return the reader with the time from opening the file to its last readout."""
    clock = MonotonicClock()

    def timed_read(path: Path) -> tuple[int, int]:
        began_ns = clock.now_ns()
        n_read = read(path)
        return n_read, clock.now_ns() - began_ns

    return timed_read


def read_one_by_one(path: Path, n_readouts: int) -> int:
    """Read as the ismrmrd package offers it."""
    with ismrmrd.Dataset(str(path), mode="r") as dataset:
        n_read = min(n_readouts, int(dataset.number_of_acquisitions()))
        for index in range(n_read):
            dataset.read_acquisition(index)
    return n_read


def read_messages(path: Path) -> int:
    """Read as `mrmonitor replay` does, up to the bytes that go into the socket."""
    messages = open_recording(path).messages()
    return sum(1 for message in messages if message.acquisition_time_stamp is not None)


def read_decoded(path: Path) -> int:
    """Read and decode, up to the noun Acquisition."""
    decoder, n_events = Decoder(), 0
    for message in open_recording(path).messages():
        decoder.feed(message.data)
        n_events += sum(1 for _ in decoder.events())
    return n_events - 2  # header and CLOSE


def replay_whole(path: Path) -> tuple[int, int]:
    """Play through gateway and worker, everything computed, maps and verdicts written.

    Timed from the end of the second frame, when the worker has long started, to the CLOSE that
    answers the last frame.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            Path(folder) / "run",
            load_protocol("mrgfus-demo"),
            tcp=None,
            zmq=None,
            addresses=Addresses(FREE_PORT, FREE_PORT),
            is_single_run=True,
            is_lossless=True,
        )
        gateway = Gateway(settings, MonotonicClock())
        ours, theirs = socket.socketpair()
        gateway.adopt(ours, name="ingest")
        results: list[tuple[int, int]] = []
        player = threading.Thread(target=_play, args=(path, theirs, results), daemon=True)
        player.start()
        try:
            gateway.run(lambda: gateway.is_idle)
        finally:
            gateway.close()
        player.join(10.0)
        theirs.close()
        if gateway.failures or not results:
            raise MeasurementError((gateway.failures or ["the player did not end"])[0])
        return results[0]


def _play(path: Path, link: socket.socket, results: list[tuple[int, int]]) -> None:
    clock = MonotonicClock()
    drain = threading.Thread(target=_drain, args=(link,), daemon=True)
    drain.start()
    n_readouts, began_ns = 0, clock.now_ns()
    for message in open_recording(path).messages():
        link.sendall(message.data)
        n_readouts += message.acquisition_time_stamp is not None
        if n_readouts == N_SETTLING:
            began_ns = clock.now_ns()
    drain.join(60.0)
    results.append((n_readouts - N_SETTLING, clock.now_ns() - began_ns))


def _drain(link: socket.socket) -> None:
    while link.recv(1 << 20):
        pass


def write_file(path: Path, *, n_frames: int) -> int:
    """Write frames of 8 coils × 256 samples with the simulator's encoder; return the readouts."""
    treatment = Treatment(n_frames=n_frames)
    header = TreatmentSimulator(treatment).header()
    messages = [message for _, message in static_frame_bytes(treatment, n_frames=n_frames)]
    write_hdf5(path, header, messages)
    return len(messages)


def measure(arguments: argparse.Namespace) -> Outcome:
    n_frames, n_rounds = (6, 1) if arguments.quick else (20, 5)
    n_theirs = 50 if arguments.quick else N_READ_BY_THEM
    readers = [
        Reader("`ismrmrd.Dataset.read_acquisition`", timed(lambda p: read_one_by_one(p, n_theirs))),
        Reader("`open_recording(…).messages()`", timed(read_messages)),
        Reader("… and decoded to `Acquisition`", timed(read_decoded)),
        Reader("… and through gateway and worker", replay_whole),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.h5"
        n_readouts = write_file(path, n_frames=n_frames)
        for _ in range(n_rounds):
            for reader in readers:
                n_read, took_ns = reader.read(path)
                reader.times_us.append(took_ns / 1e3 / n_read)
    theirs_us = readers[0].median_us
    rows = tuple(
        (
            one.name,
            f"{1e6 / one.median_us:,.0f}",
            f"{1e6 / max(one.times_us):,.0f} – {1e6 / min(one.times_us):,.0f}",
            f"{theirs_us / one.median_us:.1f} ×",
        )
        for one in readers
    )
    ratio = theirs_us / readers[1].median_us
    table = Table(
        f"Reading {n_readouts} readouts of 8 coils × 256 samples from ISMRMRD HDF5",
        ("way", "readouts/s, median", "slowest – fastest round", "against read_acquisition"),
        rows,
        f"{n_rounds} rounds, the four ways in turn within each. The last way computes "
        "temperature, dose and verdict of every frame and writes the run folder.",
    )
    target = Target(
        f"HDF5 replay at least {TIMES_AS_FAST:.0f} × `read_acquisition`",
        f"{ratio:.1f} × (decoded {theirs_us / readers[2].median_us:.1f} ×, with everything "
        f"computed {theirs_us / readers[3].median_us:.1f} ×)",
        ratio >= TIMES_AS_FAST,
    )
    return Outcome((target,), (table,))


if __name__ == "__main__":
    sys.exit(run("ingest", measure, about=__doc__))
