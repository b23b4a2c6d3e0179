"""A scan of any sequence as a recording: what `mrmonitor simulate --sequence` plays."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from messages import MonitorError
from realtime.clock import MonotonicClock
from realtime.streams import mrd_layout as layout
from realtime.streams.mrd_encoder import encode_close, encode_header
from realtime.streams.recording import RecordedMessage, Recording
from simulators.faults import Fault, chain
from simulators.linac import LinacScan
from simulators.mrd import acquisition_head
from simulators.patient import Patient
from simulators.patients import PATIENTS
from simulators.physiology import Physiology
from simulators.readout import Readout
from simulators.recording import write_hdf5
from simulators.scan import Scan
from simulators.sequences import CATALOGUE, ScanSequence
from simulators.spot import HeatedSpot, ramp
from simulators.tissue_scan import TissueScan
from simulators.waveforms import is_waveform

_FOCUS_MM, _FOCUS_FWHM_MM, _HEATING_C_PER_S = (13.3, 15.2), (6.0, 9.0), 1.0


@dataclass(frozen=True, slots=True)
class ScanSwitches:
    """What the command line says of a scan; None leaves a default."""

    frames: int | None = None
    snr: float | None = None
    coils: int | None = None
    matrix: int | None = None
    seed: int | None = None
    heat: bool = True
    waveforms: bool = False
    compress_bits: int = 0

    def of_matrix(self) -> dict[str, object]:
        """Return the sequence's matrix, if it was said."""
        return {"matrix": (self.matrix, self.matrix)} if self.matrix else {}

    def of_receiver(self) -> dict[str, object]:
        """Return what the scan wants to know of coils and noise."""
        given: dict[str, object] = {"snr": 40.0, "compression_bits": self.compress_bits}
        chosen = {"n_coils": self.coils, "snr": self.snr, "seed": self.seed}
        return given | {key: value for key, value in chosen.items() if value is not None}


class SimulatedScan:
    """Plays once, with its faults."""

    has_config = False

    def __init__(
        self, scan: Scan | TissueScan | LinacScan, *, faults: tuple[Fault, ...] = ()
    ) -> None:
        self.header_xml = scan.header_xml()
        # faults apart, and without the noise scan: it is for the progress line alone
        self.n_readouts: int | None = sum(1 for _ in scan.sequence.readouts())
        self._scan, self._fault = scan, chain(*faults)

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield header, readouts with the waveforms between them, and CLOSE."""
        yield RecordedMessage(layout.HEADER, encode_header(self.header_xml))
        clock = MonotonicClock()
        for readout in self._scan.with_waveforms(self._fault(self._scan.readouts())):
            if readout.delay_s:
                clock.sleep_until_ns(clock.now_ns() + round(readout.delay_s * 1e9))
            yield _recorded(readout)
        yield RecordedMessage(layout.CLOSE, encode_close())


def named_scan(name: str, switches: ScanSwitches) -> Scan:
    """Return a scan of a sequence of the catalogue, heated by 1 °C/s once a quarter is played."""
    try:
        sequence = _sequence(name, switches)
        return Scan(
            sequence,
            patient=_patient(sequence, heat=switches.heat),
            physiology=Physiology() if switches.waveforms else None,
            **switches.of_receiver(),  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise MonitorError(f"--sequence {name}: {error}") from error


def patient_scan(patient: str, sequence: str | None, switches: ScanSwitches) -> TissueScan:
    """Return a patient of the catalogue in a sequence of the other; by default in its own."""
    chosen = PATIENTS[patient]
    switches = replace(switches, frames=switches.frames or chosen.n_frames)
    try:
        return chosen.scan(
            _sequence(sequence or chosen.sequence, switches),
            heat=switches.heat,
            has_waveforms=switches.waveforms,
            **switches.of_receiver(),  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise MonitorError(f"--patient {patient}: {error}") from error


def _sequence(name: str, switches: ScanSwitches) -> ScanSequence:
    return CATALOGUE[name](n_frames=switches.frames or 10, **switches.of_matrix())


def write_scan(path: Path, recording: Recording) -> int:
    """Write HDF5 where the name ends in .h5, else a stream; return the number of readouts."""
    played = list(recording.messages())
    if path.suffix == ".h5":
        kept = (each.data for each in played if each.kind in (layout.ACQUISITION, layout.WAVEFORM))
        write_hdf5(path, recording.header_xml, kept)
    else:
        path.write_bytes(b"".join(each.data for each in played))
    return sum(each.kind == layout.ACQUISITION for each in played)


def _patient(sequence: ScanSequence, *, heat: bool) -> Patient:
    if not heat or sequence.n_partitions > 1:
        return Patient()
    start_s = sequence.lead_s + sum(map(sequence.frame_time_s, range(sequence.n_frames // 4)))
    rise = HeatedSpot(_FOCUS_MM, _FOCUS_FWHM_MM, ramp(_HEATING_C_PER_S, start_s=start_s))
    return Patient(rise=rise)


def _recorded(readout: Readout) -> RecordedMessage:
    if is_waveform(readout.message):
        return RecordedMessage(layout.WAVEFORM, readout.message)
    try:
        stamp = int(acquisition_head(readout.message)["acquisition_time_stamp"])
    except ValueError:  # cut off before its header ended
        stamp = 0
    return RecordedMessage(layout.ACQUISITION, readout.message, stamp)
