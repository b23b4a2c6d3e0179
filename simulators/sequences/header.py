"""The MRD header of a scan. There is no patient in it, and no `<version>` to disagree with."""

from simulators.sequence import PROTON_HZ_PER_T
from simulators.sequences.base import Limit, ScanSequence

_COUNTERS = (
    "kspace_encoding_step_0",
    "kspace_encoding_step_1",
    "kspace_encoding_step_2",
    "average",
    "slice",
    "contrast",
    "phase",
    "repetition",
    "set",
    "segment",
)


def scan_header_xml(sequence: ScanSequence, *, n_coils: int, waveforms_xml: str = "") -> bytes:
    """Return the MRD header. waveforms_xml: its waveformInformation elements."""
    field_t = sequence.h1_frequency_hz / PROTON_HZ_PER_T
    recon = _space((*sequence.matrix, sequence.n_partitions), (*sequence.fov_mm, sequence.depth_mm))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
  <measurementInformation>
    <patientPosition>HFS</patientPosition>
    <protocolName>simulated_{sequence.trajectory_name}</protocolName>
  </measurementInformation>
  <acquisitionSystemInformation>
    <systemVendor>mrmonitor simulator</systemVendor>
    <systemFieldStrength_T>{field_t:.6f}</systemFieldStrength_T>
    <relativeReceiverNoiseBandwidth>{sequence.noise_bandwidth}</relativeReceiverNoiseBandwidth>
    <receiverChannels>{n_coils}</receiverChannels>
  </acquisitionSystemInformation>
  <experimentalConditions>
    <H1resonanceFrequency_Hz>{round(sequence.h1_frequency_hz)}</H1resonanceFrequency_Hz>
  </experimentalConditions>
  <encoding>
    <encodedSpace>{_space(sequence.encoded_matrix, sequence.encoded_fov_mm)}</encodedSpace>
    <reconSpace>{recon}</reconSpace>
    <encodingLimits>{_limits(sequence.limits())}</encodingLimits>
    <trajectory>{sequence.trajectory_name}</trajectory>
    {sequence.description_xml}
    {_parallel(sequence.parallel)}
  </encoding>
  <sequenceParameters>
    <TR>{sequence.repetition_time_s * 1e3:g}</TR>
    {"".join(f"<TE>{one * 1e3:g}</TE>" for one in sequence.echo_times_s)}
    <flipAngle_deg>15</flipAngle_deg>
    <sequence_type>{sequence.sequence_type}</sequence_type>
    {_echo_spacing(sequence.echo_spacing_s)}
  </sequenceParameters>
  {waveforms_xml}
</ismrmrdHeader>
""".encode()


def _space(matrix: tuple[int, int, int], fov_mm: tuple[float, float, float]) -> str:
    (nx, ny, nz), (x, y, z) = matrix, fov_mm
    return (
        f"<matrixSize><x>{nx}</x><y>{ny}</y><z>{nz}</z></matrixSize>"
        f"<fieldOfView_mm><x>{x:g}</x><y>{y:g}</y><z>{z:g}</z></fieldOfView_mm>"
    )


def _limits(limits: dict[str, Limit]) -> str:
    text = ""
    for name in _COUNTERS:
        low, high, center = limits.get(name, (0, 0, 0))
        text += (
            f"<{name}><minimum>{low}</minimum><maximum>{high}</maximum>"
            f"<center>{center}</center></{name}>"
        )
    return text


def _parallel(parallel: tuple[int, int, str] | None) -> str:
    if parallel is None:
        return ""
    first, second, mode = parallel
    return (
        f"<parallelImaging><accelerationFactor><kspace_encoding_step_1>{first}"
        f"</kspace_encoding_step_1><kspace_encoding_step_2>{second}</kspace_encoding_step_2>"
        f"</accelerationFactor><calibrationMode>{mode}</calibrationMode></parallelImaging>"
    )


def _echo_spacing(spacing_s: float | None) -> str:
    return "" if spacing_s is None else f"<echo_spacing>{spacing_s * 1e3:g}</echo_spacing>"
