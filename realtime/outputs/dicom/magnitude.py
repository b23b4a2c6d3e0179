"""The magnitude of a frame as MR Image, an instance a plane."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from pydicom.valuerep import format_number_as_ds

from messages import Maps
from realtime.outputs.dicom.place import Place, decimals
from realtime.outputs.dicom.study import RESEARCH, Study, describe, new_dataset

_MOST = np.iinfo(np.uint16).max


def magnitude_instances(maps: Maps, place: Place, study: Study) -> list[Dataset]:
    """Return the planes of a frame's magnitude, 16 bits a voxel.

    Value = stored value · RescaleSlope, in the monitor's own units. The slope is 1, 2 or 5 times a
    power of ten: most frames of a run share it, and none needs another to be read.
    """
    magnitude = np.nan_to_num(maps.magnitude, nan=0.0, posinf=0.0, neginf=0.0)
    step = even_step(float(magnitude.max()) / _MOST)
    counts = np.rint(magnitude.astype(np.float64) / step).clip(0, _MOST).astype("<u2")
    return [_plane(maps, place, study, counts, z=z, step=step) for z in range(len(counts))]


def even_step(at_least: float) -> float:
    """Return the least 1, 2 or 5 times a power of ten that is no less; 1 for 0."""
    if at_least <= 0:
        return 1.0
    exponent = int(np.floor(np.log10(at_least)))
    choices = [float(f"{digit}e{exponent}") for digit in (1, 2, 5, 10)]
    return next(one for one in choices if one >= at_least)


def _plane(
    maps: Maps, place: Place, study: Study, counts: NDArray[np.uint16], *, z: int, step: float
) -> Dataset:
    key, n_planes = maps.key, len(counts)
    uid = study.uid("magnitude", key.contrast, maps.frame_id, z)
    dataset = new_dataset(MRImageStorage, uid)
    describe(dataset, study, kind="magnitude", contrast=key.contrast, time_s=maps.time_s)
    dataset.Modality = "MR"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.ImageComments = RESEARCH
    dataset.InstanceNumber = maps.frame_id * n_planes + z + 1
    dataset.AcquisitionNumber = maps.frame_id + 1
    dataset.EchoNumbers = key.contrast + 1
    # research mode: which sequence it was, the raw data does not say
    dataset.ScanningSequence, dataset.SequenceVariant = "RM", "NONE"
    dataset.ScanOptions, dataset.MRAcquisitionType = "", "3D" if n_planes > 1 else "2D"
    dataset.RepetitionTime = dataset.EchoTime = dataset.EchoTrainLength = None
    dataset.PatientPosition = dataset.Laterality = ""
    put_in_place(dataset, place, study, z=z)
    _fill(dataset, counts[z], step=step)
    return dataset


def put_in_place(dataset: Dataset, place: Place, study: Study, *, z: int) -> None:
    """Say where a plane lies."""
    dataset.FrameOfReferenceUID = study.uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.ImagePositionPatient = decimals(place.corner_mm[z])
    dataset.ImageOrientationPatient = decimals(place.along)
    dataset.PixelSpacing = decimals(place.spacing_mm)
    dataset.SliceThickness = decimals((place.thickness_mm,))[0]


def _fill(dataset: Dataset, counts: NDArray[np.uint16], *, step: float) -> None:
    dataset.Rows, dataset.Columns = counts.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.RescaleIntercept, dataset.RescaleSlope = "0", format_number_as_ds(step)
    dataset.RescaleType = "US"
    brightest = max(float(counts.max()), 1.0) * step
    dataset.WindowCenter = format_number_as_ds(brightest / 2)
    dataset.WindowWidth = format_number_as_ds(brightest)
    dataset.VOILUTFunction = "LINEAR_EXACT"  # a width below 1 is allowed there alone
    dataset.PixelData = counts.tobytes()
