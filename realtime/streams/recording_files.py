"""Write the messages of a session to a new file: an MRD stream, or ISMRMRD HDF5."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from messages import MonitorError
from realtime.streams import mrd_layout as layout
from realtime.streams.recording import RecordedMessage

_BLOCK_ROWS = 256
_LIST_OF_FLOATS = h5py.vlen_dtype(np.dtype("<f4"))
_READOUT_ROW = np.dtype(
    [
        ("head", layout.ACQUISITION_HEADER),
        ("traj", _LIST_OF_FLOATS),
        ("data", _LIST_OF_FLOATS),
    ]
)
_WAVEFORM_ROW = np.dtype(
    [("head", layout.WAVEFORM_HEADER), ("data", h5py.vlen_dtype(np.dtype("<u4")))]
)


@dataclass(slots=True)
class Written:
    """What a file holds."""

    n_readouts: int = 0
    n_waveforms: int = 0

    def count(self, message: RecordedMessage) -> None:
        """Count a message that was written."""
        self.n_readouts += message.kind == layout.ACQUISITION
        self.n_waveforms += message.kind == layout.WAVEFORM


def write_stream(path: Path, messages: Iterable[RecordedMessage]) -> Written:
    """Write the messages as on the wire.

    Raises MonitorError where the file exists; what cannot be written whole is removed again.
    """
    written = Written()
    with _new(path), path.open("wb") as file:
        for message in messages:
            file.write(message.data)
            written.count(message)
    return written


def write_hdf5(path: Path, messages: Iterable[RecordedMessage]) -> Written:
    """Write header, readouts and waveforms as ISMRMRD's own library lays them out.

    Raises MonitorError where the file exists; what cannot be written whole is removed again.
    """
    written = Written()
    with _new(path), h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        readouts = _Rows(group, "data", _READOUT_ROW)
        waveforms = _Rows(group, "waveforms", _WAVEFORM_ROW)
        for message in messages:
            if message.kind == layout.HEADER:
                xml = group.create_dataset("xml", (1,), dtype=h5py.special_dtype(vlen=bytes))
                xml[0] = message.data[6:]
            elif message.kind == layout.ACQUISITION:
                readouts.append(_readout_row(message.data))
            elif message.kind == layout.WAVEFORM:
                waveforms.append(_waveform_row(message.data))
            written.count(message)
        readouts.flush(is_last=True)
        waveforms.flush(is_last=False)
    return written


class _Rows:
    """A dataset that grows by blocks; it is not made before its first row."""

    def __init__(self, group: "h5py.Group", name: str, dtype: np.dtype[Any]) -> None:
        self._group, self._name, self._dtype = group, name, dtype
        self._rows: list[tuple[Any, ...]] = []
        self._data: h5py.Dataset | None = None

    def append(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) == _BLOCK_ROWS:
            self.flush(is_last=False)

    def flush(self, *, is_last: bool) -> None:
        """Write what is waiting. is_last: make the dataset even where it has no row."""
        if not self._rows and not (is_last and self._data is None):
            return
        block = np.empty(len(self._rows), self._dtype)
        for index, row in enumerate(self._rows):
            for name, value in zip(self._dtype.names or (), row, strict=True):
                block[name][index] = value
        if self._data is None:
            self._data = self._group.create_dataset(
                self._name, (0,), self._dtype, maxshape=(None,), chunks=(1,)
            )
        start = self._data.shape[0]
        self._data.resize((start + len(block),))
        self._data[start:] = block
        self._rows.clear()


def _readout_row(data: bytes) -> tuple[Any, ...]:
    head = np.frombuffer(data, layout.ACQUISITION_HEADER, 1, offset=2)[0]
    floats = np.frombuffer(data, "<f4", offset=2 + layout.ACQUISITION_HEADER.itemsize)
    n_trajectory = int(head["number_of_samples"]) * int(head["trajectory_dimensions"])
    return head, floats[:n_trajectory], floats[n_trajectory:]


def _waveform_row(data: bytes) -> tuple[Any, ...]:
    head = np.frombuffer(data, layout.WAVEFORM_HEADER, 1, offset=2)[0]
    return head, np.frombuffer(data, "<u4", offset=2 + layout.WAVEFORM_HEADER.itemsize)


@contextmanager
def _new(path: Path) -> Iterator[None]:
    """Make the file, and take it away again where it does not become whole."""
    try:
        path.open("xb").close()
    except FileExistsError as error:
        raise MonitorError(f"{path}: exists already, and is not overwritten") from error
    except OSError as error:
        raise MonitorError(f"{path}: {error.strerror}") from error
    is_whole = False
    try:
        yield
        is_whole = True
    finally:
        if not is_whole:
            path.unlink(missing_ok=True)
