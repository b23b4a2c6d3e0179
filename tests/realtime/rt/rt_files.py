"""Small RT files, made with pydicom alone."""

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

FRAME, PLAN = "1.2.3.4", "1.2.3.5"
DOSE_CLASS = "1.2.840.10008.5.1.4.1.1.481.2"
STRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
PLAN_CLASS = "1.2.840.10008.5.1.4.1.1.481.5"
TRANSVERSE = (1, 0, 0, 0, 1, 0)


def of(**attributes):
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def save(path, kind, modality, uid=None, **attributes):
    """Write a file; an attribute that is None is left out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = uid or generate_uid()
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.PatientName, dataset.PatientID = modality, "Nobody", "0"
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def save_plan(path, beams=((1, 100.0),), n_fractions=2, **changed):
    """beams: (number, monitor units)."""
    attributes = {
        "FrameOfReferenceUID": FRAME,
        "DoseReferenceSequence": [of(DoseReferenceNumber=1, TargetPrescriptionDose=40.0)],
        "FractionGroupSequence": [
            of(
                FractionGroupNumber=1,
                NumberOfFractionsPlanned=n_fractions,
                ReferencedBeamSequence=[
                    of(ReferencedBeamNumber=number, BeamMeterset=mu) for number, mu in beams
                ],
            )
        ],
        "BeamSequence": [
            of(
                BeamNumber=number,
                BeamName=f"B{number}",
                TreatmentDeliveryType="TREATMENT",
                PrimaryDosimeterUnit="MU",
            )
            for number, _ in beams
        ],
    }
    return save(path, PLAN_CLASS, "RTPLAN", PLAN, **{**attributes, **changed})


def save_dose(path, counts, scaling=0.01, beam=1, **changed):
    """counts: integers (frame, row, column)."""
    counts = np.asarray(counts, "<u4")
    n = len(counts)
    group = of(
        ReferencedFractionGroupNumber=1,
        ReferencedBeamSequence=[of(ReferencedBeamNumber=beam)],
    )
    attributes = {
        "FrameOfReferenceUID": FRAME,
        "DoseUnits": "GY",
        "DoseType": "PHYSICAL",
        "DoseSummationType": "BEAM",
        "DoseGridScaling": scaling,
        "ImagePositionPatient": [-10.0, -20.0, -30.0],
        "ImageOrientationPatient": list(TRANSVERSE),
        "PixelSpacing": [2.0, 3.0],
        "GridFrameOffsetVector": [4.0 * k for k in range(n)],
        "NumberOfFrames": n,
        "Rows": counts.shape[1],
        "Columns": counts.shape[2],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 32,
        "BitsStored": 32,
        "HighBit": 31,
        "PixelRepresentation": 0,
        "PixelData": counts.tobytes(),
        "ReferencedRTPlanSequence": [
            of(
                ReferencedSOPClassUID=PLAN_CLASS,
                ReferencedSOPInstanceUID=PLAN,
                ReferencedFractionGroupSequence=[group],
            )
        ],
    }
    return save(path, DOSE_CLASS, "RTDOSE", **{**attributes, **changed})


def save_structures(path, rois, kinds=None, geometry="CLOSED_PLANAR", frame=FRAME):
    """rois: contours (point, 3) by name."""
    return save(
        path,
        STRUCT_CLASS,
        "RTSTRUCT",
        StructureSetROISequence=[
            of(ROINumber=n, ROIName=name, ReferencedFrameOfReferenceUID=frame)
            for n, name in enumerate(rois)
        ],
        ROIContourSequence=[
            of(
                ReferencedROINumber=n,
                ContourSequence=[
                    of(
                        ContourGeometricType=geometry,
                        NumberOfContourPoints=len(points),
                        ContourData=[f"{one:.3f}" for one in np.ravel(points)],
                    )
                    for points in contours
                ],
            )
            for n, contours in enumerate(rois.values())
        ],
        RTROIObservationsSequence=[
            of(ObservationNumber=n, ReferencedROINumber=n, RTROIInterpretedType=kind)
            for n, kind in enumerate((kinds or dict.fromkeys(rois, "ORGAN")).values())
        ],
    )


def square(z, half=10.0, center=(0.0, 0.0)):
    """One transverse contour."""
    x, y = center
    return np.array(
        [(x - half, y - half, z), (x + half, y - half, z), (x + half, y + half, z),
         (x - half, y + half, z)]
    )  # fmt: skip


def circle(z, radius, n=72):
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(n, z)], axis=1)
