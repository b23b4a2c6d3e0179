"""Writes what was played as a recording: an MRD byte stream or an ISMRMRD HDF5 file."""

import struct
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from simulators.mrd import (
    ACQUISITION_HEAD,
    acquisition_head,
    acquisition_samples,
    close_message,
    header_message,
)


def write_stream(path: Path, header_xml: bytes, messages: Iterable[bytes]) -> None:
    """Write header, acquisition messages and CLOSE, as on the wire."""
    with path.open("wb") as file:
        file.write(header_message(header_xml))
        for message in messages:
            file.write(message)
        file.write(close_message())


def write_hdf5(path: Path, header_xml: bytes, messages: Iterable[bytes]) -> None:
    """Write acquisition messages in the layout of libismrmrd: dataset/xml and dataset/data."""
    floats = h5py.special_dtype(vlen=np.dtype("<f4"))
    row_type = np.dtype([("head", ACQUISITION_HEAD), ("traj", floats), ("data", floats)])
    played = list(messages)
    rows = np.empty(len(played), row_type)
    for row, message in zip(rows, played, strict=True):
        row["head"] = acquisition_head(message)
        row["traj"] = np.zeros(0, np.float32)
        row["data"] = acquisition_samples(message).view(np.float32).ravel()
    with h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        text = group.create_dataset("xml", (1,), dtype=h5py.special_dtype(vlen=bytes))
        text[0] = header_xml
        group.create_dataset("data", data=rows, maxshape=(None,), chunks=True)


def patched(message: bytes, **fields: int) -> bytes:
    """Return an acquisition message with header fields replaced, `idx` counters included."""
    head = acquisition_head(message)
    for name, value in fields.items():
        target = head if name in (ACQUISITION_HEAD.names or ()) else head["idx"]
        target[name] = value
    start = struct.calcsize("<H")
    return message[:start] + head.tobytes() + message[start + head.nbytes :]
