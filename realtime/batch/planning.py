"""Which jobs a batch has: each recording by each protocol, or by its own run's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from messages import MonitorError
from realtime.batch.archive import Recording, digest_of, find_recordings
from realtime.batch.job import Job
from realtime.batch.table import JobTable
from realtime.protocol import Protocol, load_protocol

RUNS = "runs"
_OWN = "protocol.toml"
_UNKNOWN = "unread"

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """A row of the batch's table to come. path: of the recording, beneath the archive.

    job: None where there is nothing that could be computed, and why.
    """

    path: str
    recording: str
    protocol_name: str
    protocol_hash: str
    job: Job | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A protocol as it was named, and as it was then."""

    named: str
    protocol: Protocol


def chosen(names: Sequence[str]) -> list[Chosen]:
    """Return the protocols that were named; a file by its whole path. Raises ProtocolError."""
    found: dict[str, Chosen] = {}
    for name in names:
        protocol = load_protocol(name)
        path = Path(name)
        named = str(path.resolve()) if path.is_file() else name
        found.setdefault(protocol.hash, Chosen(named, protocol))
    return list(found.values())


def plan(
    folder: Path, out: Path, protocols: Sequence[Chosen], table: JobTable, advance: Advance
) -> list[Planned]:
    """Return what there is to do, by path; a copy of a recording is computed once.

    advance: told of each recording that has been read, and how many there are.
    """
    recordings = find_recordings(folder, out=out)
    found: list[Planned] = []
    for number, recording in enumerate(recordings, 1):
        found += _of_recording(folder.resolve(), out.resolve(), recording, protocols, table)
        advance(number, len(recordings))
    return found


def jobs_of(planned: Sequence[Planned]) -> list[Job]:
    """Return the jobs, each once, in order."""
    return list({one.job.name: one.job for one in planned if one.job is not None}.values())


def _of_recording(
    folder: Path, out: Path, recording: Recording, protocols: Sequence[Chosen], table: JobTable
) -> list[Planned]:
    path = folder / recording.path
    try:
        digest = table.digest(recording.path, recording.stamp) or digest_of(path)
    except OSError as error:
        return [
            Planned(recording.path, _UNKNOWN, "", "", None, f"cannot be read: {error.strerror}")
        ]
    table.keep_digest(recording.path, recording.stamp, digest)
    try:
        taken = protocols or [_own(path)]
    except MonitorError as error:
        why = str(error).replace(str(path.parent), "its folder")
        return [Planned(recording.path, digest, "", "", None, why)]
    return [_planned(path, out, recording, digest, one) for one in taken]


def _own(path: Path) -> Chosen:
    """Return the protocol of the run in whose folder a recording lies."""
    own = path.with_name(_OWN)
    if not own.is_file():
        raise MonitorError(f"no {_OWN} lies beside it; name a protocol by --protocol")
    return Chosen(str(own), load_protocol(str(own)))


def _planned(path: Path, out: Path, recording: Recording, digest: str, one: Chosen) -> Planned:
    hash_ = one.protocol.hash
    folder = out / RUNS / f"{digest}-{hash_}"
    job = Job(digest, str(path), one.named, hash_, str(folder))
    return Planned(recording.path, digest, one.protocol.protocol.name, hash_, job)
