"""The plan whose delivery is followed: RTPLAN, RTSTRUCT and one RTDOSE a beam, which must agree."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from messages import MonitorError
from motion.dose import DoseCloud, DosePlan
from realtime.protocol_sections import Dose
from realtime.rt.raster import MOST_POINTS, structure
from realtime.rt.roi import Roi
from realtime.rt.rtdose import DoseFile, read_dose
from realtime.rt.rtplan import Plan, read_plan
from realtime.rt.rtstruct import Structures, read_structures

POINTS_OF_ALL = 40_000  # a frame costs 0.1 ms for each thousand
TARGETS = ("GTV", "CTV", "PTV")
# ROIs that are no tissue to follow, or so large that their figures mean nothing
LEFT_OUT = ("EXTERNAL", "BOLUS", "SUPPORT", "FIXATION", "DOSE_REGION", "CONTROL", "IRRAD_VOLUME",
            "TREATED_VOLUME")  # fmt: skip


def load_delivery(settings: Dose, folder: Path) -> DosePlan:
    """Return the plan of one fraction as dose accumulation takes it.

    Raises MonitorError, with file and attribute, where a file is not sound or two do not agree.
    """
    plan = read_plan(folder / settings.plan)
    structures = read_structures(folder / settings.structures)
    doses = [read_dose(folder / name) for name in settings.beams]
    clouds = _clouds(plan, doses)
    _refuse_other_frame(plan, structures, doses)
    target = structures.roi(settings.target)
    chosen = [target, *(one for one in structures.rois.values() if _is_followed(one, target))]
    voxel_mm = min(clouds[0].grid.spacing_mm)
    most = min(MOST_POINTS, POINTS_OF_ALL // len(chosen))
    followed = tuple(
        structure(one, role=_role(one, target), voxel_mm=voxel_mm, most_points=most)
        for one in chosen
    )
    index = clouds[0].grid.index_of(followed[0].points_mm)
    if (index < 0).any() or (index > np.array(clouds[0].grid.shape) - 1).any():
        raise MonitorError(
            f"{structures.file}: ROI {target.name!r} reaches out of the dose grid of "
            f"{doses[0].file}, where its dose is not known"
        )
    prescription_gy = settings.prescription_gy
    if prescription_gy is None and plan.prescription_gy is not None:
        prescription_gy = plan.prescription_gy / plan.n_fractions
    return DosePlan(clouds, followed, target.name, prescription_gy)


def _clouds(plan: Plan, doses: list[DoseFile]) -> tuple[DoseCloud, ...]:
    by_number = dict[int, DoseFile]()
    for dose in doses:
        number = _beam_of(dose, plan)
        if number in by_number:
            raise MonitorError(
                f"{dose.file}: ReferencedBeamNumber {number} is that of "
                f"{by_number[number].file} too, expected one dose a beam"
            )
        by_number[number] = dose
    missing = [beam.number for beam in plan.beams if beam.number not in by_number]
    if missing:
        raise MonitorError(
            f"{plan.file}: BeamSequence has beam(s) {', '.join(map(str, missing))} without a dose "
            "among [dose] beams"
        )
    for dose in doses:
        if dose.grid != doses[0].grid:
            raise MonitorError(
                f"{dose.file}: ImagePositionPatient, PixelSpacing or Rows differ from those of "
                f"{doses[0].file}, expected one grid for all beams"
            )
    return tuple(
        DoseCloud(
            beam.number, beam.planned_mu, _of_one_fraction(by_number[beam.number], plan), grid
        )
        for grid in (doses[0].grid,)
        for beam in plan.beams
    )


def _beam_of(dose: DoseFile, plan: Plan) -> int:
    """Return the number of the beam that a dose is of."""
    if dose.plan_uid and dose.plan_uid != plan.uid:
        raise MonitorError(
            f"{dose.file}: ReferencedSOPInstanceUID is not the SOPInstanceUID of {plan.file}: "
            "the dose is of another plan"
        )
    numbers = [beam.number for beam in plan.beams]
    if dose.beam is not None and dose.beam not in numbers:
        raise MonitorError(
            f"{dose.file}: ReferencedBeamNumber is {dose.beam}, the treatment beams of {plan.file} "
            f"are {', '.join(map(str, numbers))}"
        )
    if dose.beam is not None:
        return dose.beam
    if len(numbers) > 1:
        raise MonitorError(
            f"{dose.file}: DoseSummationType is {dose.summation} and names no single beam, "
            "expected BEAM with one ReferencedBeamNumber"
        )
    return numbers[0]


def _of_one_fraction(dose: DoseFile, plan: Plan) -> NDArray[np.float32]:
    n = 1 if dose.is_of_one_fraction else plan.n_fractions
    return dose.gy / np.float32(n)


def _refuse_other_frame(plan: Plan, structures: Structures, doses: list[DoseFile]) -> None:
    """Raise MonitorError where two files do not lie in the same frame of reference."""
    expected, where = doses[0].frame_of_reference, doses[0].file
    others = [(dose.file, dose.frame_of_reference) for dose in doses[1:]]
    others += [(plan.file, plan.frame_of_reference)]
    others += [
        (f"{structures.file}, ROI {roi.name!r}", roi.frame_of_reference)
        for roi in structures.rois.values()
    ]
    for file, frame in others:
        if frame and frame != expected:
            raise MonitorError(
                f"{file}: FrameOfReferenceUID {frame} is not that of {where}, {expected}"
            )


def _is_followed(roi: Roi, target: Roi) -> bool:
    return roi is not target and roi.kind not in LEFT_OUT


def _role(roi: Roi, target: Roi) -> str:
    return "target" if roi is target or roi.kind in TARGETS else "organ-at-risk"
