"""A DICOM peer as it is written on the command line; nothing heavy is imported to read it."""

import re
from dataclasses import dataclass

from messages import MonitorError

# a title has printable ASCII but backslash, and no @ as it ends there
_ADDRESS = re.compile(r"([\x21-\x3f\x41-\x5b\x5d-\x7e]{1,16})@(\[[^]]+\]|[^@:\s]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Peer:
    """title: its application entity's."""

    title: str
    host: str
    port: int

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.title}@{self.host}:{self.port}"


def parse_peer(text: str) -> Peer:
    """Return the peer of `AET@HOST:PORT`. Raises MonitorError where that is none."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[3]) < 65536:
        raise MonitorError(f"DICOM peer {text!r}, expected AET@HOST:PORT, as ORTHANC@10.0.0.7:4242")
    return Peer(found[1], found[2].strip("[]"), int(found[3]))
