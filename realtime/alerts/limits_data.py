"""What a protocol may demand of the data that it judges by: one struct for each rule."""

from typing import Annotated

from msgspec import Meta, Struct

from realtime.alerts.limit_ranges import Above, Percent, Share, Sigma, refuse_crossed


class Movement(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="motion"):
    """How far the anatomy may be from the baseline in use, as far as the method can tell.

    max_misfit_sigma, min_misfit_c: what the baselines do not explain outside the heat, by at least
        both: in a phantom without noise every rounding is many standard deviations.
    min_similarity: of the magnitude image with the baseline's.
    """

    max_shift_mm: Above = 1.5
    max_shift_px: Above = 1.0
    max_misfit_sigma: Sigma = 3.0
    min_misfit_c: Above = 1.0
    min_similarity: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None


class Drift(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="drift"):
    """The field drift that was removed, how fast it grows (both warn), and what is left (holds)."""

    max_drift_c: Above | None = None
    max_residual_c: Above | None = None
    max_rate_c_per_s: Above | None = None


class Noise(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="noise"):
    """The median standard deviation of a region's valid pixels."""

    region: str
    max_std_c: Above


class InvalidFraction(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="invalid-fraction"
):
    """How much of a region may be without a believable temperature."""

    region: str
    max_percent: Percent


class SignalVoid(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="signal-void"
):
    """How much of a region may be an implant, calcification or air, by its missing signal.

    below_percent: of the median signal around the region.
    """

    region: str
    below_percent: Share = 20.0
    max_percent: Percent = 5.0


class Fat(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="fat"):
    """How much of a region may be fat, whose resonance does not follow temperature.

    A pixel counts from warn_above_percent of fat on, and from hold_above_percent on even where the
    method separates fat from water, because too little water is left. max_percent: of the region.
    """

    region: str
    warn_above_percent: Share = 20.0
    hold_above_percent: Share = 80.0
    max_percent: Percent = 5.0

    def __post_init__(self) -> None:
        refuse_crossed(
            "warn_above_percent",
            self.warn_above_percent,
            "hold_above_percent",
            self.hold_above_percent,
        )


class BaselineInvalid(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="baseline-invalid"
):
    """The baseline belongs to another place or another shim.

    max_shift_mm, max_turn_deg: of slice and table since the baseline. max_drift_jump_c: of the
        removed drift from one frame to the next: more is no drift, but a new frequency or shim.
    """

    max_shift_mm: Above = 0.5
    max_turn_deg: Above = 0.5
    max_drift_jump_c: Above = 5.0


class StaleFrame(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="stale-frame"
):
    """How far apart two frames may lie in scanner time, and how old a verdict may be.

    max_skew_s: by how much frames may come later, by their own stamps, than the promptest one did.
    """

    max_gap_s: Above
    max_age_ms: Above | None = None
    max_skew_s: Above | None = None
