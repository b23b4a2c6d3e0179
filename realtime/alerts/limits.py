"""Every limit that a treatment protocol may set; by hazard in the modules beside this one.

The rules that are always on (late frame, incomplete frame, fault, scanner clock, non-finite data)
have no limit here: a protocol can neither leave them out nor weaken them.
"""

from collections.abc import Mapping

from realtime.alerts.limits_data import (
    BaselineInvalid,
    Drift,
    Fat,
    InvalidFraction,
    Movement,
    Noise,
    SignalVoid,
    StaleFrame,
)
from realtime.alerts.limits_heat import (
    BlurGuard,
    DoseLimit,
    DoseReached,
    DoseRisk,
    FocusOffset,
    HeatingRate,
    HeatingResponse,
    NearField,
    TemperatureMax,
)
from realtime.alerts.limits_motion import (
    Avoidance,
    BaselineShift,
    BeamDespiteHold,
    BreathExcursion,
    DoseForecast,
    IntervalWidth,
    PeriodChange,
    SurrogateDisagreement,
    TargetVolume,
)

__all__ = [
    "LIMITS",
    "LIMITS_OF",
    "Avoidance",
    "BaselineInvalid",
    "BaselineShift",
    "BeamDespiteHold",
    "BlurGuard",
    "BreathExcursion",
    "DoseForecast",
    "DoseLimit",
    "DoseReached",
    "DoseRisk",
    "Drift",
    "Fat",
    "FocusOffset",
    "HeatingRate",
    "HeatingResponse",
    "IntervalWidth",
    "InvalidFraction",
    "Limit",
    "Movement",
    "NearField",
    "Noise",
    "PeriodChange",
    "SignalVoid",
    "StaleFrame",
    "SurrogateDisagreement",
    "TargetVolume",
    "TemperatureMax",
    "region_name",
    "rule_name",
]

_OfHeat = (
    TemperatureMax
    | DoseReached
    | DoseLimit
    | DoseRisk
    | NearField
    | FocusOffset
    | HeatingResponse
    | HeatingRate
    | BlurGuard
    | Movement
    | Drift
    | Noise
    | InvalidFraction
    | SignalVoid
    | Fat
)
_OfMotion = (
    Avoidance
    | BreathExcursion
    | BaselineShift
    | PeriodChange
    | TargetVolume
    | SurrogateDisagreement
    | IntervalWidth
    | BeamDespiteHold
    | DoseForecast
)
_OfBoth = BaselineInvalid | StaleFrame
Limit = _OfHeat | _OfMotion | _OfBoth
LIMITS: tuple[type[Limit], ...] = Limit.__args__
LIMITS_OF: Mapping[str, tuple[type[Limit], ...]] = {
    "mrgfus": (*_OfHeat.__args__, *_OfBoth.__args__),
    "mrlinac": (*_OfMotion.__args__, *_OfBoth.__args__),
    "imaging": (),
}
"""The limits that each therapy can answer."""

_WHOLE_FRAME = (
    Movement
    | Drift
    | BaselineInvalid
    | StaleFrame
    | BreathExcursion
    | BaselineShift
    | PeriodChange
    | TargetVolume
    | SurrogateDisagreement
    | IntervalWidth
    | BeamDespiteHold
)


def rule_name(limit: Limit | type[Limit]) -> str:
    """Return the name by which a protocol calls the rule of a limit."""
    return str(limit.__struct_config__.tag)


def region_name(limit: Limit) -> str:
    """Return the region or structure that a limit is about, empty where it is the whole frame."""
    if isinstance(limit, _WHOLE_FRAME):
        return ""
    return limit.structure if isinstance(limit, DoseForecast) else limit.region
