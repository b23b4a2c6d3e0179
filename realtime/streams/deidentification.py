"""A recording without the person: header by allow-list, readouts without names, ids and times."""

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from realtime.streams import mrd_layout as layout
from realtime.streams.header_allow_list import deidentified_xml
from realtime.streams.mrd_encoder import encode_config_file, encode_header
from realtime.streams.mrd_header import parse_header
from realtime.streams.pacing import ticks_of
from realtime.streams.recording import RecordedMessage, Recording
from realtime.streams.time_stamps import ScannerClock, decide_unit

FIRST_TICKS = 1_000_000
"""The time stamp of the first readout: the same for every recording, so that it tells no hour."""

# What reconstruction needs of a readout. Left out: measurement_uid, physiology_time_stamp, user_int
# and user_float, which mean what a site wants them to mean.
_KEPT = (
    "version",
    "flags",
    "scan_counter",
    "number_of_samples",
    "available_channels",
    "active_channels",
    "channel_mask",
    "discard_pre",
    "discard_post",
    "center_sample",
    "encoding_space_ref",
    "trajectory_dimensions",
    "sample_time_us",
    "position",
    "read_dir",
    "phase_dir",
    "slice_dir",
    "patient_table_position",
    "idx",
)
_HEAD = slice(2, 2 + layout.ACQUISITION_HEADER.itemsize)
_WAVEFORM_HEAD = slice(2, 2 + layout.WAVEFORM_HEADER.itemsize)


def deidentified(
    recording: Recording, *, config_names: Collection[str]
) -> Iterator[RecordedMessage]:
    """Yield the messages that may be shared, in order; the recording is read twice.

    config_names: configurations that may stay named. Kept are header, readouts, waveforms and
    CLOSE; texts, queries and images are dropped. Raises MonitorError where the recording is damaged
    or its header holds what is needed and not on the allow-list.
    """
    header = deidentified_xml(recording.header_xml)
    shift = _Shift(recording)
    for message in recording.messages():
        if message.kind == layout.HEADER:
            yield RecordedMessage(layout.HEADER, encode_header(header))
        elif message.kind == layout.ACQUISITION:
            yield _readout(message, shift)
        elif message.kind == layout.WAVEFORM:
            yield _waveform(message, shift)
        elif message.kind == layout.CLOSE:
            yield message
        elif message.kind == layout.CONFIG_FILE and (
            config := kept_config(message.data[2:], config_names)
        ):
            yield RecordedMessage(layout.CONFIG_FILE, config)


def kept_config(text: bytes, config_names: Collection[str]) -> bytes:
    """Return the message that names a configuration, empty where the name may not stay."""
    name = text.partition(b"\0")[0].decode("utf-8", errors="replace")
    is_kept = name.removesuffix(".xml").removesuffix(".toml") in config_names
    return encode_config_file(name) if is_kept else b""


class _Shift:
    """Moves time stamps so that the first readout stands at FIRST_TICKS, wraps undone."""

    def __init__(self, recording: Recording) -> None:
        header = parse_header(recording.header_xml)
        ticks = ticks_of(recording.messages())
        is_moving = ticks.size > 0 and bool(np.any(ticks != ticks[0]))
        # stamps that stand still are no clock, and stay none
        self._start = FIRST_TICKS if is_moving else 0
        decision = decide_unit(ticks, vendor=header.system_vendor, tr_s=header.repetition_time_s)
        first = int(ticks[0]) if ticks.size else None
        self._clock = ScannerClock(decision=decision, last_ticks=first)

    def readout(self, ticks: int) -> int:
        """Return a readout's new stamp; call it in order."""
        self._clock = self._advanced(ticks)
        return self._stamp(self._clock)

    def waveform(self, ticks: int) -> int:
        """Return a waveform's new stamp, on the readouts' clock."""
        return self._stamp(self._advanced(ticks))

    def _advanced(self, ticks: int) -> ScannerClock:
        return self._clock.advance(np.array([ticks], np.uint32))[0]

    def _stamp(self, clock: ScannerClock) -> int:
        return (self._start + clock.elapsed_ticks) % (1 << 32)


def _readout(message: RecordedMessage, shift: _Shift) -> RecordedMessage:
    source = np.frombuffer(message.data[_HEAD], layout.ACQUISITION_HEADER)[0]
    head = np.zeros((), layout.ACQUISITION_HEADER)
    for name in _KEPT:
        head[name] = source[name]
    stamp = shift.readout(int(source["acquisition_time_stamp"]))
    head["acquisition_time_stamp"] = stamp
    data = message.data[: _HEAD.start] + head.tobytes() + message.data[_HEAD.stop :]
    return replace(message, data=data, acquisition_time_stamp=stamp)


def _waveform(message: RecordedMessage, shift: _Shift) -> RecordedMessage:
    head = layout.WaveformHead._make(layout.WAVEFORM_HEAD.unpack(message.data[_WAVEFORM_HEAD]))
    kept = head._replace(measurement_uid=0, time_stamp=shift.waveform(head.time_stamp))
    data = message.data[:2] + layout.WAVEFORM_HEAD.pack(*kept)
    return replace(message, data=data + message.data[_WAVEFORM_HEAD.stop :])
