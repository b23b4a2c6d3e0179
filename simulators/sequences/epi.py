"""Echo-planar imaging with a trapezoidal readout gradient, sampled on its ramps."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulators.mrd import (
    FIRST_IN_SLICE,
    NAVIGATION,
    PHASE_CORRECTION,
    REAL_TIME_FEEDBACK,
    REVERSE,
)
from simulators.sequences.base import Limit, ScanSequence
from simulators.sequences.planned import PlannedReadout, columns

Real = NDArray[np.float64]

_NAVIGATOR = PHASE_CORRECTION | NAVIGATION | REAL_TIME_FEEDBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Epi(ScanSequence):
    """A gradient-echo EPI train; counters and flags as Siemens' ep2d through siemens_to_ismrmrd.

    Samples are taken at equal steps of time, each in the middle of its dwell time; the gradient's
    area while the receiver is open is matrix / FOV. A shot begins with three navigators (reverse,
    forward, reverse) at ky = 0, its first line runs forward; `segment` is 1 for reverse. Slices
    are played one after the other within a repetition time.

    echo_times_s: when the centre line is played. ramp_up_us, flat_top_us, ramp_down_us: the
        gradient, whose sum is the echo spacing. delay_us: from its start to the first dwell.
    n_shots: shot s plays every n-th line from the s-th.
    partial_fourier: fraction of the lines that is played; the first ones are left out.
    gradient_delay_us: how late the gradient runs: the lines shift in k, odd against even.
    odd_even_phase_rad: phase of forward lines minus that of reverse ones.
    stamps: a time stamp a line, or that of the excitation for the whole shot.
    """

    matrix: tuple[int, int] = (80, 80)
    fov_mm: tuple[float, float] = (240.0, 240.0)
    repetition_time_s: float = 0.1
    echo_times_s: tuple[float, ...] = (0.027,)
    sample_time_us: float = 3.1
    noise_sample_time_us: float = 2.5
    ramp_up_us: float = 160.0
    flat_top_us: float = 240.0
    ramp_down_us: float = 160.0
    delay_us: float = 32.0
    n_shots: int = 1
    partial_fourier: float = 1.0
    gradient_delay_us: float = 0.0
    odd_even_phase_rad: float = 0.0
    stamps: Literal["line", "shot"] = "line"

    def check(self) -> None:
        """Raise ValueError where the parameters contradict each other."""
        open_us = self.delay_us + self.n_samples * self.sample_time_us
        if open_us > self.echo_spacing_us + 1e-6:
            raise ValueError(f"samples end at {open_us:g} us, gradient at {self.echo_spacing_us:g}")
        if abs(self.gradient_delay_us) > self.delay_us:
            raise ValueError(
                f"gradient_delay_us {self.gradient_delay_us:g}, expected at most delay"
            )
        if self._line_s(-3.5) < 0:
            raise ValueError(f"echo time {self.echo_times_s[0]:g} s is too short for the train")

    @property
    def trajectory_name(self) -> str:
        """How the header calls the trajectory."""
        return "epi"

    @property
    def sequence_type(self) -> str:
        """As the header names it."""
        return "EPI"

    @property
    def echo_spacing_us(self) -> float:
        """From one line to the next."""
        return self.ramp_up_us + self.flat_top_us + self.ramp_down_us

    @property
    def echo_spacing_s(self) -> float | None:
        """Between the echoes of the train."""
        return self.echo_spacing_us * 1e-6

    @property
    def encoded_matrix(self) -> tuple[int, int, int]:
        """Of the encoded space, which is that of the image; readouts have more samples."""
        return *self.matrix, 1

    @property
    def encoded_fov_mm(self) -> tuple[float, float, float]:
        """Of the encoded space, which is that of the image."""
        return *self.fov_mm, self.depth_mm

    @property
    def first_row(self) -> int:
        """The first line of the grid that is played."""
        return self.matrix[1] - round(self.partial_fourier * self.matrix[1])

    @property
    def center_step(self) -> int:
        """The counter of the line through the centre."""
        return self.matrix[1] // 2 - self.first_row

    @property
    def description_xml(self) -> str:
        """The header's trajectoryDescription, named as real ones are."""
        whole = {
            "etl": len(self._rows(0)),
            "numberOfNavigators": 3,
            "rampUpTime": round(self.ramp_up_us),
            "rampDownTime": round(self.ramp_down_us),
            "flatTopTime": round(self.flat_top_us),
            "acqDelayTime": round(self.delay_us),
            "numSamples": self.n_samples,
        }
        long = "".join(
            f"<userParameterLong><name>{name}</name><value>{value}</value></userParameterLong>"
            for name, value in whole.items()
        )
        return (
            f"<trajectoryDescription><identifier>ConventionalEPI</identifier>{long}"
            f"<userParameterDouble><name>dwellTime</name><value>{self.sample_time_us:g}</value>"
            "</userParameterDouble><comment>Conventional EPI sequence</comment>"
            "</trajectoryDescription>"
        )

    def limits(self) -> dict[str, Limit]:
        """Return the encoding limits that differ from (0, 0, 0), by name."""
        n_rows = self.matrix[1] - self.first_row
        return {
            "kspace_encoding_step_1": (0, n_rows - 1, self.center_step),
            "slice": (0, len(self.slices_z_mm) - 1, 0),
            "repetition": (0, self.n_frames - 1, 0),
        }

    def frame_time_s(self, frame: int) -> float:
        """Return how long a frame takes."""
        del frame
        return self.n_shots * self.repetition_time_s

    def frame_readouts(self, frame: int, start_s: float) -> list[PlannedReadout]:
        """Return the readouts of one frame."""
        n_slices, played = len(self.slices_z_mm), []
        for shot in range(self.n_shots):
            for index in range(n_slices):
                t_s = start_s + (shot + index / n_slices) * self.repetition_time_s
                played += self._shot(shot, {"slice": index, "repetition": frame}, t_s)
        return played

    def sample_times_us(self) -> Real:
        """Return when the samples are taken, from the start of the ramp."""
        return np.asarray(self.delay_us + (np.arange(self.n_samples) + 0.5) * self.sample_time_us)

    def readout_per_mm(self, t_us: Real) -> Real:
        """Return kx of a forward line at times from the start of the ramp, cycles/mm."""
        open_us = self.n_samples * self.sample_time_us
        ends = self._area_us(np.array([self.delay_us, self.delay_us + open_us]))
        area = self._area_us(t_us) - self._area_us(np.array(self.echo_spacing_us)) / 2
        return np.asarray(area * self.matrix[0] / (self.fov_mm[0] * (ends[1] - ends[0])))

    def _area_us(self, t_us: Real) -> Real:
        """Area of the trapezoid of unit height up to a time."""
        up, flat, down = self.ramp_up_us, self.flat_top_us, self.ramp_down_us
        rising = np.clip(t_us, 0, up)
        level = np.clip(t_us - up, 0, flat)
        falling = np.clip(t_us - up - flat, 0, down)
        return np.asarray(rising**2 / (2 * up) + level + falling - falling**2 / (2 * down))

    def _rows(self, shot: int) -> list[int]:
        return list(range(self.first_row + shot, self.matrix[1], self.n_shots))

    def _line_s(self, line: float) -> float:
        """Time of a line's middle since the excitation; navigators count backwards from -1."""
        from_center = line - self.center_step // self.n_shots
        return self.echo_times_s[0] + from_center * self.echo_spacing_us * 1e-6

    def _shot(self, shot: int, counters: dict[str, int], start_s: float) -> list[PlannedReadout]:
        played = []
        for index in range(3):
            flags = _NAVIGATOR | (REVERSE if index != 1 else 0)
            step = {"kspace_encode_step_1": self.center_step, "average": int(index == 2)}
            played.append(self._line(0.0, index - 3, flags, counters | step, start_s))
        for index, row in enumerate(self._rows(shot)):
            flags = (REVERSE if index % 2 else 0) | (FIRST_IN_SLICE if index + shot == 0 else 0)
            step = {"kspace_encode_step_1": row - self.first_row}
            ky = (row - self.matrix[1] // 2) / self.fov_mm[1]
            played.append(self._line(ky, index, flags, counters | step, start_s))
        return played

    def _line(
        self, ky: float, line: int, flags: int, counters: dict[str, int], start_s: float
    ) -> PlannedReadout:
        times_us, middle_s = self.sample_times_us(), self._line_s(line)
        polarity = -1 if flags & REVERSE else 1
        kx = polarity * self.readout_per_mm(times_us - self.gradient_delay_us)
        return PlannedReadout(
            frame=counters["repetition"],
            t_s=start_s + middle_s,
            stamp_s=start_s if self.stamps == "shot" else None,
            k_per_mm=columns(kx, ky),
            center_sample=self.n_samples // 2,
            echo_time_s=self.echo_times_s[0],
            since_excitation_s=middle_s + (times_us - self.echo_spacing_us / 2) * 1e-6,
            counters=counters | {"segment": int(polarity < 0)},
            flags=flags,
            phase_rad=polarity * self.odd_even_phase_rad / 2,
        )
