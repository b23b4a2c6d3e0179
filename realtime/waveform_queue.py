"""Physiological signals on their way to the next frame, bounded and in order."""

from collections import deque
from collections.abc import Callable

import msgspec
import numpy as np

from messages import Waveform

_HEAD_BYTES = 64  # what packing adds to a waveform's samples, at most


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    flags: int
    measurement_uid: int
    scan_counter: int
    time_stamp: int
    sample_time_us: float
    waveform_id: int
    n_channels: int
    samples: bytes
    time_s: float | None


_packed = msgspec.msgpack.Decoder(list[_Packed])


class WaveformQueue:
    """What came since the last frame; the oldest gives way where it grows beyond its room.

    n_dropped: waveforms that no frame took along.
    """

    def __init__(self, room_bytes: int) -> None:
        self._room_bytes = room_bytes - _HEAD_BYTES
        self._waiting: deque[Waveform] = deque()
        self._n_bytes = 0
        self.n_dropped = 0

    def add(self, waveform: Waveform) -> None:
        """Keep a waveform for the next frame."""
        self._waiting.append(waveform)
        self._n_bytes += waveform.samples.nbytes + _HEAD_BYTES
        while self._n_bytes > self._room_bytes:
            self._n_bytes -= self._waiting.popleft().samples.nbytes + _HEAD_BYTES
            self.n_dropped += 1

    def take(self, time_of: Callable[[int], float | None]) -> bytes:
        """Return all that waits, packed, and forget it; empty where nothing does.

        time_of: ticks to scanner time.
        """
        if not self._waiting:
            return b""
        packed = msgspec.msgpack.encode(
            [_pack(one, time_of(one.time_stamp)) for one in self._waiting]
        )
        self._waiting.clear()
        self._n_bytes = 0
        return packed


def unpack_waveforms(packed: bytes) -> tuple[Waveform, ...]:
    """Return what `WaveformQueue.take` packed."""
    return tuple(_unpack(one) for one in _packed.decode(packed)) if packed else ()


def _pack(waveform: Waveform, time_s: float | None) -> _Packed:
    return _Packed(
        waveform.flags,
        waveform.measurement_uid,
        waveform.scan_counter,
        waveform.time_stamp,
        waveform.sample_time_us,
        waveform.waveform_id,
        waveform.samples.shape[0],
        np.ascontiguousarray(waveform.samples, np.uint32).tobytes(),
        time_s,
    )


def _unpack(packed: _Packed) -> Waveform:
    samples = np.frombuffer(packed.samples, np.uint32)
    return Waveform(
        flags=packed.flags,
        measurement_uid=packed.measurement_uid,
        scan_counter=packed.scan_counter,
        time_stamp=packed.time_stamp,
        sample_time_us=packed.sample_time_us,
        waveform_id=packed.waveform_id,
        samples=samples.reshape(packed.n_channels, -1) if samples.size else samples.reshape(0, 0),
        time_s=packed.time_s,
    )
