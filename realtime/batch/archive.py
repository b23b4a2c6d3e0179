"""The recordings of an archive: files beneath one folder, never one outside of it."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py

from messages import MonitorError
from realtime.device_beam import BEAM_FILE
from realtime.device_power import POWER_FILE

_SUFFIXES = frozenset({".h5", ".hdf5", ".mrd", ".mrd2"})
_RAW, RUN_FILE = "raw.mrd", "run.json"
_RESULTS = frozenset({"maps.h5", "waveforms.h5", "truth.h5"})
# what a run is computed from beside the raw data: the device's power and beams, and the number of
# iterations that was chosen
_BESIDE = (POWER_FILE, BEAM_FILE, RUN_FILE)
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of raw data. path: beneath the archive's folder. stamp: changes when a file does."""

    path: str
    stamp: str


def find_recordings(folder: Path, *, out: Path) -> list[Recording]:
    """Return the recordings of a folder and its folders, by path; `out` is left out.

    A run folder's raw data are its raw.mrd; elsewhere each file is a recording that is called like
    one. Links are not followed; a folder that cannot be read stands for what lies in it. Raises
    MonitorError where there is none.
    """
    if not folder.is_dir():
        raise MonitorError(f"{folder}: is no folder, expected one with recordings")
    beneath, left_out = folder.resolve(), out.resolve()
    found: list[Recording] = []

    def note(error: OSError) -> None:
        found.append(Recording(str(Path(error.filename).relative_to(beneath)), ""))

    for at, names, files in os.walk(beneath, onerror=note):
        names[:] = sorted(name for name in names if Path(at, name) != left_out)
        for path in _recordings_of(Path(at), sorted(files)):
            found.append(Recording(str(path.relative_to(beneath)), _stamp(path)))
    if not found:
        raise MonitorError(
            f"{folder}: holds no recording; expected files ending in {', '.join(sorted(_SUFFIXES))}"
        )
    return sorted(found, key=lambda one: one.path)


def digest_of(path: Path) -> str:
    """Return what a recording is called: a digest of its bytes and of what it is computed with.

    Nothing of a name or a folder is in it. Raises OSError where it cannot be read.
    """
    digest = hashlib.sha256()
    for one in _sources(path):
        digest.update(f"{one.name if one != path else ''} {one.stat().st_size}\n".encode())
        with one.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:_DIGITS]


def _recordings_of(folder: Path, names: list[str]) -> Iterator[Path]:
    is_run = RUN_FILE in names and _RAW in names
    for name in names:
        path = folder / name
        is_called_so = name == _RAW if is_run else Path(name).suffix.lower() in _SUFFIXES
        is_ours = is_called_so and name not in _RESULTS and not path.is_symlink()
        if is_ours and path.is_file() and not _is_other_hdf5(path):
            yield path


def _is_other_hdf5(path: Path) -> bool:
    """Whether a file is sound HDF5 without raw data, such as a simulator's truth.

    What is damaged is a recording that fails, and says so.
    """
    try:
        with h5py.File(path, "r") as file:
            return not any("data" in one and "xml" in one for one in _groups(file))
    except (OSError, RuntimeError, KeyError):
        return False


def _groups(file: "h5py.File") -> Iterator["h5py.Group"]:
    for name in file:
        if isinstance(file.get(name, getlink=True), h5py.HardLink):
            one = file[name]
            if isinstance(one, h5py.Group):
                yield one


def _sources(path: Path) -> list[Path]:
    beside = (path.with_name(name) for name in _BESIDE)
    return [path, *(one for one in beside if one.is_file())]


def _stamp(path: Path) -> str:
    states = (one.stat() for one in _sources(path))
    return " ".join(f"{one.st_size}:{one.st_mtime_ns}" for one in states)
