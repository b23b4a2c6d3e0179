"""What an ISMRMRD HDF5 file must be before it is read: whole, its own, and no larger than it is.

A link, an external file or a virtual dataset may lead to whatever this process may read; a
compressed dataset may claim more than the machine holds.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from messages import MonitorError

_MAX_CHUNK_BYTES = 64 << 20  # HDF5 expands a whole chunk to read one row of it
_MAX_XML_BYTES = 16 << 20
# Rows of zeros deflate a thousandfold; headers of real readouts, with their samples, hardly.
_MAX_EXPANSION = 200
_MAX_UNASKED_BYTES = 64 << 20


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Turn what HDF5 raises on a damaged file into a MonitorError of one line."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise MonitorError(f"{path}: damaged HDF5: {reason(error)}") from error
    except MemoryError as error:
        raise MonitorError(f"{path}: damaged HDF5: it claims more than the memory holds") from error


def reason(error: Exception) -> str:
    """Return what h5py says, in a few words of ours where it is known, without its internals."""
    text = " ".join(str(error).split())
    cut = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", text)
    if cut is not None:
        return f"cut off, {cut[1]} of {cut[2]} bytes are there"
    if "unable to lock file" in text:
        return "another program has it open for writing"
    inner = re.search(r"^Unable to .*?\((.*)\)$", text)
    return (text if inner is None else inner[1].split(",")[0])[:200]


def find_group(file: "h5py.File", path: Path) -> str:
    """Return the name of the one group with raw data, `dataset` where there are several."""
    groups = [name for name in file if _holds_raw_data(file, name)]
    if "dataset" in groups:
        return "dataset"
    if len(groups) == 1:
        return str(groups[0])
    if groups:
        names = ", ".join(repr(name) for name in groups)
        raise MonitorError(
            f"{path}: several groups hold raw data ({names}), expected one 'dataset'"
        )
    names = ", ".join(repr(name) for name in list(file)[:10]) or "none"
    raise MonitorError(
        f"{path}: no group holds 'data' and 'xml', expected 'dataset'; groups: {names}"
    )


def _holds_raw_data(file: "h5py.File", name: str) -> bool:
    # A link may lead out of the file, to whatever this process may read.
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    group = file[name]
    return isinstance(group, h5py.Group) and "xml" in group and "data" in group


def plain_dataset(group: "h5py.Group", name: str, path: Path) -> "h5py.Dataset":
    """Return a dataset of this very file whose declared sizes can be. Raises MonitorError else."""
    where = f"{path}: {group.name}/{name}"
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise MonitorError(f"{where} is a link, expected a dataset of this file")
    data = group[name]
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
        raise MonitorError(f"{where} is not a plain dataset of this file")
    _refuse_expansion(data, where, path)
    chunk_bytes = int(np.prod(data.chunks or (0,))) * data.dtype.itemsize
    if chunk_bytes > _MAX_CHUNK_BYTES:
        raise MonitorError(
            f"{where} has chunks of {chunk_bytes} bytes, expected at most {_MAX_CHUNK_BYTES}"
        )
    if name == "xml":
        return data
    fields = {"head", "data"} | ({"traj"} if name == "data" else set())
    if data.ndim != 1 or not fields <= set(data.dtype.names or ()):
        raise MonitorError(f"{where} is not a list of {', '.join(sorted(fields))}")
    for field in sorted(fields - {"head"}):
        kind = data.dtype[field]
        numbers = np.dtype(h5py.check_vlen_dtype(kind) or kind.base)
        # h5py hands out lists of the other byte order unturned
        if numbers.kind not in "iufc" or numbers.byteorder == ">":
            raise MonitorError(f"{where}.{field} is not a list of little-endian numbers")
    return data


def _refuse_expansion(data: "h5py.Dataset", where: str, path: Path) -> None:
    # What has variable length lies in the file as it is; rows may be compressed, or not there.
    n_bytes, n_stored = int(data.size) * int(data.dtype.itemsize), path.stat().st_size
    if n_bytes > max(_MAX_UNASKED_BYTES, _MAX_EXPANSION * n_stored):
        raise MonitorError(
            f"{where} claims {n_bytes} bytes in a file of {n_stored}, "
            f"expected at most {_MAX_EXPANSION} times as much"
        )


def read_xml(group: "h5py.Group", path: Path) -> bytes:
    """Return the header as stored."""
    data = plain_dataset(group, "xml", path)
    if data.size != 1 or data.dtype.itemsize > _MAX_XML_BYTES:
        raise MonitorError(f"{path}: {group.name}/xml holds {data.size} texts, expected one")
    value = np.asarray(data[()]).reshape(-1)[0]
    if isinstance(value, str):
        return value.encode("utf-8", errors="surrogateescape")
    if isinstance(value, bytes):
        return value
    raise MonitorError(f"{path}: {group.name}/xml is {type(value).__name__}, expected text")
