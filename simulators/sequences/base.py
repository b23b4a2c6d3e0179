"""What every sequence has: geometry, timing, stamps, and the readouts of its frames."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulators.mrd import (
    FIRST_IN_REPETITION,
    FIRST_IN_SLICE,
    LAST_IN_MEASUREMENT,
    LAST_IN_REPETITION,
    LAST_IN_SLICE,
)
from simulators.sequence import centred
from simulators.sequences.plane import Plane
from simulators.sequences.planned import PlannedReadout
from simulators.stamps import check_unit, ticks

Real = NDArray[np.float64]
Limit = tuple[int, int, int]
"""Minimum, maximum and centre of an encoding counter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSequence(ABC):
    """The part of a sequence that all share. Sizes and extents are (x, y).

    matrix, fov_mm: of the image; the readout is oversampled beyond it.
    slices_z_mm: where each slice lies along z, from the isocentre.
    planes: where the slices lie instead, of any orientation; none are axial at position_mm.
    repetition_time_s: from one excitation of a slice to its next.
    echo_times_s: one a contrast; more than one makes a multi-echo train where a sequence can.
    sample_time_us: dwell time of imaging; noise_sample_time_us: of the noise scan.
    time_stamp_unit: 2.5ms | ms | us | none.
    """

    matrix: tuple[int, int] = (128, 128)
    fov_mm: tuple[float, float] = (240.0, 240.0)
    slice_thickness_mm: float = 3.0
    slices_z_mm: tuple[float, ...] = (0.0,)
    oversampling: int = 2
    n_frames: int = 2
    repetition_time_s: float = 0.0156
    echo_times_s: tuple[float, ...] = (0.013,)
    h1_frequency_hz: float = 123.25e6
    sample_time_us: float = 8.0
    noise_sample_time_us: float = 5.0
    noise_bandwidth: float = 0.793
    time_stamp_unit: str = "2.5ms"
    start_of_day_s: float = 49031.4
    position_mm: tuple[float, float, float] = (2.5, -11.0, 43.0)
    planes: tuple[Plane, ...] = ()

    def __post_init__(self) -> None:
        check_unit(self.time_stamp_unit)
        if min(*self.matrix, self.n_frames, self.oversampling) < 1:
            raise ValueError("matrix, n_frames and oversampling, expected at least 1")
        spacing_s = self.repetition_time_s / len(self.slices_z_mm)
        if max(self.echo_times_s) >= spacing_s:
            raise ValueError(
                f"echo time {max(self.echo_times_s):g} s, expected below the {spacing_s:g} s from "
                "one excitation to the next"
            )
        self.check()

    @property
    @abstractmethod
    def trajectory_name(self) -> str:
        """How the header calls the trajectory."""

    @abstractmethod
    def limits(self) -> dict[str, Limit]:
        """Return the encoding limits that differ from (0, 0, 0), by name."""

    @abstractmethod
    def frame_readouts(self, frame: int, start_s: float) -> list[PlannedReadout]:
        """Return the readouts of one frame whose first excitation is at start_s."""

    @abstractmethod
    def frame_time_s(self, frame: int) -> float:
        """Return how long a frame takes."""

    def start_s(self, frame: int) -> float:
        """Return when a frame begins."""
        return self.lead_s + sum(map(self.frame_time_s, range(frame)))

    @abstractmethod
    def check(self) -> None:
        """Raise ValueError where the parameters contradict each other."""

    @property
    def n_partitions(self) -> int:
        """Slices of a volume encoded by phase; 1 in two dimensions."""
        return 1

    @property
    def n_samples(self) -> int:
        """Samples of a readout."""
        return self.matrix[0] * self.oversampling

    @property
    def n_planes(self) -> int:
        """Number of planes."""
        return len(self.planes) or len(self.slices_z_mm)

    def plane(self, index: int) -> Plane:
        """Return where a slice lies."""
        if self.planes:
            return self.planes[index]
        x, y, z = self.position_mm
        return Plane((x, y, z + self.slices_z_mm[index]))

    def begins_repetition(self, frame: int) -> bool:
        """Return whether a frame is the first of its repetition."""
        del frame
        return True

    def ends_repetition(self, frame: int) -> bool:
        """Return whether a frame is the last of its repetition."""
        del frame
        return True

    @property
    def encoded_matrix(self) -> tuple[int, int, int]:
        """Of the encoded space (x, y, z)."""
        return self.n_samples, self.matrix[1], self.n_partitions

    @property
    def encoded_fov_mm(self) -> tuple[float, float, float]:
        """Of the encoded space (x, y, z)."""
        return self.fov_mm[0] * self.oversampling, self.fov_mm[1], self.depth_mm

    @property
    def depth_mm(self) -> float:
        """Extent along z: of the slice, or of the slab."""
        return self.slice_thickness_mm

    @property
    def description_xml(self) -> str:
        """The header's trajectoryDescription, or nothing."""
        return ""

    @property
    def parallel(self) -> tuple[int, int, str] | None:
        """Acceleration along both phase encodings and how the coils are calibrated."""
        return None

    @property
    def sequence_type(self) -> str:
        """As the header names it."""
        return "Flash"

    @property
    def echo_spacing_s(self) -> float | None:
        """Between the echoes of an echo-planar train."""
        return None

    @property
    def marks_ends(self) -> bool:
        """Whether flags tell where a slice and a repetition begin and end."""
        return True

    @property
    def lead_s(self) -> float:
        """How long the readouts before the first frame take."""
        return 0.0

    def lead_readouts(self) -> list[PlannedReadout]:
        """Return what is played before the first frame, from time 0."""
        return []

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Size of a voxel (x, y, z)."""
        (nx, ny), (fov_x, fov_y) = self.matrix, self.fov_mm
        return fov_x / nx, fov_y / ny, self.depth_mm / self.n_partitions

    @property
    def columns_mm(self) -> Real:
        """Positions of the pixel centres along x; index n // 2 is the isocentre."""
        return centred(self.matrix[0]) * self.voxel_mm[0]

    @property
    def rows_mm(self) -> Real:
        """Positions of the pixel centres along y."""
        return centred(self.matrix[1]) * self.voxel_mm[1]

    @property
    def partitions_mm(self) -> Real:
        """Positions of a volume's partition centres along z."""
        return centred(self.n_partitions) * self.voxel_mm[2]

    def ticks(self, t_s: float) -> int:
        """Return the time stamp of a moment."""
        return ticks(t_s, unit=self.time_stamp_unit, start_of_day_s=self.start_of_day_s)

    def readouts(self) -> Iterator[PlannedReadout]:
        """Yield every readout in order of time, with the flags of begin and end."""
        lead = self.lead_readouts()
        yield from _with_slice_ends(lead, only_first=True) if self.marks_ends else lead
        start_s = self.lead_s
        for frame in range(self.n_frames):
            played = self.frame_readouts(frame, start_s)
            if self.marks_ends:
                played = self._with_repetition_ends(_with_slice_ends(played), frame)
            if frame == self.n_frames - 1:
                played[-1] = _flagged(played[-1], LAST_IN_MEASUREMENT)
            yield from played
            start_s += self.frame_time_s(frame)

    def _with_repetition_ends(
        self, readouts: list[PlannedReadout], frame: int
    ) -> list[PlannedReadout]:
        marked = list(readouts)
        if self.begins_repetition(frame):
            marked[0] = _flagged(marked[0], FIRST_IN_REPETITION)
        if self.ends_repetition(frame):
            marked[-1] = _flagged(marked[-1], LAST_IN_REPETITION)
        return marked


def _flagged(readout: PlannedReadout, flags: int) -> PlannedReadout:
    return replace(readout, flags=readout.flags | flags)


def _with_slice_ends(
    readouts: list[PlannedReadout], *, only_first: bool = False
) -> list[PlannedReadout]:
    """Flag the first and the last readout of each slice and contrast."""
    keys = [(each.counter("slice"), each.counter("contrast")) for each in readouts]
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    last = {key: index for index, key in enumerate(keys)}
    marked = list(readouts)
    for index in first.values():
        marked[index] = _flagged(marked[index], FIRST_IN_SLICE)
    for index in () if only_first else last.values():
        marked[index] = _flagged(marked[index], LAST_IN_SLICE)
    return marked
