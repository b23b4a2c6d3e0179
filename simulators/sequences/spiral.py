"""Interleaved Archimedean spirals, as fast as the gradients allow."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.sequence import PROTON_HZ_PER_T
from simulators.sequences.base import Limit, ScanSequence
from simulators.sequences.planned import PlannedReadout, columns
from simulators.sequences.reported import TrajectoryUnit, reported

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spiral(ScanSequence):
    """A spiral gradient echo: k = λ τ exp(i ω τ), from the centre outwards.

    The time course τ(t) is limited by slew rate, then by amplitude, as in Kim et al. 2003 (Magn
    Reson Med 50:214) with α = 1; neighbouring turns of all arms together lie 1 / FOV apart.

    n_arms: a frame's, spread evenly over a turn. echo_times_s: when the first sample is taken.
    """

    matrix: tuple[int, int] = (96, 96)
    repetition_time_s: float = 0.03
    echo_times_s: tuple[float, ...] = (0.008,)
    sample_time_us: float = 3.0
    noise_sample_time_us: float = 2.5
    n_arms: int = 16
    gradient_mt_per_m: float = 24.0
    slew_t_per_m_s: float = 120.0
    trajectory_unit: TrajectoryUnit = "1/m"

    def check(self) -> None:
        """Raise ValueError where the parameters contradict each other."""
        if self.matrix[0] != self.matrix[1] or self.fov_mm[0] != self.fov_mm[1]:
            raise ValueError(f"matrix {self.matrix}, fov_mm {self.fov_mm}: spirals need a square")
        if self.echo_times_s[0] + self.duration_s > self.repetition_time_s:
            raise ValueError(f"a spiral of {self.duration_s:g} s outlasts the repetition time")

    @property
    def trajectory_name(self) -> str:
        """How the header calls the trajectory."""
        return "spiral"

    @property
    def n_samples(self) -> int:
        """Samples of an arm."""
        return int(self.duration_s / (self.sample_time_us * 1e-6)) + 1

    @property
    def encoded_matrix(self) -> tuple[int, int, int]:
        """Of the encoded space, which is that of the image."""
        return *self.matrix, 1

    @property
    def encoded_fov_mm(self) -> tuple[float, float, float]:
        """Of the encoded space, which is that of the image."""
        return *self.fov_mm, self.depth_mm

    def limits(self) -> dict[str, Limit]:
        """Return the encoding limits that differ from (0, 0, 0), by name."""
        return {
            "kspace_encoding_step_1": (0, self.n_arms - 1, 0),
            "repetition": (0, self.n_frames - 1, 0),
        }

    def frame_time_s(self, frame: int) -> float:
        """Return how long a frame takes."""
        del frame
        return self.n_arms * self.repetition_time_s

    @property
    def duration_s(self) -> float:
        """How long an arm takes."""
        slew, amplitude, switch, switch_s = self._course()
        if switch >= 1:
            return 1 / (1.5 * slew)
        return switch_s + (1 - switch**2) / (2 * amplitude)

    def frame_readouts(self, frame: int, start_s: float) -> list[PlannedReadout]:
        """Return the readouts of one frame."""
        times_s = np.arange(self.n_samples, dtype=np.float64) * self.sample_time_us * 1e-6
        return [self._arm(frame, arm, start_s, times_s) for arm in range(self.n_arms)]

    def _arm(self, frame: int, arm: int, start_s: float, times_s: Real) -> PlannedReadout:
        tau = self._progress(times_s)
        angle = self._turns * 2 * math.pi * tau + 2 * math.pi * arm / self.n_arms
        radius = tau * self.matrix[0] / (2 * self.fov_mm[0])
        k_per_mm = columns(radius * np.cos(angle), radius * np.sin(angle))
        echo_time_s = self.echo_times_s[0]
        return PlannedReadout(
            frame=frame,
            t_s=start_s + arm * self.repetition_time_s + echo_time_s,
            k_per_mm=k_per_mm,
            center_sample=0,
            echo_time_s=echo_time_s,
            since_excitation_s=echo_time_s + times_s,
            counters={"kspace_encode_step_1": arm, "repetition": frame},
            trajectory=reported(k_per_mm, self, self.trajectory_unit),
        )

    @property
    def _turns(self) -> float:
        return self.matrix[0] / (2 * self.n_arms)

    def _course(self) -> tuple[float, float, float, float]:
        """Return √τ·τ' at full slew, τ·τ' at full amplitude, and τ and time of the change."""
        radius_per_m = self.matrix[0] / (2 * self.fov_mm[0]) * 1e3
        turn_rad = 2 * math.pi * self._turns
        slew = math.sqrt(PROTON_HZ_PER_T * self.slew_t_per_m_s / (radius_per_m * turn_rad**2))
        speed = PROTON_HZ_PER_T * self.gradient_mt_per_m * 1e-3
        amplitude = speed / (radius_per_m * turn_rad)
        switch = (amplitude / slew) ** 2
        return slew, amplitude, switch, switch**1.5 / (1.5 * slew)

    def _progress(self, times_s: Real) -> Real:
        slew, amplitude, switch, switch_s = self._course()
        early = (1.5 * slew * np.minimum(times_s, switch_s)) ** (2 / 3)
        late = np.sqrt(switch**2 + 2 * amplitude * np.maximum(times_s - switch_s, 0))
        return np.asarray(np.where(times_s <= switch_s, early, late))
