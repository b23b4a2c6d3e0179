"""Every limit that a treatment protocol may set, by hazard in `limits_heat` and `limits_data`.

The rules that are always on (late frame, incomplete frame, fault, scanner clock, non-finite data)
have no limit here: a protocol can neither leave them out nor weaken them.
"""

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

__all__ = [
    "LIMITS",
    "BaselineInvalid",
    "BlurGuard",
    "DoseLimit",
    "DoseReached",
    "DoseRisk",
    "Drift",
    "Fat",
    "FocusOffset",
    "HeatingRate",
    "HeatingResponse",
    "InvalidFraction",
    "Limit",
    "Movement",
    "NearField",
    "Noise",
    "SignalVoid",
    "StaleFrame",
    "TemperatureMax",
    "region_name",
    "rule_name",
]

Limit = (
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
    | BaselineInvalid
    | StaleFrame
)
LIMITS: tuple[type[Limit], ...] = Limit.__args__


def rule_name(limit: Limit | type[Limit]) -> str:
    """Return the name by which a protocol calls the rule of a limit."""
    return str(limit.__struct_config__.tag)


def region_name(limit: Limit) -> str:
    """Return the region that a limit is about, empty where it is about the whole frame."""
    if isinstance(limit, Movement | Drift | BaselineInvalid | StaleFrame):
        return ""
    return limit.region
