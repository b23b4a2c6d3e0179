"""What a person must know."""

from dataclasses import dataclass
from typing import Literal

Priority = Literal["high", "medium", "low"]
AlertState = Literal["raised", "cleared", "acknowledged", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One change in the life of an alert, with its evidence.

    run_id: the run that it concerns, empty where it concerns none.
    alert_id: counts alerts within an epoch; every change of one alert carries the same id.
    state: `raised` (condition present), `cleared` (condition gone, still latched if `latched`),
        `acknowledged` (a person has seen it), `withdrawn` (over).
    """

    alert_id: int
    event: str
    priority: Priority
    latched: bool
    state: AlertState
    text: str
    region: str = ""
    frame_id: int = -1
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    protocol_hash: str = ""
    acknowledged_by: str = ""
    run_id: str = ""
