"""What a batch speaks of: a job, how far it has come, and what came of it."""

from typing import Literal

import msgspec

from realtime.batch.figures import Figures

State = Literal["waiting", "running", "done", "failed"]


class Job(msgspec.Struct, frozen=True, tag="job"):
    """A recording to be computed by a protocol; whoever computes it sees the same files.

    recording: its digest. file: the raw data. protocol: a file, or a shipped name, whose content
    had this hash. folder: of the run.
    """

    recording: str
    file: str
    protocol: str
    protocol_hash: str
    folder: str

    @property
    def name(self) -> str:
        """What people and folders call it: nothing of a person is in it."""
        return f"{self.recording}-{self.protocol_hash}"


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How many frames of a job have been answered."""

    name: str
    n_frames: int


class Result(msgspec.Struct, frozen=True, tag="result"):
    """What came of a job. why: one sentence where it failed. earlier: of the archive's own run."""

    name: str
    state: State
    why: str = ""
    figures: Figures | None = None
    earlier: Figures | None = None


Told = Progress | Result
_told: msgspec.json.Decoder[Told] = msgspec.json.Decoder(Told)
_jobs = msgspec.json.Decoder(Job)


def pack(said: Job | Told) -> bytes:
    """Return it as bytes."""
    return msgspec.json.encode(said)


def unpack_told(packet: bytes) -> Told:
    """Return what a lane said."""
    return _told.decode(packet)


def unpack_job(packet: bytes) -> Job:
    """Return a job."""
    return _jobs.decode(packet)
