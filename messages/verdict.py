"""What one frame means."""

from dataclasses import dataclass
from typing import Literal

from messages.delivered_dose import DeliveredDose
from messages.frame import FrameKey

Outcome = Literal["COMPUTED", "LATE", "FAULT"]
Decision = Literal["GRANTED", "HELD"]
Severity = Literal["inform", "warn", "hold"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's judgement of one frame: what was seen, against which limit.

    severity: `inform` and `warn` leave the permit alone, `hold` withdraws it.
    value, limit: in `unit`; None where the finding is not a comparison.
    """

    rule: str
    severity: Severity
    text: str
    region: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class RegionReading:
    """A region's figures in one frame; None where no pixel of it may be believed.

    temperature_std_c: of a pixel, the median of those that are valid; not that of the mean.
    peak_c: the highest temperature from the first frame to the end of cooling, were the power to
        end now. final_cem43_min, final_high_cem43_min: the largest dose then, and the largest high
        end of its interval. All three None where no forecast reaches.
    """

    name: str
    role: str
    n_pixels: int
    n_valid: int
    temperature_max_c: float | None = None
    temperature_mean_c: float | None = None
    temperature_std_c: float | None = None
    dose_max_cem43_min: float | None = None
    dose_min_cem43_min: float | None = None
    peak_c: float | None = None
    final_cem43_min: float | None = None
    final_high_cem43_min: float | None = None


@dataclass(frozen=True, slots=True)
class MotionReading:
    """Target, gate and beam in one frame, in the axes of its image; None where not known.

    displacement_mm: (y, x) since the slice's reference image, which was reference_frame, at time_s.
        displacement_lps_mm: in patient LPS, since the first reference image of all slices, with
        what the other slices have seen last. predicted_mm: (y, x) at effect_time_s,
        low and high by its calibrated interval.
    outside_percent, predicted_outside_percent: of the target's area. probability: that more than
        the protocol allows will be outside. is_gate_open: by the target's place alone.
    gate_center_mm: (y, x), the displacement around which the gating boundary lies.
    """

    time_s: float | None
    displacement_mm: tuple[float, float] | None
    displacement_lps_mm: tuple[float, float, float] | None
    similarity: float | None
    similarity_limit: float | None
    area_mm2: float | None
    volume_mm3: float | None
    doubts: tuple[str, ...] = ()
    effect_time_s: float | None = None
    predicted_mm: tuple[float, float] | None = None
    predicted_low_mm: tuple[float, float] | None = None
    predicted_high_mm: tuple[float, float] | None = None
    outside_percent: float | None = None
    predicted_outside_percent: float | None = None
    probability: float | None = None
    is_gate_open: bool = False
    is_beam_on: bool | None = None
    gate_center_mm: tuple[float, float] | None = None
    reference_frame: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one frame means: findings, decision, age, stage times; or LATE; or FAULT.

    time_s: scanner time of the k-space centre; None where the scanner gives no clock.
    decision: what this frame alone says; permit: what stands after it, latched holds included.
    age_ms: last readout received to verdict published. received_ns: when that readout was received,
        on this host's CLOCK_MONOTONIC.
    stage_ms: what each stage took, in order.
    lesion_mm3: volume of this slice beyond 240 CEM43 min by the dose's low side, its estimate and
        its high side; None where there is no dose.
    motion: of a frame in which a target was followed. delivered: radiation dose by this frame.
    baseline_frames, baseline_wanted: how far the training phase has come; 0 of 0 where the method
        has none.
    """

    frame_id: int
    key: FrameKey
    outcome: Outcome
    decision: Decision
    time_s: float | None = None
    findings: tuple[Finding, ...] = ()
    regions: tuple[RegionReading, ...] = ()
    age_ms: float = 0.0
    stage_ms: dict[str, float] | None = None
    permit: Decision = "HELD"
    run_id: str = ""
    baseline_frames: int = 0
    baseline_wanted: int = 0
    lesion_mm3: tuple[float, float, float] | None = None
    motion: MotionReading | None = None
    delivered: DeliveredDose | None = None
    received_ns: int = 0
