"""The simulator's own MRD v1 encoder, and just enough of a reader to receive results.

Layout: ISMRMRD 1.x, `ismrmrd.h` (packed structures, little-endian). Nothing here is shared with the
decoder under test.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIG_FILE, CONFIG_TEXT, HEADER, CLOSE, TEXT = 1, 2, 3, 4, 5
ACQUISITION, IMAGE, WAVEFORM = 1008, 1022, 1026

# Flag n of the standard is bit n - 1.
FIRST_IN_SLICE = 1 << 6
LAST_IN_SLICE = 1 << 7
FIRST_IN_REPETITION = 1 << 12
LAST_IN_REPETITION = 1 << 13
NOISE_MEASUREMENT = 1 << 18
PARALLEL_CALIBRATION = 1 << 19
PARALLEL_CALIBRATION_AND_IMAGING = 1 << 20
REVERSE = 1 << 21
NAVIGATION = 1 << 22
PHASE_CORRECTION = 1 << 23
LAST_IN_MEASUREMENT = 1 << 24
REAL_TIME_FEEDBACK = 1 << 27
COMPRESSED_NHLBI = 1 << 53

_COUNTERS = np.dtype(
    [
        ("kspace_encode_step_1", "<u2"),
        ("kspace_encode_step_2", "<u2"),
        ("average", "<u2"),
        ("slice", "<u2"),
        ("contrast", "<u2"),
        ("phase", "<u2"),
        ("repetition", "<u2"),
        ("set", "<u2"),
        ("segment", "<u2"),
        ("user", "<u2", (8,)),
    ]
)
ACQUISITION_HEAD = np.dtype(
    [
        ("version", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", (3,)),
        ("number_of_samples", "<u2"),
        ("available_channels", "<u2"),
        ("active_channels", "<u2"),
        ("channel_mask", "<u8", (16,)),
        ("discard_pre", "<u2"),
        ("discard_post", "<u2"),
        ("center_sample", "<u2"),
        ("encoding_space_ref", "<u2"),
        ("trajectory_dimensions", "<u2"),
        ("sample_time_us", "<f4"),
        ("position", "<f4", (3,)),
        ("read_dir", "<f4", (3,)),
        ("phase_dir", "<f4", (3,)),
        ("slice_dir", "<f4", (3,)),
        ("patient_table_position", "<f4", (3,)),
        ("idx", _COUNTERS),
        ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,)),
    ]
)
"""340 bytes, the same on the wire and in the HDF5 file."""

_ID_BYTES = 2
_IMAGE_HEAD_BYTES = 198
_SAMPLE_BYTES = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4, 6: 8, 7: 8, 8: 16}


def config_message(name: str) -> bytes:
    """Message 1: which protocol the client wants; 1024 bytes, NUL padded."""
    encoded = name.encode()
    if len(encoded) > 1023:
        raise ValueError(f"config name: {len(encoded)} bytes, expected at most 1023")
    return struct.pack("<H1024s", CONFIG_FILE, encoded)


def config_text_message(text: str) -> bytes:
    """Message 2: the configuration itself, with the NUL that FIRE counts in the length."""
    body = text.encode() + b"\0"
    return struct.pack("<HI", CONFIG_TEXT, len(body)) + body


def header_message(xml: bytes) -> bytes:
    """Message 3: the MRD header."""
    return struct.pack("<HI", HEADER, len(xml)) + xml


def close_message() -> bytes:
    """Message 4: nothing more will follow."""
    return struct.pack("<H", CLOSE)


def acquisition_message(
    head: NDArray[Any],
    samples: NDArray[np.complex64],
    trajectory: NDArray[np.float32] | None = None,
) -> bytes:
    """Message 1008 of a header row (0-d `ACQUISITION_HEAD`) and its complex64 (coil, sample).

    trajectory: float32 (sample, dimension); the header says how many dimensions.
    """
    body = np.ascontiguousarray(samples, dtype="<c8").tobytes()
    if trajectory is not None:
        body = np.ascontiguousarray(trajectory, dtype="<f4").tobytes() + body
    return struct.pack("<H", ACQUISITION) + head.tobytes() + body


def acquisition_head(message: bytes) -> NDArray[Any]:
    """Return a copy of the header (0-d) of an acquisition message."""
    found = struct.unpack_from("<H", message)[0]
    if found != ACQUISITION:
        raise ValueError(f"message {found}, expected {ACQUISITION} (acquisition)")
    return np.frombuffer(message, ACQUISITION_HEAD, 1, _ID_BYTES)[0:1].copy().reshape(())


def acquisition_samples(message: bytes) -> NDArray[np.complex64]:
    """Return the samples (coil, sample) of an acquisition message that is not compressed."""
    head = acquisition_head(message)
    n_samples, dimensions = int(head["number_of_samples"]), int(head["trajectory_dimensions"])
    start = _ID_BYTES + ACQUISITION_HEAD.itemsize + 4 * n_samples * dimensions
    flat = np.frombuffer(message, "<c8", offset=start)
    return flat.reshape(int(head["active_channels"]), n_samples)


def acquisition_trajectory(message: bytes) -> NDArray[np.float32]:
    """Return the trajectory (sample, dimension) of an acquisition message."""
    head = acquisition_head(message)
    n_samples, dimensions = int(head["number_of_samples"]), int(head["trajectory_dimensions"])
    start = _ID_BYTES + ACQUISITION_HEAD.itemsize
    flat = np.frombuffer(message, "<f4", n_samples * dimensions, start)
    return flat.reshape(n_samples, dimensions)


@dataclass(frozen=True, slots=True)
class Result:
    """What came back: the message's identifier and, for text, its words.

    series, index, matrix: of an image, its series index, its number and (x, y, z).
    """

    identifier: int
    text: str = ""
    series: int = -1
    index: int = -1
    matrix: tuple[int, int, int] = (0, 0, 0)


class ResultReader:
    """Cuts a server's byte stream into results; feed it whatever the socket gives."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> list[Result]:
        """Return the results that this chunk completes; raise ValueError at an unknown message."""
        self._pending += chunk
        results: list[Result] = []
        while True:
            cut = self._cut()
            if cut is None:
                return results
            result, size = cut
            del self._pending[:size]
            results.append(result)

    def _cut(self) -> tuple[Result, int] | None:
        pending = self._pending
        if len(pending) < _ID_BYTES:
            return None
        identifier: int = struct.unpack_from("<H", pending)[0]
        if identifier == CLOSE:
            return Result(CLOSE), _ID_BYTES
        if identifier == TEXT:
            return self._cut_text()
        if identifier == IMAGE:
            return self._cut_image()
        raise ValueError(f"server sent message {identifier}, expected 4, 5 or 1022")

    def _cut_text(self) -> tuple[Result, int] | None:
        pending = self._pending
        if len(pending) < 6:
            return None
        end = 6 + struct.unpack_from("<I", pending, 2)[0]
        if len(pending) < end:
            return None
        return Result(TEXT, bytes(pending[6:end]).decode(errors="replace").rstrip("\0")), end

    def _cut_image(self) -> tuple[Result, int] | None:
        pending = self._pending
        start = _ID_BYTES + _IMAGE_HEAD_BYTES
        if len(pending) < start + 8:
            return None
        data_type = struct.unpack_from("<H", pending, _ID_BYTES + 2)[0]
        x, y, z = struct.unpack_from("<3H", pending, _ID_BYTES + 16)
        channels = struct.unpack_from("<H", pending, _ID_BYTES + 34)[0]
        index, series = struct.unpack_from("<2H", pending, _ID_BYTES + 126)
        n_attribute_bytes = struct.unpack_from("<Q", pending, start)[0]
        if data_type not in _SAMPLE_BYTES:
            raise ValueError(f"image has data type {data_type}, expected 1 to 8")
        end = start + 8 + n_attribute_bytes + x * y * z * channels * _SAMPLE_BYTES[data_type]
        if len(pending) < end:
            return None
        return Result(IMAGE, series=series, index=index, matrix=(x, y, z)), int(end)
