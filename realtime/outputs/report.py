"""report.html of a run folder: one file, no request to anywhere."""

from pathlib import Path


def write_report(folder: Path) -> Path:
    """Write report.html into the folder and return its path."""
    path = folder / "report.html"
    path.write_text("<p>report</p>")
    return path
