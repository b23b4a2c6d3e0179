"""The grammar of one MRD message, without input or output.

`read_message` is a generator: it yields how many bytes it wants next and is sent exactly those. The
live decoder feeds it from a socket's chunks, a recording from a file. Every size is checked before
the bytes that it announces are asked for.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from messages import StreamError
from messages.acquisition import COMPRESSED_NHLBI, COMPRESSED_ZFP
from realtime.streams import mrd_layout as layout
from realtime.streams import nhlbi_compression as nhlbi
from realtime.streams.mrd_layout import ReadoutHead

Piece = bytes | bytearray
_SKIP_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one message may claim."""

    max_text_bytes: int = 16 << 20
    max_readout_bytes: int = 64 << 20
    max_image_bytes: int = 256 << 20


class Message(NamedTuple):
    """One message in its parts; unused parts are empty.

    head: the fixed part. text: config, header, text, query or image attributes, as sent.
    body: trajectory and samples, waveform or pixels.
    blob: the head of compressed samples; then `body` is the trajectory and `packed` the samples.
    """

    kind: int
    offset: int
    head: Piece = b""
    text: Piece = b""
    body: Piece = b""
    readout: ReadoutHead | None = None
    blob: nhlbi.BlobHead | None = None
    packed: Piece = b""


class Guard(Protocol):
    """What a session allows now."""

    def admit(self, kind: int, offset: int) -> None:
        """Raise StreamError where a message of this kind may not come now."""
        ...

    def admit_readout(self, readout: ReadoutHead, offset: int) -> None:
        """Raise StreamError where this readout cannot belong to the session."""
        ...


Reading = Generator[int, Piece, Message]


def read_message(
    offset: int, *, guard: Guard, limits: Limits, keeps_pixels: bool = False
) -> Reading:
    """Read the message that starts at `offset`; return its parts.

    keeps_pixels: otherwise an image's pixels are passed over in small pieces and never held.
    """
    (kind,) = layout.MESSAGE_ID.unpack((yield 2))
    refuse_unknown(kind, offset)
    guard.admit(kind, offset)
    if kind == layout.ACQUISITION:
        head = yield 340
        readout = ReadoutHead._make(layout.READOUT_HEAD.unpack(head))
        refuse_readout(readout, limits, offset)
        guard.admit_readout(readout, offset)
        if readout.flags & COMPRESSED_NHLBI:
            return (yield from _read_compressed(offset, head, readout))
        body = yield readout.trajectory_bytes + readout.samples_bytes
        return Message(kind, offset, head, b"", body, readout)
    if kind == layout.WAVEFORM:
        return (yield from _read_waveform(offset, limits))
    if kind == layout.IMAGE:
        return (yield from _read_image(offset, limits, keeps_pixels))
    if kind == layout.CLOSE:
        return Message(kind, offset)
    if kind == layout.CONFIG_FILE:
        return Message(kind, offset, text=(yield layout.CONFIG_FILE_BYTES))
    return (yield from _read_text(kind, offset, limits))


def _read_compressed(offset: int, head: Piece, readout: ReadoutHead) -> Reading:
    """Read trajectory, length and blob; each claim is checked before what it announces."""
    body: Piece = b""
    if readout.trajectory_bytes:
        body = yield readout.trajectory_bytes
    n_floats = 2 * readout.active_channels * readout.number_of_samples
    (n_bytes,) = nhlbi.BLOB_LENGTH.unpack((yield nhlbi.BLOB_LENGTH.size))
    problem = nhlbi.length_problem(n_bytes, n_floats)
    if not problem:
        blob = nhlbi.BlobHead._make(nhlbi.BLOB_HEAD.unpack((yield nhlbi.BLOB_HEAD.size)))
        problem = nhlbi.blob_problem(blob, n_bytes, n_floats)
    if problem:
        raise StreamError(f"ACQUISITION compressed with NHLBI (flag 54) {problem}", offset=offset)
    packed = yield n_bytes - nhlbi.BLOB_HEAD.size
    return Message(layout.ACQUISITION, offset, head, b"", body, readout, blob, packed)


def _read_text(kind: int, offset: int, limits: Limits) -> Reading:
    head: Piece = b""
    if kind == layout.QUERY:
        head = yield layout.QUERY_HEAD.size
        n_bytes = layout.QUERY_HEAD.unpack(head)[2]
    elif kind == layout.RESPONSE:
        head = yield layout.RESPONSE_HEAD.size
        n_bytes = layout.RESPONSE_HEAD.unpack(head)[1]
    else:
        (n_bytes,) = layout.TEXT_LENGTH.unpack((yield layout.TEXT_LENGTH.size))
    _refuse_above(n_bytes, limits.max_text_bytes, f"{layout.NAMES[kind]} announces", offset)
    text = (yield n_bytes) if n_bytes else b""
    return Message(kind, offset, head, text)


def _read_waveform(offset: int, limits: Limits) -> Reading:
    head = yield layout.WAVEFORM_HEAD.size
    waveform = layout.WaveformHead._make(layout.WAVEFORM_HEAD.unpack(head))
    n_bytes = waveform.channels * waveform.number_of_samples * 4
    what = f"WAVEFORM of {waveform.number_of_samples} samples x {waveform.channels} channels needs"
    _refuse_above(n_bytes, limits.max_readout_bytes, what, offset)
    body = (yield n_bytes) if n_bytes else b""
    return Message(layout.WAVEFORM, offset, head, b"", body)


def _read_image(offset: int, limits: Limits, keeps_pixels: bool) -> Reading:
    head = yield layout.IMAGE_HEADER.itemsize
    _, data_type, x, y, z, n_channels = layout.IMAGE_HEAD.unpack(head)
    if data_type not in layout.IMAGE_DTYPES:
        raise StreamError(f"IMAGE data_type is {data_type}, expected 1 to 8", offset=offset)
    n_bytes = n_channels * z * y * x * layout.IMAGE_DTYPES[data_type].itemsize
    if n_bytes == 0:
        raise StreamError(
            f"IMAGE has {n_channels} channels of {x} x {y} x {z} pixels, expected at least one "
            "of each",
            offset=offset,
        )
    what = f"IMAGE of {n_channels} channels x {x} x {y} x {z} pixels needs"
    _refuse_above(n_bytes, limits.max_image_bytes, what, offset)
    (n_text,) = layout.ATTRIBUTE_LENGTH.unpack((yield layout.ATTRIBUTE_LENGTH.size))
    _refuse_above(n_text, limits.max_text_bytes, "IMAGE attributes announce", offset)
    text = (yield n_text) if n_text else b""
    if keeps_pixels:
        return Message(layout.IMAGE, offset, head, text, (yield n_bytes))
    while n_bytes:
        n_skipped = min(n_bytes, _SKIP_BYTES)
        yield n_skipped
        n_bytes -= n_skipped
    return Message(layout.IMAGE, offset, head, text)


def refuse_unknown(kind: int, offset: int) -> None:
    """Raise StreamError for an id that the monitor does not read: its length cannot be known."""
    if kind in layout.NAMES:
        return
    if kind in layout.DEPRECATED:
        why = "is deprecated"
    elif kind in layout.UNSUPPORTED:
        why = f"({layout.UNSUPPORTED[kind]}) is not supported"
    else:
        why = "is unknown"
    known = ", ".join(str(number) for number in layout.NAMES)
    raise StreamError(f"message id {kind} {why}, expected one of {known}", offset=offset)


def refuse_readout(readout: ReadoutHead, limits: Limits, offset: int) -> None:
    """Raise StreamError for a readout whose header cannot be, or claims more than the limits."""
    problem = readout_problem(readout, limits)
    if problem:
        raise StreamError(f"ACQUISITION {problem}", offset=offset)


def readout_problem(readout: ReadoutHead, limits: Limits) -> str:
    """Say what is wrong with a readout's header in itself; empty where nothing is."""
    n_samples, n_channels = readout.number_of_samples, readout.active_channels
    if readout.version > layout.VERSION:
        return f"version is {readout.version}, expected {layout.VERSION}, or 0 where it is not set"
    if readout.flags & COMPRESSED_ZFP:
        return (
            "samples are compressed with ZFP (flag 53), "
            "expected plain complex floats or NHLBI (flag 54)"
        )
    if n_samples == 0:
        return "number_of_samples is 0, expected at least 1"
    n_bytes = readout.samples_bytes + readout.trajectory_bytes
    if n_bytes > limits.max_readout_bytes:
        return (
            f"of {n_samples} samples x {n_channels} channels with trajectory_dimensions "
            f"{readout.trajectory_dimensions} needs {n_bytes} bytes, "
            f"expected at most {limits.max_readout_bytes}"
        )
    if n_channels == 0 or n_channels > layout.MAX_CHANNELS:
        return f"active_channels is {n_channels}, expected 1 to {layout.MAX_CHANNELS}"
    # ISMRMRD's C and Python initialisers leave available_channels at 1 and at 0.
    if n_channels > readout.available_channels > 1:
        return (
            f"active_channels is {n_channels}, expected at most available_channels, "
            f"{readout.available_channels}"
        )
    n_discarded = readout.discard_pre + readout.discard_post
    if n_discarded >= n_samples:
        return (
            f"discard_pre + discard_post is {n_discarded}, expected less than "
            f"number_of_samples, {n_samples}"
        )
    if readout.trajectory_dimensions > layout.MAX_TRAJECTORY_DIMENSIONS:
        return (
            f"trajectory_dimensions is {readout.trajectory_dimensions}, "
            f"expected at most {layout.MAX_TRAJECTORY_DIMENSIONS}"
        )
    if not (math.isfinite(readout.sample_time_us) and readout.sample_time_us >= 0):
        return f"sample_time_us is {readout.sample_time_us}, expected a finite time"
    return ""


def _refuse_above(n_bytes: int, most: int, what: str, offset: int) -> None:
    if n_bytes > most:
        raise StreamError(f"{what} {n_bytes} bytes, expected at most {most}", offset=offset)
