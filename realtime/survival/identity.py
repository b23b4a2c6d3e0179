"""Whether a scan is the same treatment as one that a killed monitor left; pure."""

import hashlib
import struct
from collections.abc import Iterator

from messages import Acquisition, Encoding, MonitorError, SessionHeader
from realtime.streams.header_xml import Element, child, parse_root, text_of

# What a scanner that measures anew keeps. Its serial numbers and times of day change.
_PATIENT = (
    ("subjectInformation", ("patientName", "patientID", "patientBirthdate", "patientGender")),
    ("studyInformation", ("studyID", "studyDate", "accessionNumber", "studyInstanceUID")),
    ("measurementInformation", ("patientPosition", "frameOfReferenceUID")),
)
_STEPS_PER_MM = 100.0
_STEPS_PER_UNIT = 10_000.0  # of a direction: 0.1 mrad


def treatment_digest(
    run_id: str, protocol_hash: str, header: SessionHeader, first: Acquisition
) -> str:
    """Return the SHA-256 of what makes a treatment, in hexadecimal.

    run_id: of the run that is asked about; with it two runs of one patient have different digests.
    first: the first imaging readout, whose slice's place tells where the patient lies. Two scans
    agree in protocol, patient, study, matrix, field of view and, to 0.01 mm, place; or in nothing.
    """
    digest = hashlib.sha256()
    parts = (run_id, protocol_hash, *_patient(header.xml), *_grid(header.encodings[0]))
    for part in parts:
        content = part.encode()
        digest.update(struct.pack("<I", len(content)) + content)
    digest.update(_place(first))
    return digest.hexdigest()


def names_patient(header: SessionHeader) -> bool:
    """Whether the header says anything of who is treated."""
    return any(_patient(header.xml))


def _patient(xml: bytes) -> Iterator[str]:
    try:
        root: Element | None = parse_root(xml)
    except MonitorError:
        root = None
    for section, names in _PATIENT:
        for name in names:
            yield text_of(child(root, section), name)


def _grid(encoding: Encoding) -> Iterator[str]:
    yield encoding.trajectory
    yield repr((encoding.encoded_matrix, encoding.recon_matrix))
    yield repr((encoding.encoded_fov_mm, encoding.recon_fov_mm))
    yield repr((encoding.n_slices, encoding.n_contrasts))


def _place(first: Acquisition) -> bytes:
    pose = first.pose
    lengths = (*pose.position_mm, *pose.patient_table_position)
    directions = (*pose.read_dir, *pose.phase_dir, *pose.slice_dir)
    steps = [round(one * _STEPS_PER_MM) for one in lengths]
    steps += [round(one * _STEPS_PER_UNIT) for one in directions]
    return repr((first.idx.slice, first.idx.contrast, steps)).encode()
