"""RTDOSE: a dose grid in Gy, wherever and however it lies in the patient."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from messages import MonitorError
from motion.dose import DoseGrid
from realtime.rt.dicom_file import number_of, numbers_of, read_dicom, text_of

UNEVEN_MM = 0.01  # planes may lie so far from even steps: decimals of GridFrameOffsetVector
SUMMATIONS = ("PLAN", "FRACTION", "BEAM", "FRACTION_SESSION", "BEAM_SESSION", "PLAN_SESSION")


@dataclass(frozen=True, slots=True, eq=False)
class DoseFile:
    """One dose grid. gy: float32 (z, y, x). beam: its number, None where it is of several.

    is_of_one_fraction: by DoseSummationType; PLAN, FRACTION and BEAM tell of all fractions (PS3.3
    C.8.8.3). plan_uid: of the plan that it was calculated for; "" where it names none.
    """

    file: str
    gy: NDArray[np.float32]
    grid: DoseGrid
    frame_of_reference: str
    summation: str
    is_of_one_fraction: bool
    beam: int | None
    plan_uid: str


def read_dose(path: Path) -> DoseFile:
    """Return a dose grid. Raises MonitorError, with file and attribute, where it is not in Gy."""
    dataset, file = read_dicom(path, "RTDOSE"), path.name
    units = text_of(dataset, "DoseUnits", file=file)
    if units != "GY":
        raise MonitorError(f"{file}: DoseUnits is {units}, expected GY")
    kind = text_of(dataset, "DoseType", file=file)
    if kind not in ("PHYSICAL", "EFFECTIVE"):
        raise MonitorError(f"{file}: DoseType is {kind}, expected PHYSICAL or EFFECTIVE")
    summation = text_of(dataset, "DoseSummationType", file=file)
    if summation not in SUMMATIONS:
        raise MonitorError(
            f"{file}: DoseSummationType is {summation}, expected one of {', '.join(SUMMATIONS)}"
        )
    gy = _pixels_gy(dataset, file=file)
    plan_uid, beam = _referenced(dataset, file=file)
    return DoseFile(
        file,
        gy,
        _grid(dataset, gy.shape, file=file),
        text_of(dataset, "FrameOfReferenceUID", file=file),
        summation,
        summation.endswith("_SESSION"),
        beam if summation.startswith("BEAM") else None,
        plan_uid,
    )


def _pixels_gy(dataset: Dataset, *, file: str) -> NDArray[np.float32]:
    scaling = number_of(dataset, "DoseGridScaling", file=file)
    if scaling <= 0:
        raise MonitorError(f"{file}: DoseGridScaling is {scaling:g}, expected more than 0")
    try:
        pixels = dataset.pixel_array
    # what pydicom raises depends on which attribute of the pixels is wrong
    except (AttributeError, ValueError, RuntimeError, NotImplementedError, TypeError) as error:
        raise MonitorError(f"{file}: PixelData cannot be read: {error}") from error
    if pixels.ndim == 2:
        pixels = pixels[np.newaxis]
    if pixels.ndim != 3:
        raise MonitorError(f"{file}: PixelData has {pixels.ndim} axes, expected frame, row, column")
    if pixels.dtype.kind == "i" and pixels.min() < 0:
        raise MonitorError(f"{file}: PixelData holds negative dose")
    # float64 first: 32-bit counts have more digits than float32
    return (pixels.astype(np.float64) * scaling).astype(np.float32)


def _grid(dataset: Dataset, shape: tuple[int, ...], *, file: str) -> DoseGrid:
    origin = np.array(numbers_of(dataset, "ImagePositionPatient", 3, file=file))
    cosines = np.array(numbers_of(dataset, "ImageOrientationPatient", 6, file=file))
    row, column = cosines[:3], cosines[3:]
    if abs(row @ row - 1) > 1e-3 or abs(column @ column - 1) > 1e-3 or abs(row @ column) > 1e-3:
        raise MonitorError(
            f"{file}: ImageOrientationPatient is {cosines.tolist()}, expected two unit vectors at "
            "right angles"
        )
    row_mm, column_mm = numbers_of(dataset, "PixelSpacing", 2, file=file)
    if min(row_mm, column_mm) <= 0:
        raise MonitorError(f"{file}: PixelSpacing is {row_mm:g}, {column_mm:g}, expected above 0")
    frame = _frame_step(dataset, shape[0], origin, np.cross(row, column), file=file)
    steps = tuple(tuple(one.tolist()) for one in (frame, column * row_mm, row * column_mm))
    return DoseGrid((shape[0], shape[1], shape[2]), tuple(origin.tolist()), steps)  # type: ignore[arg-type]


def _frame_step(
    dataset: Dataset,
    n_frames: int,
    origin: NDArray[np.float64],
    normal: NDArray[np.float64],
    *,
    file: str,
) -> NDArray[np.float64]:
    """Return the vector from frame to frame; both forms of GridFrameOffsetVector (C.8.8.3.2)."""
    key = "GridFrameOffsetVector"
    if n_frames == 1:
        thickness = dataset.get("SliceThickness")
        return normal * (float(thickness) if thickness else 1.0)
    offsets = np.array(numbers_of(dataset, key, n_frames, file=file))
    steps = np.diff(offsets)
    if np.ptp(steps) > UNEVEN_MM or abs(steps[0]) < UNEVEN_MM:
        raise MonitorError(
            f"{file}: {key} has steps of {steps.min():g} to {steps.max():g} mm, expected even ones"
        )
    step = (offsets[-1] - offsets[0]) / (n_frames - 1)
    if offsets[0] == 0:
        return np.asarray(normal * step)
    if abs(offsets[0] - origin[2]) < UNEVEN_MM and abs(normal[2]) > 1 - 1e-6:
        return np.array([0.0, 0.0, step])  # positions in the patient, not along the normal
    raise MonitorError(
        f"{file}: {key} starts at {offsets[0]:g}, expected 0, or ImagePositionPatient's z "
        f"{origin[2]:g} with transverse planes"
    )


def _referenced(dataset: Dataset, *, file: str) -> tuple[str, int | None]:
    """Return the UID of the plan and the beam's number, as far as the file tells them."""
    plans = list(dataset.get("ReferencedRTPlanSequence") or ())
    if not plans:
        return "", None
    if len(plans) > 1:
        raise MonitorError(
            f"{file}: ReferencedRTPlanSequence names {len(plans)} plans, expected one"
        )
    uid = text_of(plans[0], "ReferencedSOPInstanceUID", file=file)
    groups = list(plans[0].get("ReferencedFractionGroupSequence") or ())
    beams = list(groups[0].get("ReferencedBeamSequence") or ()) if len(groups) == 1 else []
    if len(beams) != 1:
        return uid, None
    return uid, int(number_of(beams[0], "ReferencedBeamNumber", file=file))
