"""What a treatment protocol may limit: one struct for each rule, units in the names.

The rules that are always on (late frame, incomplete frame, fault, scanner clock, non-finite data)
have no limit here: a protocol can neither leave them out nor weaken them.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Celsius = Annotated[float, Meta(ge=-20.0, le=150.0)]
Above = Annotated[float, Meta(gt=0.0, le=1e6)]
NotBelow = Annotated[float, Meta(ge=0.0, le=1e6)]
Percent = Annotated[float, Meta(ge=0.0, le=100.0)]
Share = Annotated[float, Meta(gt=0.0, le=100.0)]


class TemperatureMax(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="temperature-max"
):
    """The hottest valid pixel of a region.

    noise_margin_sigma: standard deviations added to each pixel's temperature before comparing.
    """

    region: str
    stop_above_c: Celsius
    warn_above_c: Celsius | None = None
    noise_margin_sigma: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.0

    def __post_init__(self) -> None:
        _refuse_crossed("warn_above_c", self.warn_above_c, "stop_above_c", self.stop_above_c)


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
        _refuse_crossed(
            "warn_above_cem43_min",
            self.warn_above_cem43_min,
            "stop_above_cem43_min",
            self.stop_above_cem43_min,
        )


class HeatingResponse(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="heating-response"
):
    """The region must not cool when it is heated, and must heat when power is on.

    max_wrong_sign_c, sigma: cooling by more than both this and so many standard deviations is a
        wrong sign.
    expect_rise_c, within_s: the rise that must be seen so long after power on; both or neither.
    """

    region: str
    max_wrong_sign_c: Above = 3.0
    sigma: Annotated[float, Meta(gt=0.0, le=20.0)] = 4.0
    expect_rise_c: Above | None = None
    within_s: Above | None = None

    def __post_init__(self) -> None:
        if self.expect_rise_c is not None and self.within_s is None:
            raise ValueError("`within_s`: is missing, expect_rise_c needs it")
        if self.within_s is not None and self.expect_rise_c is None:
            raise ValueError("`expect_rise_c`: is missing, within_s needs it")


class Drift(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="drift"):
    """The field drift that was removed (warns) and what the fit left behind (holds)."""

    max_drift_c: Above | None = None
    max_residual_c: Above | None = None


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


class StaleFrame(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="stale-frame"
):
    """How far apart two frames may lie in scanner time, and how old a verdict may be."""

    max_gap_s: Above
    max_age_ms: Above | None = None


Limit = (
    TemperatureMax
    | DoseReached
    | DoseLimit
    | HeatingResponse
    | Drift
    | Noise
    | InvalidFraction
    | StaleFrame
)
LIMITS: tuple[type[Limit], ...] = (
    TemperatureMax,
    DoseReached,
    DoseLimit,
    HeatingResponse,
    Drift,
    Noise,
    InvalidFraction,
    StaleFrame,
)


def rule_name(limit: Limit | type[Limit]) -> str:
    """Return the name by which a protocol calls the rule of a limit."""
    return str(limit.__struct_config__.tag)


def region_name(limit: Limit) -> str:
    """Return the region that a limit is about, empty where it is about the whole frame."""
    return "" if isinstance(limit, Drift | StaleFrame) else limit.region


def _refuse_crossed(low_key: str, low: float | None, high_key: str, high: float) -> None:
    if low is not None and low > high:
        raise ValueError(f"`{low_key}`: is {low:g}, above {high_key} {high:g}")
