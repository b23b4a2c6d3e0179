"""Spokes through the centre of k-space, spread evenly or by the golden angle."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulators.sequence import centred
from simulators.sequences.base import Limit, ScanSequence
from simulators.sequences.planned import PlannedReadout, columns
from simulators.sequences.reported import TrajectoryUnit, reported

GOLDEN_ANGLE_RAD = math.pi * (math.sqrt(5) - 1) / 2
"""111.246°: Winkelmann et al. 2007, doi:10.1109/TMI.2006.885337."""

Angles = Literal["golden", "golden-restarted", "uniform"]
Counting = Literal["restarting", "running", "zero"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Radial(ScanSequence):
    """A radial spoiled gradient echo. Spoke angle θ puts k along (cos θ, sin θ).

    angles: golden counts spokes through all frames, golden-restarted anew in each, uniform spreads
        a frame's spokes over half a turn.
    delay_samples: how late each axis' gradient (x, y) runs, in samples: true positions lag, the
        reported ones do not.
    trajectory_unit: of the positions sent in the readouts; none sends no trajectory.
    counting: restarting counts spokes anew in each repetition; running counts them on, repetition
        stays 0; zero leaves all counters 0. Only restarting flags the ends of frames.
    """

    spokes_per_frame: int = 55
    angles: Angles = "golden"
    delay_samples: tuple[float, float] = (0.0, 0.0)
    trajectory_unit: TrajectoryUnit = "cycles/FOV"
    counting: Counting = "restarting"

    def check(self) -> None:
        """Raise ValueError where the parameters contradict each other."""
        if self.matrix[0] != self.matrix[1] or self.fov_mm[0] != self.fov_mm[1]:
            raise ValueError(f"matrix {self.matrix}, fov_mm {self.fov_mm}: spokes need a square")

    @property
    def trajectory_name(self) -> str:
        """How the header calls the trajectory."""
        return "radial" if self.angles == "uniform" else "goldenangle"

    @property
    def marks_ends(self) -> bool:
        """Whether flags tell where a slice and a repetition begin and end."""
        return self.counting == "restarting"

    def limits(self) -> dict[str, Limit]:
        """Return the encoding limits that differ from (0, 0, 0), by name."""
        n_spokes = self.spokes_per_frame * (self.n_frames if self.counting == "running" else 1)
        n_counted = self.n_frames if self.counting == "restarting" else 1
        return {
            "kspace_encoding_step_0": (0, self.n_samples - 1, self.n_samples // 2),
            "kspace_encoding_step_1": (0, 0 if self.counting == "zero" else n_spokes - 1, 0),
            "repetition": (0, n_counted - 1, 0),
        }

    def frame_time_s(self, frame: int) -> float:
        """Return how long a frame takes."""
        del frame
        return self.spokes_per_frame * self.repetition_time_s

    def angle_rad(self, frame: int, spoke: int) -> float:
        """Return the angle of a frame's spoke."""
        if self.angles == "uniform":
            return math.pi * spoke / self.spokes_per_frame
        counted_from = 0 if self.angles == "golden-restarted" else frame * self.spokes_per_frame
        return (GOLDEN_ANGLE_RAD * (counted_from + spoke)) % (2 * math.pi)

    def frame_readouts(self, frame: int, start_s: float) -> list[PlannedReadout]:
        """Return the readouts of one frame."""
        return [self._spoke(frame, spoke, start_s) for spoke in range(self.spokes_per_frame)]

    def _spoke(self, frame: int, spoke: int, start_s: float) -> PlannedReadout:
        angle = self.angle_rad(frame, spoke)
        echo_time_s = self.echo_times_s[0]
        return PlannedReadout(
            frame=frame,
            t_s=start_s + spoke * self.repetition_time_s + echo_time_s,
            k_per_mm=self._positions(angle, self.delay_samples),
            center_sample=self.n_samples // 2,
            echo_time_s=echo_time_s,
            since_excitation_s=echo_time_s,
            counters=self._counters(frame, spoke),
            trajectory=reported(self._positions(angle, (0.0, 0.0)), self, self.trajectory_unit),
        )

    def _positions(
        self, angle_rad: float, delay_samples: tuple[float, float]
    ) -> NDArray[np.float64]:
        steps = centred(self.n_samples)
        step_per_mm = 1 / (self.fov_mm[0] * self.oversampling)
        kx = (steps - delay_samples[0]) * (step_per_mm * math.cos(angle_rad))
        ky = (steps - delay_samples[1]) * (step_per_mm * math.sin(angle_rad))
        return columns(kx, ky)

    def _counters(self, frame: int, spoke: int) -> dict[str, int]:
        if self.counting == "zero":
            return {}
        if self.counting == "running":
            return {"kspace_encode_step_1": frame * self.spokes_per_frame + spoke}
        return {"kspace_encode_step_1": spoke, "repetition": frame}
