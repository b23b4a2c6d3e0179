"""Writes a plan as DICOM: RTPLAN, RTSTRUCT and one RTDOSE for each beam. DICOM PS3.3 C.8.8."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from simulators.beam.plan import Beam, Plan
from simulators.beam.structures import Structure

Real = NDArray[np.float64]

PLAN_FILE, STRUCTURES_FILE = "plan.dcm", "structures.dcm"
_CLASSES = {
    "RTDOSE": "1.2.840.10008.5.1.4.1.1.481.2",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "RTPLAN": "1.2.840.10008.5.1.4.1.1.481.5",
}
_SPACING_MM = 2.5
_AROUND_MM = 30.0  # of dose about the structures: further than anything moves
_COUNTS = 2**31  # of the highest dose; 32 bits hold twice as many
_COLORS = ([255, 64, 64], [64, 160, 255], [255, 208, 64])


@dataclass(frozen=True, slots=True)
class _Writer:
    """One plan's files: they share a study, a frame of reference and a plan's UID."""

    plan: Plan
    folder: Path
    study: str
    frame: str
    plan_uid: str

    def new(self, modality: str, *, uid: str = "") -> FileDataset:
        """Return a file with what all have."""
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = UID(_CLASSES[modality])
        meta.MediaStorageSOPInstanceUID = UID(uid or self._uid(modality, 0))
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID = meta.MediaStorageSOPClassUID
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        dataset.Modality, dataset.Manufacturer = modality, "simulated"
        dataset.PatientName, dataset.PatientID = "Simulated^Patient", "SIMULATED"
        dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = self.study, self.frame
        dataset.SeriesInstanceUID = self._uid(modality, 1)
        for name in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
            setattr(dataset, name, "")
        dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
        dataset.OperatorsName = dataset.PositionReferenceIndicator = ""
        dataset.SeriesNumber = None
        return dataset

    def write_plan(self) -> None:
        """Write RTPLAN: beams, monitor units and the prescription of one fraction."""
        dataset = self.new("RTPLAN", uid=self.plan_uid)
        dataset.RTPlanLabel, dataset.RTPlanGeometry = "simulated", "PATIENT"
        dataset.RTPlanDate = dataset.RTPlanTime = ""
        prescribed = _item(
            DoseReferenceNumber=1,
            DoseReferenceStructureType="VOLUME",
            DoseReferenceType="TARGET",
            ReferencedROINumber=1,
            TargetPrescriptionDose=self.plan.prescription_gy,
        )
        dataset.DoseReferenceSequence = [prescribed]
        beams = self.plan.beams
        meters = [_item(ReferencedBeamNumber=one.number, BeamMeterset=one.mu) for one in beams]
        group = _item(
            FractionGroupNumber=1,
            NumberOfFractionsPlanned=1,
            NumberOfBeams=len(beams),
            NumberOfBrachyApplicationSetups=0,
            ReferencedBeamSequence=meters,
        )
        dataset.FractionGroupSequence = [group]
        dataset.BeamSequence = [_beam(one) for one in beams]
        dataset.ReferencedStructureSetSequence = [
            _item(
                ReferencedSOPClassUID=_CLASSES["RTSTRUCT"],
                ReferencedSOPInstanceUID=self._uid("RTSTRUCT", 0),
            )
        ]
        _save(dataset, self.folder / PLAN_FILE)

    def write_structures(self) -> None:
        """Write RTSTRUCT: axial contours every 2.5 mm."""
        dataset, structures = self.new("RTSTRUCT"), self.plan.structures
        dataset.StructureSetLabel = "simulated"
        dataset.StructureSetDate = dataset.StructureSetTime = ""
        dataset.ReferencedFrameOfReferenceSequence = [_item(FrameOfReferenceUID=self.frame)]
        numbered = list(enumerate(structures, start=1))
        dataset.StructureSetROISequence = [
            _item(
                ROINumber=number,
                ReferencedFrameOfReferenceUID=self.frame,
                ROIName=one.name,
                ROIGenerationAlgorithm="AUTOMATIC",
            )
            for number, one in numbered
        ]
        dataset.ROIContourSequence = [
            _item(
                ReferencedROINumber=number,
                ROIDisplayColor=_COLORS[number % len(_COLORS)],
                ContourSequence=[_contour(points) for points in one.contours_mm(_SPACING_MM)],
            )
            for number, one in numbered
        ]
        dataset.RTROIObservationsSequence = [
            _item(
                ObservationNumber=number,
                ReferencedROINumber=number,
                RTROIInterpretedType="GTV" if one.is_target else "ORGAN",
                ROIInterpreter="",
            )
            for number, one in numbered
        ]
        _save(dataset, self.folder / STRUCTURES_FILE)

    def write_dose(self, beam: Beam) -> str:
        """Write RTDOSE of all monitor units of one beam; return the file's name."""
        dataset = self.new("RTDOSE", uid=self._uid("RTDOSE", 10 + beam.number))
        axes_mm = _axes_mm(self.plan.structures)
        x_mm, y_mm, z_mm = axes_mm
        places = np.stack(np.meshgrid(z_mm, y_mm, x_mm, indexing="ij")[::-1], axis=-1)
        gy = beam.mu * beam.gy_per_mu_at(places)
        dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType = "GY", "PHYSICAL", "BEAM"
        scaling = float(f"{gy.max() / _COUNTS:.9e}")  # a decimal string has 16 characters
        dataset.DoseGridScaling = scaling
        dataset.PixelData = np.rint(gy / scaling).astype("<u4").tobytes()
        dataset.NumberOfFrames, dataset.Rows, dataset.Columns = gy.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 32
        dataset.HighBit, dataset.PixelRepresentation = 31, 0
        dataset.PixelSpacing, dataset.SliceThickness = [_SPACING_MM, _SPACING_MM], _SPACING_MM
        dataset.ImagePositionPatient = [float(one[0]) for one in axes_mm]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.GridFrameOffsetVector = [float(one) for one in z_mm - z_mm[0]]
        dataset.FrameIncrementPointer = 0x3004000C
        group = _item(
            ReferencedFractionGroupNumber=1,
            ReferencedBeamSequence=[_item(ReferencedBeamNumber=beam.number)],
        )
        dataset.ReferencedRTPlanSequence = [
            _item(
                ReferencedSOPClassUID=_CLASSES["RTPLAN"],
                ReferencedSOPInstanceUID=self.plan_uid,
                ReferencedFractionGroupSequence=[group],
            )
        ]
        name = f"beam-{beam.number}.dcm"
        _save(dataset, self.folder / name)
        return name

    def _uid(self, modality: str, of: int) -> str:
        return str(generate_uid(entropy_srcs=[self.study, modality, str(of)]))


def write_rt_set(plan: Plan, folder: Path) -> tuple[str, ...]:
    """Write plan.dcm, structures.dcm and beam-N.dcm; return the names of the beams' files.

    The same plan gives the same files.
    """
    study, frame, uid = (
        str(generate_uid(entropy_srcs=[repr(plan), what])) for what in ("study", "frame", "plan")
    )
    folder.mkdir(parents=True, exist_ok=True)
    writer = _Writer(plan, folder, study, frame, uid)
    writer.write_plan()
    writer.write_structures()
    return tuple(writer.write_dose(beam) for beam in plan.beams)


def _axes_mm(structures: tuple[Structure, ...]) -> tuple[Real, Real, Real]:
    """Return the grid's places along L, P and S: multiples of the spacing, off the structures."""
    found = []
    for axis, direction in enumerate(np.eye(3)):
        middles = np.array([one.center_mm[axis] for one in structures])
        halves = np.array([one.half_width_mm(direction) for one in structures])
        low = np.floor(((middles - halves).min() - _AROUND_MM) / _SPACING_MM)
        high = np.ceil(((middles + halves).max() + _AROUND_MM) / _SPACING_MM)
        found.append(np.arange(low, high + 1) * _SPACING_MM + 0.25)
    return found[0], found[1], found[2]


def _beam(beam: Beam) -> Dataset:
    angles = {
        "GantryAngle": beam.gantry_deg,
        "GantryRotationDirection": "NONE",
        "BeamLimitingDeviceAngle": 0,
        "BeamLimitingDeviceRotationDirection": "NONE",
        "PatientSupportAngle": 0,
        "PatientSupportRotationDirection": "NONE",
        "IsocenterPosition": list(beam.isocenter_mm),
        "DoseRateSet": beam.rate_mu_per_min,
    }
    return _item(
        BeamNumber=beam.number,
        BeamName=f"field {beam.number}",
        BeamType="STATIC",
        RadiationType="PHOTON",
        TreatmentDeliveryType="TREATMENT",
        PrimaryDosimeterUnit="MU",
        TreatmentMachineName="simulated",
        BeamLimitingDeviceSequence=[
            _item(RTBeamLimitingDeviceType=kind, NumberOfLeafJawPairs=1) for kind in ("X", "Y")
        ],
        NumberOfWedges=0,
        NumberOfCompensators=0,
        NumberOfBoli=0,
        NumberOfBlocks=0,
        NumberOfControlPoints=2,
        FinalCumulativeMetersetWeight=1,
        ControlPointSequence=[
            _item(ControlPointIndex=0, CumulativeMetersetWeight=0, **angles),
            _item(ControlPointIndex=1, CumulativeMetersetWeight=1),
        ],
    )


def _contour(points_mm: Real) -> Dataset:
    return _item(
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(points_mm),
        ContourData=[f"{one:.3f}" for one in points_mm.ravel()],
    )


def _item(**attributes: object) -> Dataset:
    item = Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return item


def _save(dataset: FileDataset, path: Path) -> None:
    dataset.save_as(path, enforce_file_format=True)
