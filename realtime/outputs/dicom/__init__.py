"""What a run tells as DICOM: to a folder, or to a PACS by C-STORE. An extra; see docs/dicom.md."""
