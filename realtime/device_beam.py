"""What the accelerator says of its beams."""

import math
from dataclasses import dataclass

from messages import MonitorError
from realtime.device_log import DeviceLog, Step, holds_since
from realtime.mailbox import BEAM_STEPS
from realtime.requests import BeamReport

BEAM_FILE = "beams.csv"
MOST_BEAMS = BEAM_STEPS // 2  # so that each beam's first and last step always find room


@dataclass(frozen=True, slots=True)
class BeamStep(Step):
    """At a scanner time, a beam is on or off and has delivered so many monitor units."""

    number: int
    is_on: bool
    mu: float


class DeviceBeam(DeviceLog[BeamStep]):
    """The latest steps of all beams.

    Monitor units count up: one that is left out between two others of its beam loses none.
    """

    def __init__(self) -> None:
        super().__init__("beam", BeamStep, file=BEAM_FILE, room=BEAM_STEPS)
        self._mu: dict[int, float] = {}

    def take(self, report: BeamReport, *, now_s: float) -> None:
        """Take a report.

        Raises MonitorError for units that fall, a time before the last report's or far ahead, and
        for more beams than fit; nothing of such a report is taken.
        """
        since_s = holds_since(report.time_s, now_s=now_s, of="beam")
        number, latest = report.number, self.latest
        if report.time_s is not None and latest is not None and report.time_s < latest.time_s:
            raise MonitorError(
                f"beam: time_s is {report.time_s:g}, the report before was of {latest.time_s:g}: "
                "reports come in the order of their times"
            )
        if report.mu < self._mu.get(number, 0.0):
            raise MonitorError(
                f"beam: mu of beam {number} is {report.mu:g}, it was {self._mu[number]:g}: monitor "
                "units of a beam never fall in a fraction"
            )
        if number not in self._mu and len(self._mu) == MOST_BEAMS:
            raise MonitorError(f"beam: number {number} is one more than {MOST_BEAMS} beams")
        self._mu[number] = report.mu
        self.add(BeamStep(since_s, number, report.is_on, report.mu), of=number)

    def join(self, steps: list[BeamStep]) -> list[BeamStep]:
        """Return the steps without the one that is missed least between two others of its beam."""
        of_beam: dict[int, list[int]] = {}
        costs: dict[int, tuple[bool, float]] = {}
        for last, step in enumerate(steps):
            before = of_beam.setdefault(step.number, [])
            if len(before) > 1:
                first, middle = before[-2:]
                costs[middle] = _cost(steps[first], steps[middle], step)
            before.append(last)
        at = min(costs, key=costs.__getitem__, default=0)
        return [*steps[:at], *steps[at + 1 :]]


def _cost(one: BeamStep, middle: BeamStep, other: BeamStep) -> tuple[bool, float]:
    """Return whether a change goes with the middle one, and the units × time that it would move."""
    span_s = other.time_s - one.time_s
    share = (middle.time_s - one.time_s) / span_s if span_s > 0 else 0.0
    moved = abs(middle.mu - math.fsum((one.mu * (1 - share), other.mu * share)))
    return middle.is_on != one.is_on, moved * span_s
