"""Whose a run's DICOM objects are, and their identifiers: the same run gives the same ones again.

The monitor keeps no person. Unless a finished run's export names the patient, all objects belong
to a pseudonym made of the run's id.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from messages import MonitorError, RunStart

MANUFACTURER = "mrmonitor"
MODEL = "mr-therapy-monitor"
SERIAL = "not assigned"  # type 1 of enhanced equipment, and software has none
SCHEME = "99MRMONITOR"  # of our own codes
RESEARCH = "research use only; not for diagnosis"
KINDS = ("magnitude", "temperature", "cem43", "lesion", "dose")
_UIDS = uuid.UUID("1f6a8f5e-5f0a-4c3e-9a53-6f4f2c9d7b10")  # of mrmonitor's DICOM objects; random
_MOST_TEXT = 64  # characters of an LO


@dataclass(frozen=True, slots=True)
class Patient:
    """patient_id, name: as they will stand in every object."""

    patient_id: str
    name: str
    is_pseudonym: bool = False


@dataclass(frozen=True, slots=True)
class Study:
    """A run, and the patient to whom its objects will belong."""

    start: RunStart
    patient: Patient

    @property
    def version(self) -> str:
        """Of the monitor that made the run."""
        return self.start.versions.get(MODEL, "unknown")

    def uid(self, *words: object) -> str:
        """Return an identifier under 2.25 that run, patient and words alone decide."""
        start = self.start
        # two monitors that were started in the same second may name their runs alike
        of_run = start.run_id, start.started_utc, start.header_digest
        text = "/".join(str(one) for one in (*of_run, self.patient.patient_id, *words))
        return f"2.25.{uuid.uuid5(_UIDS, text).int}"

    def at(self, time_s: float | None = None) -> datetime:
        """Return the run's start, or a frame's time: the start and the scanner's seconds since."""
        start = datetime.fromisoformat(self.start.started_utc).replace(tzinfo=UTC)
        return start + timedelta(seconds=time_s or 0.0)


def study_of(start: RunStart, patient: Patient | None = None) -> Study:
    """Return a run's study; without a patient it is that of a pseudonym.

    Raises MonitorError where DICOM cannot hold the patient's id or name, or the run has no date.
    """
    try:
        datetime.fromisoformat(start.started_utc)
    except ValueError as error:
        raise MonitorError(
            f"run.json: started_utc {start.started_utc!r}, expected a date and time as "
            "2026-11-21T10:50:53+00:00"
        ) from error
    if patient is None:
        number = f"mrmonitor-{start.run_id}"[:_MOST_TEXT]
        name = f"mrmonitor^{start.run_id}"[:_MOST_TEXT]
        return Study(start, Patient(number, name, is_pseudonym=True))
    for what, text in (("id", patient.patient_id), ("name", patient.name)):
        if not 0 < len(text) <= _MOST_TEXT or not text.isprintable() or "\\" in text:
            raise MonitorError(
                f"patient's {what}: {len(text)} characters, expected 1 to {_MOST_TEXT} printable "
                "ones without backslash"
            )
    if "^" not in patient.name:
        raise MonitorError("patient's name: has no ^, expected FAMILY^GIVEN as DICOM writes it")
    return Study(start, patient)


def series_number(kind: str, contrast: int) -> int:
    """Return 1001 for the first contrast's magnitude, 2001 for its temperature, and so on."""
    return 1000 * (KINDS.index(kind) + 1) + contrast + 1


def kind_of(dataset: Dataset) -> tuple[str, int]:
    """Return an object's kind and contrast, by its series number."""
    kind, contrast = divmod(int(dataset.SeriesNumber), 1000)
    return KINDS[kind - 1], contrast - 1


def series_uid(study: Study, kind: str, contrast: int) -> str:
    """Return the identifier of the series that holds all instances of a kind and contrast."""
    return study.uid("series", kind, contrast)


def new_dataset(sop_class: str, sop_instance: str) -> FileDataset:
    """Return an empty object, explicit little endian."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance)
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, sop_instance
    return dataset


def describe(
    dataset: Dataset, study: Study, *, kind: str, contrast: int, time_s: float | None
) -> None:
    """Say of an object whose it is, of which study, series and machine, and when it was.

    What a library put there from the clock is replaced: the same run gives the same bytes.
    """
    start, at = study.at(), study.at(time_s)
    _describe_patient(dataset, study.patient)
    _set(
        dataset,
        SpecificCharacterSet="ISO_IR 192",
        TimezoneOffsetFromUTC="+0000",
        InstanceCreationDate=at.strftime("%Y%m%d"),
        InstanceCreationTime=at.strftime("%H%M%S.%f"),
        ContentDate=at.strftime("%Y%m%d"),
        ContentTime=at.strftime("%H%M%S.%f"),
        StudyInstanceUID=study.uid("study"),
        StudyDate=start.strftime("%Y%m%d"),
        StudyTime=start.strftime("%H%M%S"),
        StudyID=start.strftime("%Y%m%d%H%M%S"),
        AccessionNumber="",
        ReferringPhysicianName="",
        StudyDescription="mrmonitor, research",
        SeriesInstanceUID=series_uid(study, kind, contrast),
        SeriesNumber=series_number(kind, contrast),
        SeriesDescription=f"{kind}, contrast {contrast}, research"[:_MOST_TEXT],
        ProtocolName=study.start.protocol_name[:_MOST_TEXT],
        Manufacturer=MANUFACTURER,
        ManufacturerModelName=MODEL,
        DeviceSerialNumber=SERIAL,
        SoftwareVersions=study.version[:_MOST_TEXT],
    )


def _describe_patient(dataset: Dataset, patient: Patient) -> None:
    _set(
        dataset,
        PatientID=patient.patient_id,
        PatientName=patient.name,
        PatientBirthDate="",
        PatientSex="",
    )
    if patient.is_pseudonym:
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "the monitor keeps no person; pseudonym of the run"


def _set(dataset: Dataset, **values: object) -> None:
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
