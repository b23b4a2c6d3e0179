"""The table of jobs, on disk: a batch that was killed goes on where it was.

One process writes it, under the lock of its folder.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from messages import MonitorError
from realtime.batch.figures import Figures
from realtime.batch.job import Job, Result, State

TABLE = "batch.sqlite"
_LAYOUT = 1  # of the table; another one is not read
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    recording TEXT NOT NULL, protocol_hash TEXT NOT NULL, version TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    why TEXT NOT NULL DEFAULT '', figures BLOB, earlier BLOB,
    PRIMARY KEY (recording, protocol_hash, version)
);
CREATE TABLE IF NOT EXISTS digests (
    path TEXT PRIMARY KEY, stamp TEXT NOT NULL, digest TEXT NOT NULL
);
"""
_KEY = "recording = ? AND protocol_hash = ? AND version = ?"


@dataclass(frozen=True, slots=True)
class Row:
    """A job as the table has it."""

    state: State
    why: str
    figures: Figures | None
    earlier: Figures | None


class JobTable:
    """Which jobs there are and how far they are.

    version: of the monitor; what another one computed does not count.
    """

    def __init__(self, out: Path, *, version: str) -> None:
        """Open the table in a folder. Raises MonitorError where it cannot be read."""
        self._version = version
        path = out / TABLE
        is_new = not path.exists() or not path.stat().st_size  # empty: killed at its first step
        try:
            self._base = sqlite3.connect(path, isolation_level=None)
            if is_new:
                path.chmod(0o600)  # it has the archive's paths, which may name people
                self._base.execute(f"PRAGMA user_version = {_LAYOUT}")
            (layout,) = self._base.execute("PRAGMA user_version").fetchone()
            if layout != _LAYOUT:
                raise MonitorError(f"{path}: is of another release; choose another --out")
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise _unusable(error) from error

    def plan(self, jobs: Sequence[Job]) -> None:
        """Take up jobs.

        Those that nobody runs any more wait again, and so do those that failed or whose run folder
        is gone.
        """
        for job in jobs:
            self._do(
                "INSERT OR IGNORE INTO jobs (recording, protocol_hash, version, state) "
                "VALUES (?, ?, ?, 'waiting')",
                self._key(job),
            )
            if not Path(job.folder).is_dir():
                self._do(f"UPDATE jobs SET state = 'waiting' WHERE {_KEY}", self._key(job))
        self._do("UPDATE jobs SET state = 'waiting', why = '' WHERE state IN ('running', 'failed')")

    def waiting(self, jobs: Sequence[Job]) -> Iterator[Job]:
        """Yield, of these jobs, those that wait."""
        yield from (job for job in jobs if self.row(job).state == "waiting")

    def start(self, job: Job) -> None:
        """Note that a job is being computed."""
        self._do(f"UPDATE jobs SET state = 'running' WHERE {_KEY}", self._key(job))

    def finish(self, job: Job, result: Result) -> None:
        """Note what came of a job."""
        figures, earlier = (
            None if one is None else msgspec.json.encode(one)
            for one in (result.figures, result.earlier)
        )
        self._do(
            f"UPDATE jobs SET state = ?, why = ?, figures = ?, earlier = ? WHERE {_KEY}",
            (result.state, result.why, figures, earlier, *self._key(job)),
        )

    def row(self, job: Job) -> Row:
        """Return a job's row, which `plan` has made."""
        asked = f"SELECT state, why, figures, earlier FROM jobs WHERE {_KEY}"
        state, why, *some = self._do(asked, self._key(job)).fetchone()
        figures, earlier = (
            None if one is None else msgspec.json.decode(one, type=Figures) for one in some
        )
        return Row(state, why, figures, earlier)

    def digest(self, path: str, stamp: str) -> str | None:
        """Return what a recording was found to be called, None where it is new or has changed."""
        asked = "SELECT digest FROM digests WHERE path = ? AND stamp = ?"
        found = self._do(asked, (path, stamp)).fetchone()
        return None if found is None else str(found[0])

    def keep_digest(self, path: str, stamp: str, digest: str) -> None:
        """Keep what a recording is called: an archive is read whole but once."""
        said = "INSERT OR REPLACE INTO digests VALUES (?, ?, ?)"
        self._do(said, (path, stamp, digest))

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def _do(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._base.execute(statement, values)
        except sqlite3.Error as error:
            raise _unusable(error) from error

    def _key(self, job: Job) -> tuple[str, str, str]:
        return job.recording, job.protocol_hash, self._version


def _unusable(error: sqlite3.Error) -> MonitorError:
    return MonitorError(f"{TABLE}: cannot be used as table of jobs: {error}; see to the disk")
