"""A file of MRD version 2 as the messages of version 1, through the optional package mrd-python."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from messages import MonitorError, StreamError
from messages.acquisition import COMPRESSED_NHLBI
from realtime.streams import mrd_layout as layout
from realtime.streams.header_xml import MAX_XML_BYTES
from realtime.streams.mrd_encoder import encode_close, encode_header
from realtime.streams.mrd_framing import Limits, readout_problem
from realtime.streams.mrd_layout import ReadoutHead
from realtime.streams.mrd_v2_header import header_as_xml
from realtime.streams.recording import RecordedMessage

MAGIC = b"yardl"
_EXTRA = 'pip install "mr-therapy-monitor[mrd2]"'
_ID = layout.MESSAGE_ID.pack(layout.ACQUISITION)
_WAVEFORM_ID = layout.MESSAGE_ID.pack(layout.WAVEFORM)
_U16 = 0xFFFF
_VECTORS = ("position", "read_dir", "phase_dir", "slice_dir", "patient_table_position")
_COUNTERS = tuple(name for name in layout.ENCODING_COUNTERS.names or () if name != "user")


class MrdV2Recording:
    """The readouts and waveforms of an MRD version 2 file; images and the rest are passed over.

    Time stamps are passed on as they stand: version 2.1 keeps 32 bits and names no unit.
    """

    has_config = False
    n_readouts: int | None = None

    def __init__(self, path: Path, *, limits: Limits | None = None) -> None:
        """Read the header. Raises MonitorError where it cannot be, or the package is missing."""
        self.path = path
        self._limits = limits or Limits()
        with self._reader() as (_, header):
            self.header_xml = header_as_xml(header)
        if len(self.header_xml) > MAX_XML_BYTES:
            raise MonitorError(f"{path}: a header of {len(self.header_xml)} bytes is too long")

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield header, readouts and waveforms in the file's order, and CLOSE."""
        first = encode_header(self.header_xml)
        yield RecordedMessage(layout.HEADER, first)
        offset = len(first)
        with self._reader() as (reader, _):
            for item in reader.read_data():
                message = self._message(item.value, offset)
                if message is not None:
                    yield message
                    offset += len(message.data)
        yield RecordedMessage(layout.CLOSE, encode_close())

    def _message(self, value: Any, offset: int) -> RecordedMessage | None:  # noqa: ANN401
        kind = type(value).__name__
        if kind == "Acquisition":
            data = _ID + _readout(value, self._limits, offset)
            return RecordedMessage(layout.ACQUISITION, data, value.head.acquisition_time_stamp or 0)
        if kind == "Waveform":
            return RecordedMessage(layout.WAVEFORM, _waveform(value, self._limits, offset))
        return None

    @contextmanager
    def _reader(self) -> Iterator[tuple[Any, Any]]:
        """Give a reader past its header; whatever the package raises becomes one line."""
        try:
            mrd = import_module("mrd")
        except ImportError as error:
            raise MonitorError(
                f"{self.path} is MRD version 2, which needs an extra: {_EXTRA}"
            ) from error
        errors = (
            RuntimeError, ValueError, EOFError, TypeError, KeyError, IndexError, AttributeError,
            OverflowError, MemoryError, BufferError, OSError, struct.error, mrd.ProtocolError,
        )  # fmt: skip
        try:
            with self.path.open("rb") as file:
                reader = mrd.BinaryMrdReader(file)
                header = reader.read_header()
                if header is None:
                    raise MonitorError(f"{self.path}: no header")
                yield reader, header
                with suppress(mrd.ProtocolError):  # what was not read is not missed
                    reader.close()
        except errors as error:
            text = " ".join(str(error).split())[:200] or type(error).__name__
            hint = ", written by another version of MRD 2" if "schema" in text else ""
            raise MonitorError(f"{self.path}: damaged MRD version 2{hint}: {text}") from error


def _readout(acquisition: Any, limits: Limits, offset: int) -> bytes:  # noqa: ANN401
    source, samples = acquisition.head, acquisition.data
    trajectory = np.asarray(acquisition.trajectory, "<f4").T
    n_coils, n_samples = samples.shape
    if trajectory.size and trajectory.shape[0] != n_samples:
        raise StreamError(
            f"ACQUISITION trajectory has {trajectory.shape[0]} samples, its data {n_samples}",
            offset=offset,
        )
    head = np.zeros((), layout.ACQUISITION_HEADER)
    head["version"] = 1
    head["flags"] = np.uint64(int(source.flags) & 0xFFFFFFFFFFFFFFFF)
    for name in ("measurement_uid", "scan_counter", "acquisition_time_stamp"):
        head[name] = getattr(source, name) or 0
    centre = source.center_sample
    for name, value in {
        "number_of_samples": n_samples,
        "active_channels": n_coils,
        "available_channels": n_coils,
        "discard_pre": source.discard_pre or 0,
        "discard_post": source.discard_post or 0,
        "center_sample": n_samples // 2 if centre is None else centre,
        "encoding_space_ref": source.encoding_space_ref or 0,
        "trajectory_dimensions": trajectory.shape[1] if trajectory.size else 0,
    }.items():
        head[name] = _u16(value, name, offset)
    head["sample_time_us"] = source.sample_time_us or 0
    for name in _VECTORS:
        head[name] = getattr(source, name)
    for name in _COUNTERS:
        head["idx"][name] = _u16(getattr(source.idx, name) or 0, f"idx.{name}", offset)
    for name in ("physiology_time_stamp", "user_int", "user_float"):
        values = getattr(source, name)[: head[name].size]
        head[name][: len(values)] = values
    readout = ReadoutHead._make(layout.READOUT_HEAD.unpack(head.tobytes()))
    problem = readout_problem(readout, limits)
    if readout.flags & COMPRESSED_NHLBI:
        problem = "is flagged as compressed (flag 54), expected plain floats in a file"
    if problem:
        raise StreamError(f"ACQUISITION {problem}", offset=offset)
    return b"".join((head.tobytes(), trajectory.tobytes(), samples.astype("<c8").tobytes()))


def _waveform(waveform: Any, limits: Limits, offset: int) -> bytes:  # noqa: ANN401
    n_channels, n_samples = waveform.data.shape
    body: bytes = waveform.data.astype("<u4").tobytes()
    if len(body) > limits.max_readout_bytes:
        raise StreamError(f"WAVEFORM of {len(body)} bytes is too long", offset=offset)
    head = layout.WAVEFORM_HEAD.pack(
        1,
        waveform.flags,
        waveform.measurement_uid,
        waveform.scan_counter,
        waveform.time_stamp,
        _u16(n_samples, "number_of_samples", offset),
        _u16(n_channels, "channels", offset),
        waveform.sample_time_us,
        _u16(waveform.waveform_id, "waveform_id", offset),
    )
    return _WAVEFORM_ID + head + body


def _u16(value: int, name: str, offset: int) -> int:
    if not 0 <= value <= _U16:
        raise StreamError(
            f"{name} is {value}, expected at most {_U16} as MRD version 1 counts", offset=offset
        )
    return value
