"""The alerts that are on their way to the disk, in memory that outlives a killed gateway."""

import contextlib
import os
from pathlib import Path

import msgspec

from realtime.alerts.journal import Row

ENDING = ".alerts"


class _Line(msgspec.Struct, frozen=True, array_like=True):
    epoch: str
    sequence: int
    topic: str
    header: bytes
    utc: str


class AlertSpool:
    """A file that takes each alert before anybody is told, and is emptied when the disk has all.

    folder: in memory; where there is none, or no room in it, nothing is kept: the disk alone does.
    """

    def __init__(self, folder: Path | None, *, epoch: str) -> None:
        self._path = None if folder is None else folder / f"{epoch}{ENDING}"
        self._fd = -1
        self._is_empty = True
        if self._path is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW
            try:
                self._fd = os.open(self._path, flags, 0o600)
            except OSError:
                self._path = None

    def add(self, row: Row) -> None:
        """Keep a row; costs microseconds."""
        if self._path is None:
            return
        line = _Line(row.epoch, row.sequence, row.topic, row.header, row.utc)
        with contextlib.suppress(OSError):  # memory is full: then the disk alone keeps it
            # the line before may be half: of full memory a part may be taken
            os.write(self._fd, b"\n" + msgspec.json.encode(line))
        self._is_empty = False

    def clear(self) -> None:
        """Forget all: it is on disk."""
        if self._path is not None and not self._is_empty:
            os.ftruncate(self._fd, 0)
            self._is_empty = True

    def close(self) -> None:
        """Close; what is not on disk stays."""
        if self._path is None:
            return
        os.close(self._fd)
        if self._is_empty:
            self._path.unlink(missing_ok=True)


def read_spool(path: Path) -> list[Row]:
    """Return the rows that a killed monitor left; its last line may be half."""
    rows = []
    for text in path.read_bytes().split(b"\n"):
        with contextlib.suppress(msgspec.MsgspecError):
            line = msgspec.json.decode(text, type=_Line)
            rows.append(Row(line.epoch, line.sequence, line.topic, line.header, line.utc))
    return rows
