"""Markers beside the run folders: which treatments are under way, or were when we were killed.

One small file of JSON for each, written when a treatment begins and removed when it ends in order.
What is left at the next start was killed. Nobody waits for the disk: after a power cut a marker may
be missing.
"""

import contextlib
import os
from datetime import datetime
from pathlib import Path

import msgspec

from messages import MonitorError

FOLDER = "open-runs"
_MOST_BYTES = 1 << 16


class OpenRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One treatment under way.

    identity: SHA-256, see `treatment_digest`. state: name of its file in memory, empty where none
        is kept. version: of the program that wrote the state. killed_utc: when something of
        it was last written, empty until a later monitor has found it killed; is_acknowledged: a
        person has seen that. ended: in words, how.
    """

    run_id: str
    identity: str
    therapy: str
    state: str
    version: str
    begun_utc: str
    killed_utc: str = ""
    is_acknowledged: bool = False
    ended: str = "was killed"


class OpenRuns:
    """The markers of one folder of runs."""

    def __init__(self, out: Path) -> None:
        self._folder = out / FOLDER

    def write(self, run: OpenRun) -> None:
        """Write a marker, whole or not at all. Raises MonitorError where it cannot be."""
        path = self._path(run.run_id)
        new = path.with_suffix(".new")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(run))
            new.replace(path)
        except OSError as error:
            raise MonitorError(f"{FOLDER}/{path.name}: {error.strerror}") from error

    def remove(self, run_id: str) -> None:
        """Remove a marker; one that is not there is no error."""
        with contextlib.suppress(OSError):
            self._path(run_id).unlink(missing_ok=True)

    def read(self) -> tuple[list[OpenRun], list[str]]:
        """Return the markers, oldest first, and the names of files that are none."""
        found: list[OpenRun] = []
        unreadable: list[str] = []
        for path in sorted(self._folder.glob("*.json")):
            run = _read(path)
            if run is not None and path == self._path(run.run_id):
                found.append(run)
            else:
                unreadable.append(path.name)
        return found, unreadable

    def set_aside(self, name: str) -> None:
        """Rename a file that is no marker, so that it is told once and kept."""
        path = self._folder / name
        with contextlib.suppress(OSError):
            path.rename(path.with_suffix(".unreadable"))

    def _path(self, run_id: str) -> Path:
        return self._folder / f"{Path(run_id).name}.json"


def _read(path: Path) -> OpenRun | None:
    """Return a marker, None where a file is none, its times included."""
    try:
        with path.open("rb") as file:
            run = msgspec.json.decode(file.read(_MOST_BYTES), type=OpenRun)
        times = [datetime.fromisoformat(one) for one in (run.begun_utc, run.killed_utc) if one]
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    return run if times and all(one.tzinfo for one in times) else None
