"""Radiation dose that moving anatomy has received."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StructureDose:
    """One structure's dose figures, Gy and percent of its volume.

    d98_gy … d2_gy: the least dose of the 98 … 2 % of the volume that have most. d003cc_gy: of the
        0.03 cm³ that have most. v95_percent, v100_percent: volume at 95, 100 % of the prescription
        or above; None where none is prescribed.
    """

    name: str
    role: str
    d98_gy: float
    d95_gy: float
    d50_gy: float
    d2_gy: float
    mean_gy: float
    d003cc_gy: float
    v95_percent: float | None = None
    v100_percent: float | None = None


@dataclass(frozen=True, slots=True)
class DeliveredDose:
    """What has been delivered by one frame.

    so_far: to moving tissue. planned: the same monitor units had nothing moved. forecast: at the
        end of the fraction, if the rest is delivered to tissue that moves as it did so far.
    mu: monitor units so far, planned_mu: of the whole fraction.
    interrupted: frames were lost to a restart; dose of those is counted at the last known place.
    unplaced_mu: units that came while the target was not tracked; they are counted at the last
        known place, so that their dose is doubtful.
    doubts: what the accelerator reported that cannot be, in sentences: a beam that the plan has
        not, units that fell, more than planned. The dose is then not to be trusted; they last.
    """

    mu: float
    planned_mu: float
    so_far: tuple[StructureDose, ...]
    planned: tuple[StructureDose, ...]
    forecast: tuple[StructureDose, ...] = ()
    unplaced_mu: float = 0.0
    interrupted: bool = False
    doubts: tuple[str, ...] = ()
