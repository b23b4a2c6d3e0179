"""A fraction in lock-step without processes: the fold judges, a simulated accelerator obeys."""

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from _treatment import Monitor
from numpy.typing import NDArray

from messages import Acquisition, BeamLog, Verdict
from motion.dose import DosePlan
from realtime.protocol import Protocol
from realtime.protocol_sections import Dose
from realtime.rt.delivery_plan import load_delivery
from realtime.streams.mrd_decoder import Decoder
from simulators.beam import PLAN_FILE, STRUCTURES_FILE, Accelerator, Plan, write_rt_set
from simulators.lease import Lease, PermitChange
from simulators.linac import LinacScan
from simulators.mrd import header_message

Real = NDArray[np.float64]
PlanAt = Literal["reference", "end-exhale"]

TAIL_S = 1.0  # of imaging after the last beam
DOSE = (
    '\n[dose]\nplan = "{plan}"\nstructures = "{structures}"\nbeams = [{beams}]\ntarget = "target"\n'
)


class Reports:
    """Stands for the line to the control port. log: what was said, by the monitor's clock."""

    def __init__(self, *, zero_s: float) -> None:
        self._zero_s = zero_s
        self._rows: list[tuple[float, int, bool, float]] = []

    def report(self, _kind: str, t_s: float, *, number: int, is_on: bool, mu: float) -> bool:
        """Take a report."""
        self._rows.append((max(t_s - self._zero_s, 0.0), number, bool(is_on), mu))
        return True

    @property
    def log(self) -> BeamLog:
        """All reports."""
        time_s, number, is_on, mu = zip(*self._rows, strict=True) if self._rows else ((),) * 4
        return BeamLog(np.array(time_s), np.array(number, np.int64), np.array(is_on, np.bool_),
                       np.array(mu, np.float64))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fraction:
    """What came of it. verdicts: of all frames."""

    scan: LinacScan
    plan: Plan
    accelerator: Accelerator
    verdicts: tuple[Verdict, ...]


def treat(
    scan: LinacScan,
    plan: Plan,
    protocol: Protocol,
    *,
    plan_at: PlanAt = "reference",
    answer_s: float = 0.03,
) -> Fraction:
    """Play the scan until the plan is delivered, or to its end.

    plan_at: as in [dose]. answer_s: from a frame's last readout until the accelerator has heard the
    verdict.
    """
    readouts = scan.readouts()
    first = next(one for one in readouts if one.frame >= 0)
    reports, lease, over_s = Reports(zero_s=first.t_s), Lease(), math.inf
    accelerator = Accelerator(plan, reports)  # type: ignore[arg-type]
    settings, dose_plan = _as_read(plan, plan_at)
    document = msgspec.structs.replace(protocol.document, dose=settings)
    protocol, lease_s = replace(protocol, document=document), protocol.protocol.lease_ms / 1e3
    monitor, decoder = Monitor(protocol, scan.header_xml(), dose_plan=dose_plan), Decoder()
    decoder.feed(header_message(scan.header_xml()))
    for readout in scan.readouts():
        if readout.frame >= 0:
            accelerator.advance(readout.t_s, lease)
        if accelerator.is_finished:
            over_s = min(over_s, readout.t_s + TAIL_S)
        decoder.feed(readout.message)
        monitor.beam = reports.log
        for event in decoder.events():
            if isinstance(event, Acquisition) and monitor.take(event):
                told = monitor.verdicts[-1]
                at_s, is_granted = readout.t_s + answer_s, told.decision == "GRANTED"
                lease.change(PermitChange(at_s, is_granted, lease_s, "", told.frame_id, answer_s))
        if readout.is_last_of_frame and readout.t_s > over_s:
            break
    return Fraction(scan, plan, accelerator, tuple(monitor.verdicts))


def _as_read(plan: Plan, plan_at: PlanAt) -> tuple[Dose, DosePlan]:
    """Return the plan as the monitor reads it from its files."""
    with tempfile.TemporaryDirectory() as at:
        beams = write_rt_set(plan, Path(at))
        settings = Dose(PLAN_FILE, STRUCTURES_FILE, beams, "target", plan_at=plan_at)
        return settings, load_delivery(settings, Path(at))
