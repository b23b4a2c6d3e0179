"""What the scanner plays: geometry, timing, stamps, and the MRD header that says so."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.mrd import ACQUISITION_HEAD
from simulators.stamps import check_unit, ticks

Real = NDArray[np.float64]

PROTON_HZ_PER_T = 42.577478518e6  # γ/2π of the proton, CODATA 2018


@dataclass(frozen=True, slots=True)
class GradientEcho:
    """A Cartesian gradient echo, one slice, lines in linear order. Sizes and extents are (x, y).

    sample_time_us: dwell time of imaging; noise_sample_time_us: of the noise scan.
    time_stamp_unit: 2.5ms | ms | us | none.
    start_of_day_s: time of day at the first excitation; stamps wrap at midnight.
    """

    matrix: tuple[int, int] = (128, 128)
    fov_mm: tuple[float, float] = (240.0, 240.0)
    slice_thickness_mm: float = 3.0
    oversampling: int = 2
    repetition_time_s: float = 0.0156
    echo_time_s: float = 0.013
    h1_frequency_hz: float = 123.25e6
    sample_time_us: float = 8.0
    noise_sample_time_us: float = 5.0
    noise_bandwidth: float = 0.793
    time_stamp_unit: str = "2.5ms"
    start_of_day_s: float = 49031.4
    position_mm: tuple[float, float, float] = (2.5, -11.0, 43.0)

    def __post_init__(self) -> None:
        check_unit(self.time_stamp_unit)

    @property
    def n_samples(self) -> int:
        """Samples of a readout, oversampling included."""
        return self.matrix[0] * self.oversampling

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Pixel size (x, y)."""
        return self.fov_mm[0] / self.matrix[0], self.fov_mm[1] / self.matrix[1]

    @property
    def frame_time_s(self) -> float:
        """From one frame to the next."""
        return self.matrix[1] * self.repetition_time_s

    @property
    def columns_mm(self) -> Real:
        """Positions of the pixel centres along x; index n // 2 is the isocentre."""
        return centred(self.matrix[0]) * self.pixel_mm[0]

    @property
    def rows_mm(self) -> Real:
        """Positions of the pixel centres along y."""
        return centred(self.matrix[1]) * self.pixel_mm[1]

    @property
    def fx_per_mm(self) -> Real:
        """Spatial frequencies of a readout's samples, cycles/mm."""
        return centred(self.n_samples) / (self.fov_mm[0] * self.oversampling)

    @property
    def fy_per_mm(self) -> Real:
        """Spatial frequencies of the lines, cycles/mm."""
        return centred(self.matrix[1]) / self.fov_mm[1]

    def echo_s(self, readout: int) -> float:
        """Scanner time of the echo of the n-th readout since the first frame began."""
        return readout * self.repetition_time_s + self.echo_time_s

    def ticks(self, t_s: float) -> int:
        """Return the time stamp of a moment, as the scanner's counter truncates it."""
        return ticks(t_s, unit=self.time_stamp_unit, start_of_day_s=self.start_of_day_s)

    def head(self, n_coils: int) -> NDArray[Any]:
        """Return a header row (0-d `ACQUISITION_HEAD`) with all that never changes."""
        head = np.zeros((), ACQUISITION_HEAD)
        head["version"] = 1
        head["measurement_uid"] = 1
        head["number_of_samples"] = self.n_samples
        head["available_channels"] = head["active_channels"] = n_coils
        head["center_sample"] = self.n_samples // 2
        head["sample_time_us"] = self.sample_time_us
        head["position"] = self.position_mm
        head["read_dir"], head["phase_dir"], head["slice_dir"] = np.eye(3, dtype=np.float32)
        return head


def header_xml(sequence: GradientEcho, *, n_coils: int, n_frames: int) -> bytes:
    """Return the MRD header. There is no patient in it, and no `<version>` to disagree with."""
    nx, ny = sequence.matrix
    fov_x, fov_y = sequence.fov_mm
    z = sequence.slice_thickness_mm
    field_t = sequence.h1_frequency_hz / PROTON_HZ_PER_T
    encoded = _space(sequence.n_samples, ny, fov_x * sequence.oversampling, fov_y, z)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
  <measurementInformation>
    <patientPosition>HFS</patientPosition>
    <protocolName>prf_gre</protocolName>
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
    <encodedSpace>{encoded}</encodedSpace>
    <reconSpace>{_space(nx, ny, fov_x, fov_y, z)}</reconSpace>
    <encodingLimits>
      {_limit("kspace_encoding_step_0", sequence.n_samples, sequence.n_samples // 2)}
      {_limit("kspace_encoding_step_1", ny, ny // 2)}
      {_limit("kspace_encoding_step_2", 1, 0)}
      {_limit("slice", 1, 0)}
      {_limit("repetition", n_frames, 0)}
    </encodingLimits>
    <trajectory>cartesian</trajectory>
  </encoding>
  <sequenceParameters>
    <TR>{sequence.repetition_time_s * 1e3:g}</TR>
    <TE>{sequence.echo_time_s * 1e3:g}</TE>
    <flipAngle_deg>15</flipAngle_deg>
    <sequence_type>Flash</sequence_type>
  </sequenceParameters>
</ismrmrdHeader>
""".encode()


def _space(nx: int, ny: int, fov_x: float, fov_y: float, z: float) -> str:
    return (
        f"<matrixSize><x>{nx}</x><y>{ny}</y><z>1</z></matrixSize>"
        f"<fieldOfView_mm><x>{fov_x:g}</x><y>{fov_y:g}</y><z>{z:g}</z></fieldOfView_mm>"
    )


def _limit(name: str, count: int, center: int) -> str:
    return (
        f"<{name}><minimum>0</minimum><maximum>{count - 1}</maximum>"
        f"<center>{center}</center></{name}>"
    )


def centred(n: int) -> Real:
    """Return n integers with 0 at index n // 2."""
    return np.asarray(np.arange(n) - float(n // 2))
