"""Line by line on a grid: undersampled, averaged, segmented, many slices, echoes, volumes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulators.mrd import PARALLEL_CALIBRATION, PARALLEL_CALIBRATION_AND_IMAGING, REVERSE
from simulators.sequence import centred
from simulators.sequences.base import Limit, ScanSequence
from simulators.sequences.planned import PlannedReadout, columns

Calibration = Literal["none", "embedded", "separate", "interleaved"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the grid, counted from its first, and how its readout is marked."""

    row: int
    flags: int = 0
    segment: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cartesian(ScanSequence):
    """A spoiled gradient echo on a grid.

    acceleration: every n-th line is imaging; the centre line is one of them.
    calibration: embedded plays the missing lines about the centre in each frame (flag 20 where
        only for calibration, 21 where for the image too); separate plays such lines once before
        the first frame; interleaved moves the lines by one from frame to frame (TGRAPPA).
    n_calibration_lines: about the centre.
    partial_fourier: fraction of the lines that is played; the first ones are left out and the
        counter begins at 0 with the first that is played.
    n_averages: the whole image again and again, one counter further.
    n_segments: segment s plays every n-th line from the s-th.
    slices are interleaved: each line is played for all slices before the next line.
    is_bipolar: every second echo runs backwards, flagged so, samples in order of time.
    partitions, slab_mm: more than one partition makes a volume; the second phase encoding.
    """

    acceleration: int = 1
    calibration: Calibration = "none"
    n_calibration_lines: int = 24
    partial_fourier: float = 1.0
    n_averages: int = 1
    n_segments: int = 1
    is_bipolar: bool = False
    partitions: int = 1
    slab_mm: float = 192.0

    def check(self) -> None:
        """Raise ValueError where the parameters contradict each other."""
        if not 0.5 < self.partial_fourier <= 1:
            raise ValueError(f"partial_fourier {self.partial_fourier}, expected above 0.5 up to 1")
        if self.acceleration > 1 and self.calibration == "none":
            raise ValueError("acceleration above 1 needs a calibration")
        if self.partitions > 1 and len(self.slices_z_mm) > 1:
            raise ValueError("a volume has one slab, not several slices")

    @property
    def trajectory_name(self) -> str:
        """How the header calls the trajectory."""
        return "cartesian"

    @property
    def n_partitions(self) -> int:
        """Slices of a volume encoded by phase; 1 in two dimensions."""
        return self.partitions

    @property
    def depth_mm(self) -> float:
        """Extent along z: of the slice, or of the slab."""
        return self.slab_mm if self.partitions > 1 else self.slice_thickness_mm

    @property
    def parallel(self) -> tuple[int, int, str] | None:
        """Acceleration along both phase encodings and how the coils are calibrated."""
        return (self.acceleration, 1, self.calibration) if self.calibration != "none" else None

    @property
    def first_row(self) -> int:
        """The first line of the grid that is played; partial Fourier leaves out those before."""
        return self.matrix[1] - round(self.partial_fourier * self.matrix[1])

    def limits(self) -> dict[str, Limit]:
        """Return the encoding limits that differ from (0, 0, 0), by name."""
        n_rows, first = self.matrix[1], self.first_row
        return {
            "kspace_encoding_step_0": (0, self.n_samples - 1, self.n_samples // 2),
            "kspace_encoding_step_1": (0, n_rows - 1 - first, n_rows // 2 - first),
            "kspace_encoding_step_2": (0, self.partitions - 1, self.partitions // 2),
            "average": (0, self.n_averages - 1, 0),
            "slice": (0, len(self.slices_z_mm) - 1, 0),
            "contrast": (0, len(self.echo_times_s) - 1, 0),
            "repetition": (0, self.n_frames - 1, 0),
            "segment": (0, self.n_segments - 1, 0),
        }

    @property
    def lead_s(self) -> float:
        """How long the separate calibration takes."""
        return len(self._separate_lines()) * self.partitions * self.repetition_time_s

    def lead_readouts(self) -> list[PlannedReadout]:
        """Return the separate calibration."""
        return self._played(self._separate_lines(), frame=0, average=0, start_s=0.0)

    def frame_time_s(self, frame: int) -> float:
        """Return how long a frame takes."""
        n_excitations = len(self._lines(frame)) * self.partitions * self.n_averages
        return n_excitations * self.repetition_time_s

    def frame_readouts(self, frame: int, start_s: float) -> list[PlannedReadout]:
        """Return the readouts of one frame."""
        lines, played = self._lines(frame), []
        average_s = self.frame_time_s(frame) / self.n_averages
        for average in range(self.n_averages):
            begin_s = start_s + average * average_s
            played += self._played(lines, frame=frame, average=average, start_s=begin_s)
        return played

    def _played(
        self, lines: list[Line], *, frame: int, average: int, start_s: float
    ) -> list[PlannedReadout]:
        n_slices, played = len(self.slices_z_mm), []
        places = [(partition, line) for partition in range(self.partitions) for line in lines]
        for excitation, (partition, line) in enumerate(places):
            for index in range(n_slices):
                t_s = start_s + (excitation + index / n_slices) * self.repetition_time_s
                counters = {
                    "kspace_encode_step_1": line.row - self.first_row,
                    "kspace_encode_step_2": partition,
                    "average": average,
                    "slice": index,
                    "repetition": frame,
                    "segment": line.segment,
                }
                played += [
                    self._echo(line, partition, contrast, t_s, counters)
                    for contrast in range(len(self.echo_times_s))
                ]
        return played

    def _echo(
        self, line: Line, partition: int, contrast: int, t_s: float, counters: dict[str, int]
    ) -> PlannedReadout:
        kx = centred(self.n_samples) / (self.fov_mm[0] * self.oversampling)
        is_reversed = self.is_bipolar and contrast % 2 == 1
        ky = (line.row - self.matrix[1] // 2) / self.fov_mm[1]
        kz = (partition - self.partitions // 2) / self.depth_mm if self.partitions > 1 else 0.0
        echo_time_s = self.echo_times_s[contrast]
        return PlannedReadout(
            frame=counters["repetition"],
            t_s=t_s + echo_time_s,
            k_per_mm=columns(-kx if is_reversed else kx, ky, kz),
            center_sample=self.n_samples // 2,
            echo_time_s=echo_time_s,
            since_excitation_s=echo_time_s,
            counters=counters | {"contrast": contrast},
            flags=line.flags | (REVERSE if is_reversed else 0),
        )

    def _lines(self, frame: int) -> list[Line]:
        step, center = self.acceleration, self.matrix[1] // 2
        moved = frame if self.calibration == "interleaved" else 0
        calibrated = set(self._calibration_rows()) if self.calibration == "embedded" else set()
        lines = []
        for row in range(self.first_row, self.matrix[1]):
            is_imaging = (row - center - moved) % step == 0
            if row in calibrated and is_imaging:
                lines.append(Line(row, PARALLEL_CALIBRATION_AND_IMAGING))
            elif row in calibrated:
                lines.append(Line(row, PARALLEL_CALIBRATION))
            elif is_imaging:
                lines.append(Line(row))
        return self._in_segments(lines)

    def _in_segments(self, lines: list[Line]) -> list[Line]:
        return [
            Line(line.row, line.flags, segment)
            for segment in range(self.n_segments)
            for line in lines[segment :: self.n_segments]
        ]

    def _separate_lines(self) -> list[Line]:
        if self.calibration != "separate":
            return []
        return [Line(row, PARALLEL_CALIBRATION) for row in self._calibration_rows()]

    def _calibration_rows(self) -> list[int]:
        start = self.matrix[1] // 2 - self.n_calibration_lines // 2
        return [int(row) for row in np.arange(start, start + self.n_calibration_lines)]
