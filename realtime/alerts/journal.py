"""Events on disk, so that a subscriber that comes back gets what it missed, in order.

SQLite in WAL mode with synchronous FULL: a row that is said to be durable outlives a power cut. One
commit costs about 4 ms, so a thread of its own writes and nothing on the hold path waits for it.
"""

import contextlib
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from messages import MonitorError
from realtime.tuning import keep_pace

MAX_BATCH = 256  # rows in one commit
# a disk that stays full; the oldest are kept, so that what is on disk in the end has no gap
MAX_REFUSED = 10_000
_TABLE = """
CREATE TABLE IF NOT EXISTS events (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    topic TEXT NOT NULL,
    header BLOB NOT NULL,
    utc TEXT NOT NULL,
    UNIQUE (epoch, sequence)
)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One event: its place in an epoch, its topic, its JSON header, and the wall clock for people.

    is_durable: false where the disk refused it.
    """

    epoch: str
    sequence: int
    topic: str
    header: bytes
    utc: str
    is_durable: bool = False


class Journal:
    """One open journal file; `epoch` is new with every start of the monitor.

    warning: what was wrong with the file that stood there; it has been moved aside. None otherwise.
    Use it from one thread. Raises MonitorError where the folder cannot be written.
    """

    def __init__(self, path: Path, *, epoch: str) -> None:
        self.epoch = epoch
        self.warning: str | None = None
        try:
            self._connection = _open(path)
        except sqlite3.OperationalError as error:
            raise MonitorError(f"journal {path.name}: cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            aside = _move_aside(path, epoch)
            self.warning = f"journal {path.name} was corrupt ({error}); kept as {aside.name}"
            self._connection = _open(path)

    def append(self, sequence: int, topic: str, header: bytes, *, utc: str) -> None:
        """Write one row and wait for the disk. Raises sqlite3.Error where the disk refuses it."""
        self.append_all([Row(self.epoch, sequence, topic, header, utc)])

    def append_all(self, rows: Sequence[Row]) -> None:
        """Write rows in one commit, all or none."""
        with self._connection:
            self._connection.executemany(
                "INSERT INTO events (epoch, sequence, topic, header, utc) VALUES (?, ?, ?, ?, ?)",
                [(row.epoch, row.sequence, row.topic, row.header, row.utc) for row in rows],
            )

    def recover(self, rows: Sequence[Row]) -> None:
        """Write rows of earlier epochs that had not reached the disk; those that had stay.

        Raises sqlite3.Error where the disk refuses them.
        """
        with self._connection:
            self._connection.executemany(
                "INSERT OR IGNORE INTO events (epoch, sequence, topic, header, utc) "
                "VALUES (?, ?, ?, ?, ?)",
                [(row.epoch, row.sequence, row.topic, row.header, row.utc) for row in rows],
            )

    def n_rows(self) -> int:
        """Return how many rows were ever written here."""
        (last,) = self._connection.execute("SELECT max(place) FROM events").fetchone()
        return int(last or 0)

    def since(self, epoch: str, sequence: int, *, limit: int = 10_000) -> list[Row]:
        """Return the rows after one that a subscriber has, oldest first, later epochs included.

        For an unknown epoch these are all rows. `limit` bounds the answer: ask again from its last.
        """
        return _since(self._connection, epoch, sequence, limit)

    def close(self) -> None:
        """Close the file; what was appended stays."""
        self._connection.close()


class JournalWriter:
    """A thread that writes rows and hands them back once they are durable.

    No callbacks: `fileno` becomes readable when `drain` has something. Rows come back in the order
    of `submit`. The queue has no bound of its own: only alerts and run events go through it, never
    pixels, and a journal that stalls must not make the gateway wait.

    A row that the disk refused comes back as not durable, and is tried again before the next ones:
    what is on disk has no gap. recovered: rows of earlier epochs that had not reached the disk;
    is_recovered: now they have. n_before: rows of earlier epochs, at most.
    """

    def __init__(self, path: Path, *, epoch: str, recovered: Sequence[Row] = ()) -> None:
        self._journal = Journal(path, epoch=epoch)
        self.epoch = epoch
        self.warning = self._journal.warning
        self.is_recovered = True
        try:
            self._journal.recover(recovered)
        except sqlite3.Error:
            self.is_recovered = False
        self.n_before = self._journal.n_rows() + len(recovered)
        self._refused: list[Row] = []
        self._waiting: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._done: deque[Row] = deque()
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return the descriptor to poll for reading."""
        return self._fd

    def submit(self, row: Row) -> None:
        """Hand a row over; returns at once."""
        self._waiting.put(row)

    def drain(self) -> list[Row]:
        """Return the rows that have been written, or refused, since the last call."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)
        return [self._done.popleft() for _ in range(len(self._done))]

    def close(self, *, timeout_s: float = 2.0) -> list[Row]:
        """Write what waits, stop the thread, and return the rows not yet drained.

        A disk that does not answer within the time-out is left behind with the daemon thread.
        """
        self._waiting.put(None)
        self._thread.join(timeout_s)
        rows = self.drain()
        if not self._thread.is_alive():
            self._journal.close()
            os.close(self._fd)
        return rows

    def _write(self) -> None:
        while (first := self._waiting.get()) is not None:
            keep_pace()  # each time: the main thread may have become urgent meanwhile
            batch, is_over = self._batch(first)
            self._done += self._commit(batch)
            os.eventfd_write(self._fd, 1)
            if is_over:
                break
        if self._refused:  # the disk may take by now what it refused
            self._done += self._commit([])

    def _batch(self, first: Row) -> tuple[list[Row], bool]:
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                row = self._waiting.get_nowait()
            except queue.Empty:
                break
            if row is None:
                return batch, True
            batch.append(row)
        return batch, False

    def _commit(self, batch: Sequence[Row]) -> list[Row]:
        whole = [*self._refused, *batch]
        try:
            self._journal.append_all(whole)
        except sqlite3.Error:
            # the rows go back as not durable; monitoring goes on, and the next batch tries again
            self._refused = whole[:MAX_REFUSED]
            return list(batch)
        self._refused = []
        return [replace(row, is_durable=True) for row in whole]


def read_since(path: Path, epoch: str, sequence: int, *, limit: int = 10_000) -> list[Row]:
    """Return rows as `Journal.since` does, read-only beside a running writer.

    Raises MonitorError where the file cannot be read.
    """
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)
        with contextlib.closing(connection):
            return _since(connection, epoch, sequence, limit)
    except sqlite3.Error as error:
        raise MonitorError(f"journal {path.name}: cannot be read: {error}") from error


def read_epochs(path: Path, epochs: Sequence[str]) -> list[Row]:
    """Return the rows of some epochs, in order; none where the file cannot be read."""
    rows = []
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)
        with contextlib.closing(connection):
            for epoch in epochs:
                found = connection.execute(
                    "SELECT epoch, sequence, topic, header, utc FROM events "
                    "WHERE epoch = ? ORDER BY sequence",
                    (epoch,),
                )
                rows += _rows(found)
    except sqlite3.Error:
        return rows
    return rows


def _since(connection: sqlite3.Connection, epoch: str, sequence: int, limit: int) -> list[Row]:
    known = "SELECT max(place) FROM events WHERE epoch = ? AND sequence <= ?"
    first = "SELECT min(place) - 1 FROM events WHERE epoch = ?"
    rows = connection.execute(
        "SELECT epoch, sequence, topic, header, utc FROM events "
        f"WHERE place > coalesce(({known}), ({first}), 0) ORDER BY place LIMIT ?",
        (epoch, sequence, epoch, limit),
    )
    return _rows(rows)


def _rows(found: sqlite3.Cursor) -> list[Row]:
    return [
        Row(epoch, sequence, topic, header, utc, is_durable=True)
        for epoch, sequence, topic, header, utc in found
    ]


def _open(path: Path) -> sqlite3.Connection:
    # one connection, one thread: the writer's constructor opens it, its thread uses it
    connection = sqlite3.connect(path, check_same_thread=False, timeout=1.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(_TABLE)
        connection.commit()
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _move_aside(path: Path, epoch: str) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{epoch}")
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside
