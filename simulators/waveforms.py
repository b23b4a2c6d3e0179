"""The simulator's own encoder of MRD waveforms: ISMRMRD 1.4, `waveform.h`, little-endian."""

import struct

import numpy as np
from numpy.typing import NDArray

from simulators.mrd import WAVEFORM

WAVEFORM_HEAD = np.dtype(
    {
        "names": [
            "version",
            "flags",
            "measurement_uid",
            "scan_counter",
            "time_stamp",
            "number_of_samples",
            "channels",
            "sample_time_us",
            "waveform_id",
        ],
        "formats": ["<u2", "<u8", "<u4", "<u4", "<u4", "<u2", "<u2", "<f4", "<u2"],
        "offsets": [0, 8, 16, 20, 24, 28, 30, 32, 36],
        "itemsize": 40,
    }
)
"""40 bytes: aligned to 8, unlike the acquisition's."""

_ID_BYTES = 2


def waveform_message(
    samples: NDArray[np.uint32],
    *,
    waveform_id: int,
    sample_time_us: float,
    time_stamp: int,
    scan_counter: int,
) -> bytes:
    """Message 1026 of a stretch of signal, uint32 (channel, sample).

    waveform_id: 0 ECG, 1 pulse, 2 respiration. time_stamp: of the first sample, in scanner ticks.
    """
    head = np.zeros((), WAVEFORM_HEAD)
    head["version"] = 1
    head["measurement_uid"] = 1
    head["scan_counter"] = scan_counter
    head["time_stamp"] = time_stamp
    head["channels"], head["number_of_samples"] = samples.shape
    head["sample_time_us"] = sample_time_us
    head["waveform_id"] = waveform_id
    body = np.ascontiguousarray(samples, dtype="<u4").tobytes()
    return struct.pack("<H", WAVEFORM) + head.tobytes() + body


def is_waveform(message: bytes) -> bool:
    """Whether this is message 1026."""
    return bool(struct.unpack_from("<H", message)[0] == WAVEFORM)


def waveform_head(message: bytes) -> NDArray[np.void]:
    """Return a copy of the header (0-d) of a waveform message."""
    return np.frombuffer(message, WAVEFORM_HEAD, 1, _ID_BYTES).copy().reshape(())


def waveform_samples(message: bytes) -> NDArray[np.uint32]:
    """Return the samples (channel, sample) of a waveform message."""
    head = waveform_head(message)
    flat = np.frombuffer(message, "<u4", offset=_ID_BYTES + WAVEFORM_HEAD.itemsize)
    return flat.reshape(int(head["channels"]), int(head["number_of_samples"]))
