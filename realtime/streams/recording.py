"""What a recording of an MRD session is to those who play it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from realtime.streams import mrd_layout as layout


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """One MRD message as on the wire.

    acquisition_time_stamp: scanner ticks of a readout, None for anything else.
    """

    kind: int
    data: bytes
    acquisition_time_stamp: int | None = None

    @property
    def flags(self) -> int:
        """The flags of a readout; 0 for anything else."""
        if self.kind != layout.ACQUISITION:
            return 0
        return int.from_bytes(self.data[4:12], "little")


class Recording(Protocol):
    """A session that can be played any number of times."""

    @property
    def header_xml(self) -> bytes:
        """The session header as stored."""
        ...

    @property
    def has_config(self) -> bool:
        """Whether `messages` begins with a configuration."""
        ...

    @property
    def n_readouts(self) -> int | None:
        """How many readouts there are, None where only reading on would tell."""
        ...

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield the session's messages: configuration, header, readouts and the rest, CLOSE.

        Raises StreamError after the last whole message where the recording is damaged.
        """
        ...
