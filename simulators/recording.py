"""Writes what was played as a recording: an MRD byte stream or an ISMRMRD HDF5 file."""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from simulators.mrd import (
    ACQUISITION_HEAD,
    COMPRESSED_NHLBI,
    acquisition_head,
    acquisition_samples,
    acquisition_trajectory,
    close_message,
    header_message,
)
from simulators.waveforms import WAVEFORM_HEAD, is_waveform, waveform_head, waveform_samples


def write_stream(path: Path, header_xml: bytes, messages: Iterable[bytes]) -> None:
    """Write header, acquisition and waveform messages and CLOSE, as on the wire."""
    with path.open("wb") as file:
        file.write(header_message(header_xml))
        for message in messages:
            file.write(message)
        file.write(close_message())


def write_hdf5(path: Path, header_xml: bytes, messages: Iterable[bytes]) -> None:
    """Write messages in the layout of libismrmrd: dataset/xml, dataset/data, dataset/waveforms.

    Raises ValueError at a compressed readout, which HDF5 does not hold.
    """
    played = list(messages)
    readouts = [message for message in played if not is_waveform(message)]
    waveforms = [message for message in played if is_waveform(message)]
    with h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        text = group.create_dataset("xml", (1,), dtype=h5py.special_dtype(vlen=bytes))
        text[0] = header_xml
        group.create_dataset("data", data=_readout_rows(readouts), maxshape=(None,), chunks=True)
        if waveforms:
            rows = _waveform_rows(waveforms)
            group.create_dataset("waveforms", data=rows, maxshape=(None,), chunks=True)


def _readout_rows(messages: list[bytes]) -> NDArray[Any]:
    floats = h5py.special_dtype(vlen=np.dtype("<f4"))
    row_type = np.dtype([("head", ACQUISITION_HEAD), ("traj", floats), ("data", floats)])
    rows = np.empty(len(messages), row_type)
    for row, message in zip(rows, messages, strict=True):
        head = acquisition_head(message)
        if int(head["flags"]) & COMPRESSED_NHLBI:
            raise ValueError(f"readout {head['scan_counter']} is compressed, HDF5 holds plain ones")
        row["head"] = head
        row["traj"] = acquisition_trajectory(message).ravel()
        row["data"] = acquisition_samples(message).view(np.float32).ravel()
    return rows


def _waveform_rows(messages: list[bytes]) -> NDArray[Any]:
    numbers = h5py.special_dtype(vlen=np.dtype("<u4"))
    rows = np.empty(len(messages), np.dtype([("head", WAVEFORM_HEAD), ("data", numbers)]))
    for row, message in zip(rows, messages, strict=True):
        row["head"] = waveform_head(message)
        row["data"] = waveform_samples(message).ravel()
    return rows


def patched(message: bytes, **fields: int) -> bytes:
    """Return an acquisition message with header fields replaced, `idx` counters included."""
    head = acquisition_head(message)
    for name, value in fields.items():
        target = head if name in (ACQUISITION_HEAD.names or ()) else head["idx"]
        target[name] = value
    start = struct.calcsize("<H")
    return message[:start] + head.tobytes() + message[start + head.nbytes :]
