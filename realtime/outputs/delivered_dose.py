"""The dose that a finished run delivered, on the plan's whole grid, from what its folder holds.

Research only: static dose clouds moved with the target, no dose calculation.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from messages import BeamLog, MonitorError, StructureDose
from motion.dose import DoseCloud, DosePlan, Histogram, Place, whole_grid_gy
from motion.dose.delivery import Portion
from motion.dose.tissue import Tissue
from realtime.outputs.report_motion_record import MotionRow
from realtime.outputs.report_record import RunRecord
from realtime.protocol_sections import Dose
from realtime.rt.delivery_plan import load_delivery
from realtime.rt.rtdose_writing import dose_dataset, write_dose

FILE = "delivered_dose.dcm"


@dataclass(frozen=True, slots=True, eq=False)
class Delivered:
    """gy: float64 (z, y, x) on the plan's grid. mu: units that were counted."""

    gy: NDArray[np.float64]
    plan: DosePlan
    mu: float


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """What the dose is counted from. places: of the target by rising time."""

    plan: DosePlan
    places: tuple[Place, ...]
    beams: BeamLog


def delivery_of(run: RunRecord) -> Delivery:
    """Return plan, places and reports. Raises MonitorError where the folder lacks what it needs."""
    settings = _settings(run)
    plan = load_delivery(settings, run.folder)
    beams = run.beams
    if beams is None or not beams.is_known:
        raise MonitorError(f"{run.folder}: has no beams.csv, the accelerator reported nothing")
    plan_mm = _plan_lps_mm(run, settings)
    places = [_place(row, plan_mm) for row in run.motion if math.isfinite(row.time_s)]
    if not places:
        raise MonitorError(f"{run.folder}: motion.csv has no frame with a time")
    return Delivery(plan, tuple(sorted(places, key=lambda one: one.time_s)), beams)


def delivered_grid(run: RunRecord) -> Delivered:
    """Return the dose on the whole grid. Raises MonitorError where the folder lacks what it needs.

    It moves rigidly by what motion.csv tells, also where the run had a dense field.
    """
    delivery = delivery_of(run)
    plan, beams = delivery.plan, delivery.beams
    gy = whole_grid_gy(plan, delivery.places, beams)
    last_s = delivery.places[-1].time_s
    mu = sum(beams.delivered_mu(cloud.number, last_s) for cloud in plan.clouds)
    return Delivered(gy, plan, mu)


def write_delivered(run: RunRecord, delivered: Delivered, path: Path) -> None:
    """Write it as RTDOSE, with patient and plan of the first beam's dose."""
    write_dose(path, delivered.gy.astype(np.float32), delivered.plan.grid, like=_like(run))


def delivered_dataset(run: RunRecord, delivered: Delivered) -> FileDataset:
    """Return it as RTDOSE, with patient and plan of the first beam's dose."""
    return dose_dataset(delivered.gy.astype(np.float32), delivered.plan.grid, like=_like(run))


def has_plan(run: RunRecord) -> bool:
    """Whether the run's protocol names the files of a plan, so that there may be a dose."""
    return run.protocol is not None and run.protocol.document.dose is not None


def structure_doses(gy: NDArray[np.floating], plan: DosePlan) -> tuple[StructureDose, ...]:
    """Return the figures of the plan's structures in a dose on its grid."""
    cloud = DoseCloud(1, 1.0, gy.astype(np.float32), plan.grid)
    alone = DosePlan((cloud,), plan.structures, plan.target, plan.prescription_gy)
    tissue = Tissue(plan.grid, np.concatenate([one.points_mm for one in plan.structures]))
    dose_gy = tissue.received_gy(alone, (Portion(0, 1.0, np.zeros(3)),))
    return Histogram(plan.structures, prescription_gy=plan.prescription_gy).figures(dose_gy)


def _like(run: RunRecord) -> Path:
    return run.folder / _settings(run).beams[0]


def _settings(run: RunRecord) -> Dose:
    if run.protocol is None:
        raise MonitorError(f"{run.folder}: no protocol can be read: {'; '.join(run.missing)}")
    settings = run.protocol.document.dose
    if settings is None:
        raise MonitorError(
            f"{run.folder}: its protocol.toml has no [dose], expected a plan's files"
        )
    return settings


def _plan_lps_mm(run: RunRecord, settings: Dose) -> NDArray[np.float64]:
    """Return where the plan's anatomy lay against the reference image, (3,)."""
    if settings.plan_at == "reference":
        return np.zeros(3)
    known = [row for row in run.motion if row.is_tracked and not math.isnan(row.gate_center_mm[0])]
    if not known or len({row.slice for row in known}) > 1:
        raise MonitorError(
            f'{run.folder}: [dose] plan_at is "end-exhale", which can be told after the run of '
            "images of one slice, with a gate that has learned its place"
        )
    # of one slice, displacement in the patient is that in the image, turned
    seen, in_patient = (
        np.array([getattr(row, name) for row in known]) for name in ("displacement_mm", "lps_mm")
    )
    axes, *_ = np.linalg.lstsq(seen, in_patient, rcond=None)
    return np.asarray(np.array(known[-1].gate_center_mm) @ axes)


def _place(row: MotionRow, plan_mm: NDArray[np.float64]) -> Place:
    is_known = row.is_tracked and not row.is_training and not math.isnan(row.lps_mm[0])
    left, back, up = np.subtract(row.lps_mm, plan_mm).tolist()
    return Place(row.time_s, (left, back, up) if is_known else None)
