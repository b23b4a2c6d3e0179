"""A session's bytes in, as they come; the same session without the person out. Pure.

What `mrmonitor deidentify` drops of a recording is dropped here while it is made: the header keeps
its allow-list, readouts and waveforms lose ids, physiology stamps and a site's own fields, texts,
queries, images and configurations of unknown names go. Samples, trajectories and the scanner's time
stamps stay, so that it replays with the same images and the same clock.
"""

import struct
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from messages import MonitorError, StreamError
from realtime.streams import mrd_layout as layout
from realtime.streams.deidentification import kept_config
from realtime.streams.header_allow_list import deidentified_xml
from realtime.streams.mrd_encoder import encode_header
from realtime.streams.mrd_framing import Limits, Message, Piece, Reading, read_message
from realtime.streams.mrd_layout import ReadoutHead

_ID_BYTES = layout.MESSAGE_ID.size
_READOUT_BYTES = _ID_BYTES + layout.ACQUISITION_HEADER.itemsize
_WAVEFORM_BYTES = _ID_BYTES + layout.WAVEFORM_HEADER.itemsize
_READOUT = layout.MESSAGE_ID.pack(layout.ACQUISITION)
_WAVEFORM = layout.MESSAGE_ID.pack(layout.WAVEFORM)
_IMAGE = layout.MESSAGE_ID.pack(layout.IMAGE)
_UID = struct.Struct("<I")


def _places(head: np.dtype[Any], names: tuple[str, ...]) -> tuple[slice, ...]:
    fields: Mapping[str, Any] = head.fields or {}
    starts = [_ID_BYTES + fields[name][1] for name in names]
    return tuple(
        slice(start, start + fields[name][0].itemsize)
        for start, name in zip(starts, names, strict=True)
    )


_SITE_S_OWN = _places(
    layout.ACQUISITION_HEADER, ("physiology_time_stamp", "user_int", "user_float")
)
_EMPTY = tuple(bytes(place.stop - place.start) for place in _SITE_S_OWN)
_READOUT_UID = _places(layout.ACQUISITION_HEADER, ("measurement_uid",))[0].start
_WAVEFORM_UID = _places(layout.WAVEFORM_HEADER, ("measurement_uid",))[0].start


class _Anything:
    """What may come when is for the session to judge."""

    def admit(self, kind: int, offset: int) -> None:
        """Admit every message."""

    def admit_readout(self, readout: ReadoutHead, offset: int) -> None:
        """Admit every readout that its own header allows."""


class DeidentifiedStream:
    """Takes the bytes of a session in any chunks; returns what may be kept.

    config_names: configurations that may stay named. A message that cannot be read ends the stream:
    its id is kept, of a readout its head too, so that a replay finds the same fault.
    """

    def __init__(self, config_names: Collection[str], *, limits: Limits | None = None) -> None:
        self._config_names = frozenset(config_names)
        self._limits = limits or Limits()
        self._pending = bytearray()
        self._first_uid: int | None = None
        self._is_over = False
        self._begin()

    def take(self, chunk: bytes) -> bytes:
        """Return what may be kept of the messages that are whole by now.

        Raises MonitorError where the header holds what is needed and may not be kept.
        """
        if self._is_over:
            return b""
        self._pending += chunk
        kept, start = list[bytes](), 0
        while not self._is_over and len(self._pending) - start >= self._n_wanted:
            piece = bytes(memoryview(self._pending)[start : start + self._n_wanted])
            start += self._n_wanted
            self._step(piece, kept)
        del self._pending[:start]
        return b"".join(kept)

    def end(self) -> bytes:
        """Return what may be kept of a message that was cut."""
        self._pieces.append(bytes(self._pending))
        self._pending.clear()
        kept, self._is_over = b"" if self._is_over else self._fragment(), True
        return kept

    def _begin(self) -> None:
        self._pieces: list[Piece] = []
        # offsets are for the session's own decoder to tell
        self._reading: Reading = read_message(0, guard=_Anything(), limits=self._limits)
        self._n_wanted = next(self._reading)

    def _step(self, piece: bytes, kept: list[bytes]) -> None:
        # an image may be large, and nothing of it is kept
        if not self._pieces or self._pieces[0] != _IMAGE:
            self._pieces.append(piece)
        try:
            self._n_wanted = self._reading.send(piece)
        except StopIteration as done:
            kept.append(self._message(done.value))
            self._is_over = done.value.kind == layout.CLOSE
            self._begin()
        except StreamError:
            kept.append(self._fragment())
            self._is_over = True

    def _message(self, message: Message) -> bytes:
        kind, data = message.kind, b"".join(self._pieces)
        if kind == layout.ACQUISITION:
            return self._without_site_s_own(data)
        if kind == layout.WAVEFORM:
            return self._with_uid(bytearray(data), _WAVEFORM_UID)
        if kind == layout.CLOSE:
            return data
        if kind == layout.HEADER:
            return encode_header(self._header(bytes(message.text)))
        if kind == layout.CONFIG_FILE:
            return kept_config(bytes(message.text), self._config_names)
        return b""

    def _header(self, xml: bytes) -> bytes:
        try:
            return deidentified_xml(xml)
        except MonitorError as error:
            self._is_over = True
            raise MonitorError(
                f"the header cannot be kept without what tells of the person: {error}; "
                "`serve --record-identified` keeps it whole"
            ) from error

    def _fragment(self) -> bytes:
        """Return the beginning of a message that is not whole, as far as it tells nothing."""
        data = b"".join(self._pieces)
        kind = data[:_ID_BYTES]
        if kind == _READOUT and len(data) >= _READOUT_BYTES:
            return self._without_site_s_own(data)
        if kind == _WAVEFORM and len(data) >= _WAVEFORM_BYTES:
            return self._with_uid(bytearray(data), _WAVEFORM_UID)
        return kind

    def _without_site_s_own(self, data: bytes) -> bytes:
        head = bytearray(data)
        for place, empty in zip(_SITE_S_OWN, _EMPTY, strict=True):
            head[place] = empty
        return self._with_uid(head, _READOUT_UID)

    def _with_uid(self, data: bytearray, place: int) -> bytes:
        """Return the message with measurements counted from 0: another is still another."""
        (uid,) = _UID.unpack_from(data, place)
        self._first_uid = uid if self._first_uid is None else self._first_uid
        _UID.pack_into(data, place, (uid - self._first_uid) % (1 << 32))
        return bytes(data)
