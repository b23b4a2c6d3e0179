"""Delivered dose as RTDOSE."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, RTPlanStorage, generate_uid

from messages import MonitorError
from motion.dose import DoseGrid
from realtime.clock import utc_now
from realtime.rt.dicom_file import read_dicom

COMMENT = "delivered, mrmonitor, research"
# what patient and study the dose belongs to, and in which frame it lies
_KEPT = (
    "SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID",
    "FrameOfReferenceUID", "PositionReferenceIndicator", "TissueHeterogeneityCorrection",
)  # fmt: skip
# type 2: an RTDOSE without them, if only empty, is not one (PS3.3 A.18.3)
_NEVER_MISSING = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName", "OperatorsName",
    "PositionReferenceIndicator",
)  # fmt: skip
_MOST = np.iinfo(np.uint32).max


def write_dose(path: Path, gy: NDArray[np.float32], grid: DoseGrid, *, like: Path) -> None:
    """Write `dose_dataset` to a file. Raises MonitorError where it cannot be written, too."""
    dataset = dose_dataset(gy, grid, like=like)
    try:
        dataset.save_as(path, enforce_file_format=True)
    except OSError as error:
        raise MonitorError(f"{path.name}: cannot be written: {error.strerror or error}") from error


def dose_dataset(gy: NDArray[np.float32], grid: DoseGrid, *, like: Path) -> FileDataset:
    """Return the dose of one fraction, (z, y, x) in Gy, as RTDOSE with 32 bits a voxel.

    like: an RTDOSE of the same plan, of which patient, study, frame of reference and plan are
    taken. The series and the instance are new. Raises MonitorError where the dose is negative or
    not finite, or where the grid's axes are not at right angles.
    """
    if gy.shape != grid.shape:
        raise ValueError(f"dose has {gy.shape} voxels, its grid {grid.shape}")
    if not np.isfinite(gy).all() or float(gy.min()) < 0:
        raise MonitorError("delivered dose: holds values that are negative or not finite")
    original = read_dicom(like, "RTDOSE")
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = RTDoseStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword in _KEPT:
        if keyword in original:
            dataset[keyword] = original[keyword]
    for keyword in _NEVER_MISSING:
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    _describe(dataset, original)
    _place(dataset, grid)
    _fill(dataset, gy, grid.shape)
    return dataset


def _describe(dataset: Dataset, original: Dataset) -> None:
    now = utc_now()
    dataset.SOPClassUID = RTDoseStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID = generate_uid(prefix=None)
    dataset.Modality = "RTDOSE"
    dataset.Manufacturer = "mrmonitor"
    dataset.SeriesDescription = "delivered dose, research"
    dataset.SeriesNumber, dataset.InstanceNumber = None, 1
    dataset.InstanceCreationDate = dataset.ContentDate = now.strftime("%Y%m%d")
    dataset.InstanceCreationTime = dataset.ContentTime = now.strftime("%H%M%S")
    dataset.DoseUnits, dataset.DoseType = "GY", "PHYSICAL"
    dataset.DoseSummationType = "FRACTION_SESSION"
    dataset.DoseComment = COMMENT
    plans = original.get("ReferencedRTPlanSequence") or ()
    dataset.ReferencedRTPlanSequence = [_plan_item(one) for one in plans]


def _plan_item(original: Dataset) -> Dataset:
    groups = list(original.get("ReferencedFractionGroupSequence") or ())
    group, item = Dataset(), Dataset()
    number = groups[0].get("ReferencedFractionGroupNumber") if groups else None
    group.ReferencedFractionGroupNumber = int(number or 1)
    item.ReferencedSOPClassUID = str(original.get("ReferencedSOPClassUID") or RTPlanStorage)
    item.ReferencedSOPInstanceUID = original.ReferencedSOPInstanceUID
    item.ReferencedFractionGroupSequence = [group]
    return item


def _place(dataset: Dataset, grid: DoseGrid) -> None:
    frame, column, row = (np.array(step) for step in grid.step_mm)
    frame_mm, row_mm, column_mm = grid.spacing_mm
    row, column = row / column_mm, column / row_mm
    normal = np.cross(row, column)
    along = float(frame @ normal)
    if abs(row @ column) > 1e-4 or abs(abs(along) - frame_mm) > 1e-4 * frame_mm:
        raise MonitorError("delivered dose: its grid's axes are not at right angles")
    dataset.ImagePositionPatient = _decimals(grid.origin_mm)
    dataset.ImageOrientationPatient = _decimals([*row, *column])
    dataset.PixelSpacing = _decimals([row_mm, column_mm])
    dataset.SliceThickness = _decimals([frame_mm])[0]
    dataset.GridFrameOffsetVector = _decimals(along * np.arange(grid.shape[0]))
    dataset.FrameIncrementPointer = 0x3004000C  # GridFrameOffsetVector


def _fill(dataset: Dataset, gy: NDArray[np.float32], shape: tuple[int, int, int]) -> None:
    # as it will be read: 16 characters of text
    scaling = float(f"{max(float(gy.max()), 1e-6) / _MOST * (1 + 1e-8):.9e}")
    counts = np.rint(gy.astype(np.float64) / scaling).clip(0, _MOST).astype("<u4")
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = shape
    dataset.DoseGridScaling = f"{scaling:.9e}"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit, dataset.PixelRepresentation = 31, 0
    dataset.PixelData = counts.tobytes()


def _decimals(numbers: Iterable[float]) -> list[str]:
    """Return numbers as decimal strings of at most 16 characters."""
    return [f"{round(float(one), 6) + 0.0:.8g}" for one in numbers]
