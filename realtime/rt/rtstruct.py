"""RTSTRUCT: structures as closed planar contours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from messages import MonitorError
from realtime.rt.dicom_file import items_of, number_of, numbers_of, read_dicom, text_of
from realtime.rt.roi import Points, Roi, normal_of

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
FLAT_MM = 0.5  # a contour's points may lie so far off its plane: files have few decimals


@dataclass(frozen=True, slots=True, eq=False)
class Structures:
    """What a file holds. refused: ROIs that cannot be followed, and why, by name."""

    file: str
    rois: dict[str, Roi]
    refused: dict[str, str]

    def roi(self, name: str) -> Roi:
        """Return the ROI of that name. Raises MonitorError that lists what there is."""
        if name in self.rois:
            return self.rois[name]
        if name in self.refused:
            raise MonitorError(f"{self.file}: ROI {name!r} {self.refused[name]}")
        known = ", ".join(repr(one) for one in self.rois)
        raise MonitorError(f"{self.file}: ROIName {name!r} is not there, expected one of {known}")


def read_structures(path: Path) -> Structures:
    """Return all ROIs. One with open or single-point contours, or with none, is told as refused.

    Raises MonitorError, with file and attribute, where the file itself is not sound.
    """
    dataset, file = read_dicom(path, "RTSTRUCT"), path.name
    kinds = {
        int(number_of(one, "ReferencedROINumber", file=file)): str(
            one.get("RTROIInterpretedType") or ""
        )
        for one in dataset.get("RTROIObservationsSequence") or ()
    }
    drawn = {
        int(number_of(one, "ReferencedROINumber", file=file)): one
        for one in dataset.get("ROIContourSequence") or ()
    }
    rois, refused = dict[str, Roi](), dict[str, str]()
    for one in items_of(dataset, "StructureSetROISequence", file=file):
        name, number = (
            text_of(one, "ROIName", file=file),
            int(number_of(one, "ROINumber", file=file)),
        )
        if name in rois or name in refused:
            raise MonitorError(f"{file}: ROIName {name!r} comes twice, expected names of their own")
        contours, why = _contours(drawn.get(number), file=file, name=name)
        if why:
            refused[name] = why
        else:
            frame = str(one.get("ReferencedFrameOfReferenceUID") or "")
            rois[name] = Roi(name, kinds.get(number, ""), contours, frame)
    return Structures(file, rois, refused)


def _contours(drawn: Dataset | None, *, file: str, name: str) -> tuple[tuple[Points, ...], str]:
    """Return the contours of an ROI, and why it cannot be used where it cannot."""
    items = [] if drawn is None else list(drawn.get("ContourSequence") or ())
    if not items:
        return (), "has no contour"
    contours = list[Points]()
    for one in items:
        kind = text_of(one, "ContourGeometricType", file=file)
        if kind not in CLOSED:
            return (), f"has a contour of type {kind}, expected CLOSED_PLANAR"
        numbers = numbers_of(one, "ContourData", None, file=file)
        if len(numbers) % 3 or len(numbers) < 9:
            raise MonitorError(
                f"{file}: ContourData of ROI {name!r} has {len(numbers)} numbers, expected three "
                "for each of 3 points or more"
            )
        contours.append(np.array(numbers).reshape(-1, 3))
    normals = [normal_of(points) for points in contours]
    axis = normals[int(np.argmax([np.linalg.norm(one) for one in normals]))]
    axis = axis / max(float(np.linalg.norm(axis)), 1e-12)
    for points in contours:
        if np.ptp(points @ axis) > FLAT_MM:
            return (), "has contours that are not flat, or not parallel to one another"
    return tuple(contours), ""
