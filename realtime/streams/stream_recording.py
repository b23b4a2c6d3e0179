"""A recorded MRD byte stream: what `Recorder` writes, and siemens_to_ismrmrd by default."""

from collections.abc import Iterator
from io import BufferedReader, FileIO
from pathlib import Path

from messages import MonitorError, StreamError
from realtime.streams import mrd_layout as layout
from realtime.streams.mrd_framing import Limits, Message, Piece, read_message
from realtime.streams.mrd_layout import ReadoutHead
from realtime.streams.recording import RecordedMessage

_BUFFER_BYTES = 1 << 20
_CONFIGS = (layout.CONFIG_FILE, layout.CONFIG_TEXT)


class _Anything:
    """A recording is played as it stands; the session's order is for its receiver to judge."""

    def admit(self, kind: int, offset: int) -> None:
        """Admit every message."""

    def admit_readout(self, readout: ReadoutHead, offset: int) -> None:
        """Admit every readout that its own header allows."""


class StreamRecording:
    """An MRD byte stream in a file."""

    def __init__(self, path: Path, *, limits: Limits | None = None) -> None:
        """Read as far as the header. Raises MonitorError where the file holds none."""
        self.path = path
        self.n_readouts = None
        self.has_config = False
        self._limits = limits or Limits()
        self.header_xml = self._read_header()

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield every message as recorded; raises StreamError where the file was cut."""
        for message, data in self._parts():
            stamp = None if message.readout is None else message.readout.acquisition_time_stamp
            yield RecordedMessage(message.kind, data, stamp)

    def _read_header(self) -> bytes:
        try:
            for message, _ in self._parts():
                if message.kind == layout.HEADER:
                    return bytes(message.text).rstrip(b"\0")
                self.has_config = self.has_config or message.kind in _CONFIGS
                if message.readout is not None:
                    break
        except StreamError as error:
            # the error names its byte itself
            raise MonitorError(f"{self.path}: is no whole MRD stream: {error}") from error
        raise MonitorError(f"{self.path}: no HEADER before the first readout")

    def _parts(self) -> Iterator[tuple[Message, bytes]]:
        with _open(self.path) as file:
            offset, is_closed = 0, False
            while file.peek(1):
                if is_closed:
                    raise StreamError("bytes after CLOSE, expected none", offset=offset)
                message, pieces = self._read(file, offset)
                data = b"".join(pieces)
                yield message, data
                offset += len(data)
                is_closed = message.kind == layout.CLOSE
            if not is_closed:
                raise StreamError("recording ended without CLOSE", offset=offset)

    def _read(self, file: BufferedReader, offset: int) -> tuple[Message, list[Piece]]:
        pieces: list[Piece] = []
        reading = read_message(offset, guard=_Anything(), limits=self._limits)
        n_wanted = next(reading)
        while True:
            piece = file.read(n_wanted)
            pieces.append(piece)
            if len(piece) < n_wanted:
                raise StreamError(
                    f"message cut after {sum(map(len, pieces))} bytes, expected "
                    f"{n_wanted - len(piece)} more",
                    offset=offset,
                )
            try:
                n_wanted = reading.send(piece)
            except StopIteration as done:
                message: Message = done.value
                return message, pieces


def _open(path: Path) -> BufferedReader:
    try:
        return BufferedReader(FileIO(path), _BUFFER_BYTES)
    except OSError as error:
        raise MonitorError(f"{path}: {error.strerror}") from error
