"""What a protocol may limit of heat and dose: one struct for each rule, units in the names."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from realtime.alerts.limit_ranges import (
    Above,
    Celsius,
    Frames,
    Margin,
    Share,
    Sigma,
    refuse_crossed,
)


class TemperatureMax(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="temperature-max"
):
    """The hottest valid pixel of a region.

    noise_margin_sigma: standard deviations between a pixel's estimate and its bounds. The upper
        bound warns.
    stop_by: what stops: the upper bound (at the price of false stops), the estimate, or the lower
        bound (at the price of heat that a warning alone tells). The peak between two frames stops
        by the same bound, where a trusted heat model knows it.
    warn_ahead_frames: a straight line through the last two frames that reaches stop_above_c so
        soon warns too. The next verdict comes one and a half frames after the middle of this one.
    """

    region: str
    stop_above_c: Celsius
    warn_above_c: Celsius | None = None
    noise_margin_sigma: Margin = 0.0
    stop_by: Literal["upper-bound", "estimate", "lower-bound"] = "upper-bound"
    warn_ahead_frames: Annotated[float, Meta(ge=0.0, le=10.0)] = 1.5

    def __post_init__(self) -> None:
        refuse_crossed("warn_above_c", self.warn_above_c, "stop_above_c", self.stop_above_c)


class DoseReached(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="dose-reached"
):
    """The goal: this share of the valid pixels has this dose even by the interval's low side.

    then: `inform` tells, `hold` also ends the heating.
    """

    region: str
    cem43_min: Above
    percent_of_region: Share = 100.0
    then: Literal["inform", "hold"] = "inform"


class DoseLimit(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="dose-limit"
):
    """The most dose that any pixel of a region may take.

    The estimate stops; the interval's high side warns, so the warning comes the earlier the less
    certain the dose is.
    """

    region: str
    stop_above_cem43_min: Above
    warn_above_cem43_min: Above | None = None

    def __post_init__(self) -> None:
        refuse_crossed(
            "warn_above_cem43_min",
            self.warn_above_cem43_min,
            "stop_above_cem43_min",
            self.stop_above_cem43_min,
        )


class DoseRisk(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="dose-risk"):
    """How probable it is that any one pixel has a dose, or will have once all heat is gone."""

    region: str
    cem43_min: Above
    warn_above_percent: Share = 5.0
    hold_above_percent: Share = 50.0

    def __post_init__(self) -> None:
        refuse_crossed(
            "warn_above_percent",
            self.warn_above_percent,
            "hold_above_percent",
            self.hold_above_percent,
        )


class NearField(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="near-field"
):
    """The mean rise of what the beam passes: near field, far field, skin, bone.

    max_residual_c: mean rise that may be left when the power comes on again after least_pause_s or
        longer; temperature counts from one baseline, so that what is left is the sum of all
        sonications before.
    """

    region: str
    warn_above_c: Above = 3.0
    hold_above_c: Above = 6.0
    max_residual_c: Above = 1.0
    least_pause_s: Above = 5.0

    def __post_init__(self) -> None:
        refuse_crossed("warn_above_c", self.warn_above_c, "hold_above_c", self.hold_above_c)


class FocusOffset(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="focus-offset"
):
    """How far the heat's centroid, or the focus that ARFI found, lies from a target's centre.

    within_mm: heat is sought so far around the target. min_rise_c: below it, and below `sigma`
        standard deviations, there is no heat whose place could be told; among hundreds of pixels
        in dozens of frames, noise alone reaches 4 of them.
    """

    region: str
    warn_above_mm: Above = 2.0
    hold_above_mm: Above = 3.0
    within_mm: Above = 20.0
    min_rise_c: Above = 4.0
    sigma: Sigma = 5.0

    def __post_init__(self) -> None:
        refuse_crossed("warn_above_mm", self.warn_above_mm, "hold_above_mm", self.hold_above_mm)


class HeatingResponse(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="heating-response"
):
    """The region must not cool when it is heated, and must heat as power and model say.

    max_wrong_sign_c, sigma: cooling by more than both this and so many standard deviations is a
        wrong sign.
    expect_rise_c, within_s: the rise that must be seen so long after power on; both or neither.
    max_unexpected_c, unexpected_frames: a rise that differs from the heat model's by more than both
        this and `sigma` standard deviations, in so many frames in a row.
    """

    region: str
    max_wrong_sign_c: Above = 3.0
    sigma: Sigma = 4.0
    expect_rise_c: Above | None = None
    within_s: Above | None = None
    max_unexpected_c: Above = 3.0
    unexpected_frames: Frames = 2

    def __post_init__(self) -> None:
        if self.expect_rise_c is not None and self.within_s is None:
            raise ValueError("`within_s`: is missing, expect_rise_c needs it")
        if self.within_s is not None and self.expect_rise_c is None:
            raise ValueError("`expect_rise_c`: is missing, within_s needs it")


class HeatingRate(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="heating-rate"
):
    """A rise that power and earlier frames do not explain, or a signal that vanishes: boiling.

    max_unexplained_c, sigma: of one frame, by more than both.
    max_magnitude_drop_percent: of the darkest tenth of the region, from one frame to the next. Heat
        by itself takes about 1 % a degree (T1).
    """

    region: str
    max_unexplained_c: Above = 5.0
    sigma: Sigma = 4.0
    max_magnitude_drop_percent: Share = 30.0


class BlurGuard(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="blur-guard"
):
    """How much of the peak's rise voxel size and frame time may hide.

    focus_fwhm_mm: (z, y, x) of the heated spot, full width at half maximum, as the transducer's
        data sheet gives it: what is known where no heat model runs.
    """

    region: str
    focus_fwhm_mm: tuple[Above, Above, Above]
    max_hidden_percent: Share = 10.0
