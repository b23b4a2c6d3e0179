"""Bytes of an MRD session in, events out. No socket, no clock.

A session is: QUERY*, at most one CONFIG, one HEADER, then readouts, images, waveforms and texts in
any order, then CLOSE. The stream has no length prefix and no marks to resynchronise on, so the
first error is the last thing that a decoder says.
"""

import math
from collections import deque
from collections.abc import Iterator

import numpy as np

from messages import (
    Acquisition,
    EncodingCounters,
    MonitorError,
    Pose,
    StreamError,
    Waveform,
)
from messages.acquisition import COMPRESSED_NHLBI, Vector
from realtime.streams import mrd_layout as layout
from realtime.streams.events import (
    CloseReceived,
    ConfigFile,
    ConfigText,
    Event,
    HeaderReceived,
    ImageReceived,
    Query,
    Response,
    Text,
)
from realtime.streams.mrd_framing import Limits, Message, Piece, Reading, read_message
from realtime.streams.mrd_guards import Replies, Session
from realtime.streams.mrd_header import parse_header
from realtime.streams.mrd_layout import ReadoutHead
from realtime.streams.nhlbi_compression import decompress

_UNIT_LENGTH_ERROR = 1e-3  # float32 and rounding in a converter; beyond it a direction is scaled


class Decoder:
    """Feed it bytes as they come, take events as they are ready.

        decoder.feed(chunk)              # never raises
        for event in decoder.events():   # raises after the last event before the error
            ...
        decoder.end()                    # at end of file: raises where the stream was cut

    Events do not depend on how the bytes were cut into chunks. The bytes given are copied once and
    may be reused; samples are read-only, aligned arrays. NaN samples pass: whether they matter is
    for the reconstruction to say.
    """

    def __init__(self, *, limits: Limits | None = None, reads_replies: bool = False) -> None:
        """`reads_replies`: decode a server's answers, pixels included, instead of a session."""
        self._limits = limits or Limits()
        self._session = Session()
        self._guard = Replies() if reads_replies else self._session
        self._keeps_pixels = reads_replies
        self._events: deque[Event] = deque()
        self._error: MonitorError | None = None
        self._is_closed = False
        self._n_bytes = 0
        self._start = 0
        self._piece = bytearray()
        self._n_filled = 0
        self._pose_bytes = b""
        self._pose = Pose()
        self._reading: Reading
        self._n_wanted = 0
        self._begin()

    @property
    def n_bytes(self) -> int:
        """Bytes taken so far."""
        return self._n_bytes

    @property
    def is_closed(self) -> bool:
        """Whether CLOSE has come."""
        return self._is_closed

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes. After an error they are ignored."""
        view = memoryview(data).cast("B")
        position = 0
        try:
            while position < len(view) and self._error is None:
                position += self._take(view, position)
        except MonitorError as error:
            self._error = error

    def events(self) -> Iterator[Event]:
        """Yield the events that are ready, then raise the error that ended the stream, if any."""
        while self._events:
            yield self._events.popleft()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Raise StreamError unless the stream ended with CLOSE, or before its first byte."""
        if self._error is not None:
            raise self._error
        if self._is_closed or self._n_bytes == 0:
            return
        if self._n_bytes == self._start:
            raise StreamError("stream ended without CLOSE", offset=self._n_bytes)
        raise StreamError(
            f"message cut after {self._n_bytes - self._start} bytes, expected "
            f"{self._n_wanted - self._n_filled} more",
            offset=self._start,
        )

    def _begin(self) -> None:
        self._start = self._n_bytes
        self._reading = read_message(
            self._start, guard=self._guard, limits=self._limits, keeps_pixels=self._keeps_pixels
        )
        self._n_wanted = next(self._reading)

    def _take(self, view: memoryview, position: int) -> int:
        """Give the message what it wants next, or as much of it as there is; return how much."""
        if self._is_closed:
            raise StreamError("bytes after CLOSE, expected none", offset=self._n_bytes)
        n_missing = self._n_wanted - self._n_filled
        n_taken = min(n_missing, len(view) - position)
        part = view[position : position + n_taken]
        self._n_bytes += n_taken
        if n_taken == self._n_wanted:
            self._step(bytes(part))
            return n_taken
        if self._n_filled == 0:
            # Its size has been checked, so it may be allocated; bytearray(n) is zero pages.
            self._piece = bytearray(self._n_wanted)
        self._piece[self._n_filled : self._n_filled + n_taken] = part
        self._n_filled += n_taken
        if n_taken == n_missing:
            piece, self._piece, self._n_filled = self._piece, bytearray(), 0
            self._step(piece)
        return n_taken

    def _step(self, piece: Piece) -> None:
        try:
            self._n_wanted = self._reading.send(piece)
        except StopIteration as done:
            self._events.append(self._event(done.value))
            self._begin()

    def _event(self, message: Message) -> Event:
        kind = message.kind
        if kind == layout.ACQUISITION and message.readout is not None:
            return self._acquisition(message, message.readout)
        if kind == layout.WAVEFORM:
            return _waveform(message)
        if kind == layout.IMAGE:
            return _image(message)
        if kind == layout.CLOSE:
            self._is_closed = True
            return CloseReceived()
        if kind == layout.HEADER:
            header = parse_header(bytes(message.text))
            self._session.open(header)
            return HeaderReceived(header)
        text = message.text.partition(b"\0")[0].decode("utf-8", errors="replace")
        if kind == layout.QUERY:
            return Query(layout.QUERY_HEAD.unpack(message.head)[1], text)
        if kind == layout.RESPONSE:
            return Response(layout.RESPONSE_HEAD.unpack(message.head)[0], text)
        if kind == layout.TEXT:
            return Text(text)
        self._session.has_config = True
        return ConfigFile(text) if kind == layout.CONFIG_FILE else ConfigText(text)

    def _acquisition(self, message: Message, head: ReadoutHead) -> Acquisition:
        n_samples, n_dimensions = head.number_of_samples, head.trajectory_dimensions
        trajectory = np.frombuffer(message.body, dtype="<f4", count=n_samples * n_dimensions)
        if n_dimensions and not np.isfinite(trajectory).all():
            raise StreamError("ACQUISITION trajectory is not finite", offset=message.offset)
        if message.blob is None:
            samples = np.frombuffer(message.body, dtype="<c8", offset=head.trajectory_bytes)
            samples.flags.writeable = False
        else:
            samples = decompress(message.blob, message.packed)
        trajectory.flags.writeable = False
        if head.pose != self._pose_bytes:
            self._pose = _pose(head.pose, message.offset)
            self._pose_bytes = head.pose
        return Acquisition(
            # what is handed on is not compressed any more
            head.flags & ~COMPRESSED_NHLBI,
            head.measurement_uid,
            head.scan_counter,
            head.acquisition_time_stamp,
            head[5:8],
            head.discard_pre,
            head.discard_post,
            head.center_sample,
            head.encoding_space_ref,
            head.sample_time_us,
            self._pose,
            EncodingCounters(*head[18:27]),
            samples.reshape(head.active_channels, n_samples),
            trajectory.reshape(n_samples, n_dimensions),
        )


def _pose(raw: bytes, offset: int) -> Pose:
    """Return where a readout lies; its directions are of unit length and none is missing.

    Phantoms and simulators leave all three at zero: then the axes are the scanner's. One that is
    missing stands upright on the other two.
    """
    v = layout.POSE.unpack(raw)
    if not all(math.isfinite(one) for one in v):
        raise StreamError("ACQUISITION position or a direction is not finite", offset=offset)
    if not any(v[3:12]):
        return Pose(position_mm=v[0:3], patient_table_position=v[12:15])
    read, phase, normal = _unit(v[3:6]), _unit(v[6:9]), _unit(v[9:12])
    if not any(read):
        read = _unit(_cross(phase, normal))
    if not any(phase):
        phase = _unit(_cross(normal, read))
    if not any(normal):
        normal = _unit(_cross(read, phase))
    if not (any(read) and any(phase) and any(normal)):
        raise StreamError(
            "ACQUISITION read_dir, phase_dir and slice_dir span no space, "
            "expected three unit vectors, or all zero",
            offset=offset,
        )
    return Pose(v[0:3], read, phase, normal, v[12:15])


def _unit(v: Vector) -> Vector:
    length = math.hypot(*v)
    if length == 0 or abs(length - 1) < _UNIT_LENGTH_ERROR:
        return v
    return v[0] / length, v[1] / length, v[2] / length


def _cross(a: Vector, b: Vector) -> Vector:
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


def _waveform(message: Message) -> Waveform:
    head = layout.WaveformHead._make(layout.WAVEFORM_HEAD.unpack(message.head))
    samples = np.frombuffer(message.body, dtype="<u4")
    samples.flags.writeable = False
    return Waveform(
        flags=head.flags,
        measurement_uid=head.measurement_uid,
        scan_counter=head.scan_counter,
        time_stamp=head.time_stamp,
        sample_time_us=head.sample_time_us,
        waveform_id=head.waveform_id,
        samples=samples.reshape(head.channels, head.number_of_samples),
    )


def _image(message: Message) -> ImageReceived:
    header = bytes(message.head)
    attributes = message.text.rstrip(b"\0").decode("utf-8", errors="replace")
    if not message.body:
        return ImageReceived(header, attributes)
    _, data_type, x, y, z, n_channels = layout.IMAGE_HEAD.unpack(header)
    pixels = np.frombuffer(message.body, dtype=layout.IMAGE_DTYPES[data_type])
    pixels.flags.writeable = False
    return ImageReceived(header, attributes, pixels.reshape(n_channels, z, y, x))
