"""What a decoded MRD stream says, one event a message. Readouts and waveforms are nouns already."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from messages import Acquisition, SessionHeader, Waveform


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The client names a configuration."""

    name: str


@dataclass(frozen=True, slots=True)
class ConfigText:
    """The client sends a configuration in full."""

    text: str


@dataclass(frozen=True, slots=True)
class HeaderReceived:
    """The session header, parsed; its own bytes are in `header.xml`."""

    header: SessionHeader


@dataclass(frozen=True, slots=True)
class Text:
    """Words for people, or (FIRE) a JSON configuration after the header."""

    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question to be answered with a RESPONSE of the same correlation id."""

    correlation_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Response:
    """A server's answer to a query."""

    correlation_id: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class ImageReceived:
    """An image: its 198 header bytes, its attributes, and its pixels where they were asked for.

    pixels: (channel, z, y, x), read-only, of the type that the header names; None where skipped.
    """

    header: bytes
    attributes: str
    pixels: NDArray[Any] | None = None


@dataclass(frozen=True, slots=True)
class CloseReceived:
    """The peer has sent everything."""


Event = (
    ConfigFile
    | ConfigText
    | HeaderReceived
    | Text
    | Query
    | Response
    | Acquisition
    | ImageReceived
    | Waveform
    | CloseReceived
)
