"""Whether the extra is installed, asked without importing it: that costs a second."""

from importlib.util import find_spec

from messages import MonitorError


def require_extra() -> None:
    """Raise MonitorError where a library is missing."""
    missing = [name for name in ("highdicom", "pynetdicom") if find_spec(name) is None]
    if missing:
        raise MonitorError(
            f'DICOM needs {" and ".join(missing)}: pip install "mr-therapy-monitor[dicom]"'
        )
