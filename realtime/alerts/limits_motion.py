"""What a protocol may limit of motion, beam and radiation dose: one struct for each rule."""

from typing import Annotated

from msgspec import Meta, Struct

from realtime.alerts.limit_ranges import Above, Percent, Share

Cycles = Annotated[int, Meta(ge=1, le=20)]
Mads = Annotated[float, Meta(gt=0.0, le=100.0)]
Change = Annotated[float, Meta(gt=0.0, le=1000.0)]
Millimetres = Annotated[float, Meta(ge=0.0, le=1000.0)]


class Avoidance(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="avoidance"):
    """How much of an organ at risk may be where the beam goes: the target's place and a margin."""

    region: str
    margin_mm: Millimetres = 3.0
    max_percent: Percent = 5.0


class BreathExcursion(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="breath-excursion"
):
    """A cough or a deep breath: so far out as the breaths before were not, by both.

    max_mads: median absolute deviations of the depth of breath, beyond its median.
    """

    max_mads: Mads = 6.0
    min_mm: Above = 3.0


class BaselineShift(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="baseline-shift"
):
    """How far the end-exhale place may move away from where it was at first, over n_cycles."""

    max_mm: Above
    n_cycles: Cycles = 3


class PeriodChange(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="period-change"
):
    """How much longer or shorter than usual a breath may take; tells."""

    max_change_percent: Change = 50.0


class TargetVolume(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="target-volume"
):
    """How much the target's area times slice thickness may differ from the reference; warns."""

    max_change_percent: Change = 20.0


class SurrogateDisagreement(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="surrogate"
):
    """How far the places by image and by surrogate (belt, navigator) may lie apart; warns."""

    max_mm: Above = 3.0


class IntervalWidth(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="prediction-interval"
):
    """How wide half of the prediction's interval may be on one axis; warns."""

    max_mm: Above = 3.0


class BeamDespiteHold(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="beam-despite-hold"
):
    """For how long the accelerator may report a beam while the permit is held.

    Twice what TG-264 allows from end to end, because the hold counts from the image's own time.
    """

    max_s: Above = 1.0


class DoseForecast(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="dose-forecast"
):
    """What a structure's dose will be at the end of the fraction if things go on as so far.

    structure: a name in the structures of [dose]. min_d98_percent: of the prescription.
    from_mu_percent: of the planned monitor units; before them a forecast says little.
    """

    structure: str
    min_d98_percent: Share | None = None
    max_d003cc_gy: Above | None = None
    max_mean_gy: Above | None = None
    from_mu_percent: Percent = 20.0

    def __post_init__(self) -> None:
        if (self.min_d98_percent, self.max_d003cc_gy, self.max_mean_gy) == (None, None, None):
            raise ValueError(
                "`min_d98_percent`: is missing, expected it, max_d003cc_gy or max_mean_gy"
            )
