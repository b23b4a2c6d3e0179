"""RTPLAN: the beams of a fraction and their monitor units."""

from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from messages import MonitorError
from realtime.rt.dicom_file import items_of, number_of, read_dicom, text_of


@dataclass(frozen=True, slots=True)
class PlannedBeam:
    """One treatment beam. planned_mu: of one fraction."""

    number: int
    name: str
    planned_mu: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What the plan says of a fraction.

    prescription_gy: of all fractions; None where the plan names none, or several that differ.
    frame_of_reference: its UID; "" where the plan gives none.
    """

    file: str
    uid: str
    frame_of_reference: str
    n_fractions: int
    fraction_group: int
    beams: tuple[PlannedBeam, ...]
    prescription_gy: float | None


def read_plan(path: Path) -> Plan:
    """Return what a fraction of the plan delivers; set-up beams are left out.

    Raises MonitorError, with file and attribute, where there is not exactly one fraction group, or
    where a treatment beam has no monitor units.
    """
    dataset, file = read_dicom(path, "RTPLAN"), path.name
    groups = items_of(dataset, "FractionGroupSequence", file=file)
    if len(groups) != 1:
        raise MonitorError(
            f"{file}: FractionGroupSequence holds {len(groups)} groups, expected one: "
            "which of them is treated cannot be told"
        )
    n_fractions = int(number_of(groups[0], "NumberOfFractionsPlanned", file=file))
    if n_fractions < 1:
        raise MonitorError(f"{file}: NumberOfFractionsPlanned is {n_fractions}, expected 1 or more")
    return Plan(
        file,
        text_of(dataset, "SOPInstanceUID", file=file),
        str(dataset.get("FrameOfReferenceUID") or ""),
        n_fractions,
        int(groups[0].get("FractionGroupNumber") or 1),
        _beams(dataset, groups[0], file=file),
        _prescription_gy(dataset, file=file),
    )


def _beams(dataset: Dataset, group: Dataset, *, file: str) -> tuple[PlannedBeam, ...]:
    metersets = {
        int(number_of(one, "ReferencedBeamNumber", file=file)): one
        for one in items_of(group, "ReferencedBeamSequence", file=file)
    }
    beams = list[PlannedBeam]()
    for one in items_of(dataset, "BeamSequence", file=file):
        number = int(number_of(one, "BeamNumber", file=file))
        if str(one.get("TreatmentDeliveryType") or "TREATMENT") != "TREATMENT":
            continue
        unit = str(one.get("PrimaryDosimeterUnit") or "MU")
        if unit != "MU":
            raise MonitorError(
                f"{file}: PrimaryDosimeterUnit of beam {number} is {unit}, expected MU"
            )
        if number not in metersets:
            raise MonitorError(f"{file}: ReferencedBeamSequence lacks beam {number}")
        planned_mu = number_of(metersets[number], "BeamMeterset", file=file)
        if planned_mu <= 0:
            raise MonitorError(
                f"{file}: BeamMeterset of beam {number} is {planned_mu:g}, expected more than 0"
            )
        beams.append(PlannedBeam(number, str(one.get("BeamName") or number), planned_mu))
    if not beams:
        raise MonitorError(f"{file}: BeamSequence holds no treatment beam")
    numbers = [beam.number for beam in beams]
    if len(set(numbers)) < len(numbers):
        raise MonitorError(f"{file}: BeamNumber comes twice among {numbers}")
    return tuple(beams)


def _prescription_gy(dataset: Dataset, *, file: str) -> float | None:
    doses = {
        number_of(one, "TargetPrescriptionDose", file=file)
        for one in dataset.get("DoseReferenceSequence") or ()
        if one.get("TargetPrescriptionDose") is not None
    }
    return doses.pop() if len(doses) == 1 else None
