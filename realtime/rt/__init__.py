"""DICOM RT: plan, structures and dose are read, delivered dose is written."""
