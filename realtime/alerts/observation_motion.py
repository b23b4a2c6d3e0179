"""What one frame showed of motion, beam and radiation dose, as the rules see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from messages import BeamLog, DeliveredDose, Displacement, GateReading, Pose, Prediction
from motion.surveillance import BreathReading


@dataclass(frozen=True, slots=True, eq=False)
class MotionObservation:
    """All that the rules of mrlinac may look at.

    displacement: None where the slice shows no target. prediction, gate: None where there is none.
    time_s, previous_time_s: scanner time of this and the last complete frame of the same slice;
        frame_period_s: what usually lies between them, None while that is not known.
    is_reference_lost: a worker was lost, and with it the image that the target was drawn in.
    is_complete, is_calibrated, is_finite: see `Observation`.
    pose, first_pose: of the frame, and of the reference image.
    first_volume_mm3: of the target in the reference image.
    organs_percent: by region, how much of an organ lies in its avoidance boundary; NaN where it is
        not tracked, and without an entry where it lies in another slice.
    surrogate_mm: (y, x), where belt or navigator see the target; None where there is none.
    beam: all that the accelerator said so far. held_since_s: scanner time of the frame from which
        on decisions were HELD, of those before this frame; None where the last was GRANTED.
    delivered: None where no plan is followed. prescription_gy: of this fraction.
    """

    displacement: Displacement | None = None
    prediction: Prediction | None = None
    gate: GateReading | None = None
    breath: BreathReading = field(default_factory=BreathReading)
    time_s: float | None = None
    previous_time_s: float | None = None
    frame_period_s: float | None = None
    is_reference_lost: bool = False
    is_complete: bool = True
    is_calibrated: bool = True
    is_finite: bool = True
    pose: Pose | None = None
    first_pose: Pose | None = None
    first_volume_mm3: float | None = None
    organs_percent: Mapping[str, float] = field(default_factory=dict)
    surrogate_mm: tuple[float, float] | None = None
    beam: BeamLog = field(default_factory=BeamLog)
    held_since_s: float | None = None
    delivered: DeliveredDose | None = None
    prescription_gy: float | None = None

    @property
    def is_tracked(self) -> bool:
        """Whether the target's place may be believed."""
        return self.displacement is not None and self.displacement.is_tracked

    @property
    def is_training(self) -> bool:
        """Whether the target is not followed yet."""
        return self.displacement is not None and self.displacement.is_training
