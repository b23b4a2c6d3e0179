"""A simulated treatment that nobody controls, as a recording: it heats as planned."""

from collections.abc import Iterator
from pathlib import Path

from realtime.clock import MonotonicClock
from realtime.streams import mrd_layout as layout
from realtime.streams.mrd_encoder import encode_close, encode_header
from realtime.streams.recording import RecordedMessage, Recording
from simulators import Readout, TreatmentSimulator
from simulators.faults import Fault, chain
from simulators.mrd import acquisition_head
from simulators.recording import write_hdf5


class OpenLoop:
    """Plays once, with its faults; a stream that a fault cut off has no CLOSE."""

    has_config = False

    def __init__(
        self, simulator: TreatmentSimulator, *, heat: bool, faults: tuple[Fault, ...] = ()
    ) -> None:
        self.header_xml = simulator.header()
        self.n_readouts: int | None = None
        self._simulator, self._heat, self._fault = simulator, heat, chain(*faults)

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield header, noise, readouts and CLOSE."""
        yield RecordedMessage(layout.HEADER, encode_header(self.header_xml))
        for readout in self._simulator.noise_readouts():
            yield _recorded(readout)
        clock = MonotonicClock()
        for readout in self._fault(self._readouts()):
            if readout.delay_s:
                clock.sleep_until_ns(clock.now_ns() + round(readout.delay_s * 1e9))
            yield _recorded(readout)
        if self._simulator.is_finished:
            yield RecordedMessage(layout.CLOSE, encode_close())

    def _readouts(self) -> Iterator[Readout]:
        simulator = self._simulator
        while not simulator.is_finished:
            yield simulator.next_readout(sonicating=self._heat and simulator.wants_heat)


def write_recording(path: Path, recording: Recording) -> None:
    """Write ISMRMRD HDF5 where the name ends in .h5, else an MRD stream."""
    if path.suffix == ".h5":
        played = (message for message in recording.messages() if _is_readout(message))
        write_hdf5(path, recording.header_xml, (message.data for message in played))
        return
    with path.open("wb") as file:
        for message in recording.messages():
            file.write(message.data)


def _is_readout(message: RecordedMessage) -> bool:
    return message.kind == layout.ACQUISITION


def _recorded(readout: Readout) -> RecordedMessage:
    try:
        stamp = int(acquisition_head(readout.message)["acquisition_time_stamp"])
    except ValueError:  # cut off before its header ended
        stamp = 0
    return RecordedMessage(layout.ACQUISITION, readout.message, stamp)
