"""Open a recording by what it holds, not by its name."""

from pathlib import Path

from messages import MonitorError
from realtime.streams import mrd_layout as layout
from realtime.streams.hdf5_recording import Hdf5Recording
from realtime.streams.mrd_framing import Limits
from realtime.streams.mrd_v2_recording import MAGIC, MrdV2Recording
from realtime.streams.recording import RecordedMessage, Recording
from realtime.streams.stream_recording import StreamRecording

__all__ = ["RecordedMessage", "Recording", "open_recording"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_FOREIGN = {b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "gzip", b"<?xml": "XML"}


def open_recording(path: Path | str, *, limits: Limits | None = None) -> Recording:
    """Open an ISMRMRD HDF5 file, a recorded MRD stream or a file of MRD version 2.

    Raises MonitorError, in one line, for anything else.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(len(_HDF5))
    except OSError as error:
        raise MonitorError(f"{path}: {error.strerror}") from error
    if not start:
        raise MonitorError(f"{path}: is empty, expected ISMRMRD HDF5 or an MRD stream")
    if start == _HDF5:
        return Hdf5Recording(path, limits=limits)
    if start.startswith(MAGIC):
        return MrdV2Recording(path, limits=limits)
    for mark, name in _FOREIGN.items():
        if start.startswith(mark):
            raise MonitorError(f"{path}: is {name}, expected ISMRMRD HDF5 or an MRD stream")
    _refuse_foreign(start, path)
    return StreamRecording(path, limits=limits)


def _refuse_foreign(start: bytes, path: Path) -> None:
    """Raise MonitorError where a file does not begin with the id of any MRD message."""
    number = int.from_bytes(start[:2], "little")
    if number in layout.NAMES or number in layout.DEPRECATED or number in layout.UNSUPPORTED:
        return
    text = start.decode("latin-1")
    is_text = text.isascii() and all(one.isprintable() or one.isspace() for one in text)
    begins = repr(text) if is_text else start.hex(" ")
    raise MonitorError(
        f"{path}: is neither ISMRMRD HDF5 nor an MRD stream: it begins with {begins}"
    )
