"""What highdicom draws from the clock and from chance, made ours."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from messages import Maps
from realtime.outputs.dicom.study import MANUFACTURER, RESEARCH, SCHEME, Study, describe


def settle(dataset: Dataset, study: Study, *, kind: str, maps: Maps) -> None:
    """Give an object the study's description and identifiers that the run decides."""
    contrast = maps.key.contrast
    describe(dataset, study, kind=kind, contrast=contrast, time_s=maps.time_s)
    dataset.ImageComments = RESEARCH
    # dated by the clock, and naming this monitor as the scanner
    dataset.pop("ContributingEquipmentSequence", None)
    dataset.AcquisitionNumber = maps.frame_id + 1
    dataset.set_original_encoding(is_implicit_vr=False, is_little_endian=True)
    scheme = Dataset()
    scheme.CodingSchemeDesignator = SCHEME
    scheme.CodingSchemeName = "mrmonitor's own codes"
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    dataset.CodingSchemeIdentificationSequence = [scheme]
    organization = study.uid("dimensions", kind, contrast, maps.frame_id)
    for item in _all_items(dataset):
        if "DimensionOrganizationUID" in item:
            item.DimensionOrganizationUID = organization


def _all_items(dataset: Dataset) -> Iterator[Dataset]:
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        yield from dataset.get(keyword) or ()
