"""Takes what a client sends apart into requests; knows no socket and no clock.

Whatever is wrong ends the conversation: nothing is resynchronised by guessing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from messages import MonitorError
from realtime.outputs.openigtlink.crc64 import crc64
from realtime.outputs.openigtlink.encoder import HEADER, Code

MOST_BODY_BYTES = 1 << 16
_VERSIONS = (1, 2, 3)
VERBS = ("GET", "STT", "STP")


class RefusedError(MonitorError):
    """What a client sent cannot be taken. code: what to tell it."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """GET, STT (start) or STP (stop) of a kind of message, of one device or, if empty, of all."""

    verb: str
    kind: str
    device: str


class Reader:
    """A client's bytes, in any chunks; keeps at most one message that is not whole.

    n_whole: messages that were.
    """

    def __init__(self) -> None:
        self.n_whole = 0
        self._pending = b""

    @property
    def is_within(self) -> bool:
        """Whether a message has begun that is not whole."""
        return bool(self._pending)

    def feed(self, chunk: bytes) -> Iterator[Request]:
        """Give the requests that are whole now; all other messages are passed over.

        Raises RefusedError for a header that cannot be, a body beyond 64 KiB, a false check sum.
        """
        self._pending += chunk
        while len(self._pending) >= HEADER.size:
            version, kind, device, _, _, n_bytes, expected = HEADER.unpack_from(self._pending)
            if version not in _VERSIONS:
                raise RefusedError(
                    Code.ILLEGAL_INSTRUCTION, f"header version {version}, expected 1 to 3"
                )
            if n_bytes > MOST_BODY_BYTES:
                raise RefusedError(
                    Code.OVERFLOW, f"body of {n_bytes} bytes, expected at most {MOST_BODY_BYTES}"
                )
            end = HEADER.size + n_bytes
            if len(self._pending) < end:
                return
            body, self._pending = self._pending[HEADER.size : end], self._pending[end:]
            self.n_whole += 1
            verb, _, rest = _name(kind).partition("_")
            if verb not in VERBS or not rest:
                continue
            if crc64(body) != expected:
                raise RefusedError(Code.CHECKSUM_ERROR, f"check sum of {_name(kind)} is false")
            yield Request(verb, rest, _name(device))


def _name(field: bytes) -> str:
    # of other letters none is ours, and a name that we send back must not grow
    return field.split(b"\0")[0].decode("ascii", "ignore").strip()
