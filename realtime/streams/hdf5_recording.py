"""An ISMRMRD HDF5 file as the MRD messages that it holds, read in blocks.

`ismrmrd.Dataset.read_acquisition` opens the dataset anew for each readout and costs 3.5 ms; a block
of rows costs a hundredth of that a row.
"""

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from messages import MonitorError, StreamError
from messages.acquisition import COMPRESSED_NHLBI
from realtime.streams import mrd_layout as layout
from realtime.streams.hdf5_checks import damage_told, find_group, plain_dataset, read_xml, reason
from realtime.streams.mrd_encoder import encode_close, encode_header
from realtime.streams.mrd_framing import Limits, readout_problem
from realtime.streams.mrd_layout import ReadoutHead
from realtime.streams.recording import RecordedMessage

_BLOCK_ROWS = 256
_BLOCK_BYTES = 64 << 20
_ID = layout.MESSAGE_ID.pack(layout.ACQUISITION)
_WAVEFORM_ID = layout.MESSAGE_ID.pack(layout.WAVEFORM)


class Hdf5Recording:
    """The raw data of one group of an ISMRMRD HDF5 file."""

    has_config = False

    def __init__(self, path: Path, *, limits: Limits | None = None) -> None:
        """Find the group and read its header. Raises MonitorError where there is none."""
        self.path = path
        self._limits = limits or Limits()
        with self._open() as file, damage_told(path):
            self.group_name = find_group(file, path)
            group = file[self.group_name]
            self.header_xml = read_xml(group, path)
            self.n_readouts: int | None = int(plain_dataset(group, "data", path).shape[0])

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield header, readouts with the waveforms between them by time stamp, and CLOSE."""
        header = encode_header(self.header_xml)
        yield RecordedMessage(layout.HEADER, header)
        with self._open() as file, damage_told(self.path):
            group = file[self.group_name]
            readouts = self._readouts(plain_dataset(group, "data", self.path), len(header))
            if "waveforms" in group:
                waveforms = _waveforms(plain_dataset(group, "waveforms", self.path), self._limits)
                merged = heapq.merge(readouts, waveforms, key=lambda stamped: stamped[0])
                yield from (message for _, message in merged)
            else:
                yield from (message for _, message in readouts)
        yield RecordedMessage(layout.CLOSE, encode_close())

    def _open(self) -> "h5py.File":
        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            raise MonitorError(f"{self.path}: cannot be read as HDF5: {reason(error)}") from error

    def _readouts(self, data: "h5py.Dataset", offset: int) -> Iterator[tuple[int, RecordedMessage]]:
        start, n_rows = 0, 1
        while start < data.shape[0]:
            n_bytes = 1
            for stamp, message in self._block(data, start, n_rows, offset=offset):
                yield stamp, message
                offset += len(message.data)
                n_bytes = max(n_bytes, len(message.data))
            start += n_rows
            # The first row alone, because only reading tells how long a row is.
            n_rows = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // n_bytes))

    def _block(
        self, data: "h5py.Dataset", start: int, n_rows: int, *, offset: int
    ) -> Iterator[tuple[int, RecordedMessage]]:
        try:
            rows = data[start : start + n_rows]
        except (OSError, RuntimeError) as error:
            what = f"{self.path}: rows from {start}: {reason(error)}"
            raise StreamError(what, offset=offset) from error
        heads = _packed(rows["head"], layout.ACQUISITION_HEADER, f"{self.path}: data.head")
        packed = heads.tobytes()
        for index, (trajectory, samples) in enumerate(zip(rows["traj"], rows["data"], strict=True)):
            head = packed[340 * index : 340 * index + 340]
            readout = ReadoutHead._make(layout.READOUT_HEAD.unpack(head))
            where = f"{self.path}: row {start + index}"
            problem = readout_problem(readout, self._limits) or _compression_problem(readout)
            if problem:
                raise StreamError(f"{where}: {problem}", offset=offset)
            parts = trajectory.tobytes(), samples.tobytes()
            _refuse_wrong_size(readout, *parts, where=where, offset=offset)
            message = b"".join((_ID, head, *parts))
            offset += len(message)
            stamp = readout.acquisition_time_stamp
            yield stamp, RecordedMessage(layout.ACQUISITION, message, stamp)


def _compression_problem(readout: ReadoutHead) -> str:
    # The rows of a file are floats; sent on with this flag they would be taken for a blob.
    if readout.flags & COMPRESSED_NHLBI:
        return "is flagged as compressed with NHLBI (flag 54), expected plain floats in a file"
    return ""


def _refuse_wrong_size(
    readout: ReadoutHead, trajectory: bytes, samples: bytes, *, where: str, offset: int
) -> None:
    for name, part, expected in (
        ("traj", trajectory, readout.trajectory_bytes),
        ("data", samples, readout.samples_bytes),
    ):
        if len(part) != expected:
            raise StreamError(
                f"{where}: {name} has {len(part)} bytes, its header says {expected}",
                offset=offset,
            )


def _waveforms(data: "h5py.Dataset", limits: Limits) -> Iterator[tuple[int, RecordedMessage]]:
    for start in range(0, data.shape[0], _BLOCK_ROWS):
        rows = data[start : start + _BLOCK_ROWS]
        heads = _packed(rows["head"], layout.WAVEFORM_HEADER, "waveforms.head")
        for index, (head, samples) in enumerate(zip(heads, rows["data"], strict=True)):
            expected = int(head["channels"]) * int(head["number_of_samples"]) * 4
            body = samples.astype("<u4", copy=False).tobytes()
            if len(body) != expected or expected > limits.max_readout_bytes:
                raise MonitorError(
                    f"waveforms row {start + index} has {len(body)} bytes, "
                    f"its header says {expected}"
                )
            message = _WAVEFORM_ID + head.tobytes() + body
            yield int(head["time_stamp"]), RecordedMessage(layout.WAVEFORM, message)


def _packed(heads: NDArray[Any], packed: np.dtype[Any], what: str) -> NDArray[Any]:
    """Return header rows in wire layout; writers differ in how they pack them in the file."""
    if heads.dtype == packed:
        return heads
    wire = np.zeros(heads.shape, packed)
    _copy_fields(heads, wire, what)
    return wire


def _copy_fields(source: NDArray[Any], target: NDArray[Any], what: str) -> None:
    for name in target.dtype.names or ():
        if name not in (source.dtype.names or ()):
            raise MonitorError(f"{what}: field {name!r} is missing")
        if target.dtype[name].names:
            _copy_fields(source[name], target[name], f"{what}.{name}")
        else:
            target[name] = source[name]
