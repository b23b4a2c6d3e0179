"""What the therapy device says of its power."""

import math
from dataclasses import dataclass, replace

from realtime.device_log import DeviceLog, Step, holds_since
from realtime.mailbox import POWER_STEPS
from realtime.requests import PowerReport

POWER_FILE = "power.csv"


@dataclass(frozen=True, slots=True)
class PowerStep(Step):
    """From a scanner time on, so many watts."""

    watts: float


class DevicePower(DeviceLog[PowerStep]):
    """The latest steps of the power. Those that lie closest are joined: their energy stays."""

    def __init__(self) -> None:
        super().__init__("power", PowerStep, file=POWER_FILE, room=POWER_STEPS)

    def take(self, report: PowerReport, *, now_s: float) -> None:
        """Take a report; what was said already is no step. Raises MonitorError: `holds_since`."""
        since_s = holds_since(report.time_s, now_s=now_s, of="power")
        is_placed = math.isfinite(since_s)
        if not is_placed or self.latest is None or self.latest.watts != report.watts:
            self.add(PowerStep(since_s, report.watts))

    def join(self, steps: list[PowerStep]) -> list[PowerStep]:
        """Return the steps, the two of them that end soonest made one of their mean power."""
        spans = [steps[n + 2].time_s - steps[n].time_s for n in range(len(steps) - 2)]
        at = min(range(len(spans)), key=spans.__getitem__)
        one, other = steps[at], steps[at + 1]
        share = (other.time_s - one.time_s) / spans[at] if spans[at] > 0 else 0.0
        both = replace(one, watts=share * one.watts + (1 - share) * other.watts)
        return [*steps[:at], both, *steps[at + 2 :]]
