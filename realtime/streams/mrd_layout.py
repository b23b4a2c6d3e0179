"""Where each field of an MRD version 1 message stands: ids, structures, offsets.

ISMRMRD's ismrmrd.h and serialization.cpp; little-endian throughout. Acquisition and image headers
are packed to 2 bytes, the waveform header keeps its natural alignment.
"""

import struct
from typing import Any, NamedTuple

import numpy as np

CONFIG_FILE = 1
CONFIG_TEXT = 2
HEADER = 3
CLOSE = 4
TEXT = 5
QUERY = 6
RESPONSE = 7
ACQUISITION = 1008
IMAGE = 1022
WAVEFORM = 1026

NAMES = {
    CONFIG_FILE: "CONFIG_FILE",
    CONFIG_TEXT: "CONFIG_TEXT",
    HEADER: "HEADER",
    CLOSE: "CLOSE",
    TEXT: "TEXT",
    QUERY: "QUERY",
    RESPONSE: "RESPONSE",
    ACQUISITION: "ACQUISITION",
    IMAGE: "IMAGE",
    WAVEFORM: "WAVEFORM",
}
UNSUPPORTED = {
    1018: "DICOM_WITHNAME",
    1019: "DEPENDENCY_QUERY",
    1023: "RECONDATA",
    1024: "IMAGE_ARRAY",
    1030: "NDARRAY",
    1050: "BUCKET",
    1051: "BUNDLE",
}
DEPRECATED = frozenset({*range(1001, 1008), *range(1009, 1018), 1020, 1021})

VERSION = 1  # of a readout's header; ismrmrd's own initialisers leave 0
CONFIG_FILE_BYTES = 1024
MAX_CHANNELS = 1024  # the width of channel_mask: 16 words of 64 bits
MAX_TRAJECTORY_DIMENSIONS = 4

ENCODING_COUNTERS = np.dtype(
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
ACQUISITION_HEADER = np.dtype(
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
        ("idx", ENCODING_COUNTERS),
        ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,)),
    ]
)
IMAGE_HEADER = np.dtype(
    [
        ("version", "<u2"),
        ("data_type", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("matrix_size", "<u2", (3,)),
        ("field_of_view", "<f4", (3,)),
        ("channels", "<u2"),
        ("position", "<f4", (3,)),
        ("read_dir", "<f4", (3,)),
        ("phase_dir", "<f4", (3,)),
        ("slice_dir", "<f4", (3,)),
        ("patient_table_position", "<f4", (3,)),
        ("average", "<u2"),
        ("slice", "<u2"),
        ("contrast", "<u2"),
        ("phase", "<u2"),
        ("repetition", "<u2"),
        ("set", "<u2"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", (3,)),
        ("image_type", "<u2"),
        ("image_index", "<u2"),
        ("image_series_index", "<u2"),
        ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,)),
        ("attribute_string_len", "<u4"),
    ]
)
WAVEFORM_HEADER = np.dtype(
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

IMAGE_DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<u2"),
    2: np.dtype("<i2"),
    3: np.dtype("<u4"),
    4: np.dtype("<i4"),
    5: np.dtype("<f4"),
    6: np.dtype("<f8"),
    7: np.dtype("<c8"),
    8: np.dtype("<c16"),
}

MESSAGE_ID = struct.Struct("<H")
TEXT_LENGTH = struct.Struct("<I")
ATTRIBUTE_LENGTH = struct.Struct("<Q")
QUERY_HEAD = struct.Struct("<QQQ")  # reserved, correlation id, length
RESPONSE_HEAD = struct.Struct("<QQ")  # correlation id, length

# A struct is four times as fast as a numpy record for one readout at a time. Skipped: the channel
# mask, which real files leave at zero, and the user fields. The five vectors stay bytes, because
# they hardly ever change from readout to readout.
READOUT_HEAD = struct.Struct("<HQIII3IHHH128xHHHHHf60s9H16x64x")
POSE = struct.Struct("<15f")
WAVEFORM_HEAD = struct.Struct("<H6xQIIIHHfH2x")
IMAGE_HEAD = struct.Struct("<HH12x3H12xH162x")  # version, data_type, matrix_size, channels


class ReadoutHead(NamedTuple):
    """The fields of an acquisition header that the monitor uses, in wire order."""

    version: int
    flags: int
    measurement_uid: int
    scan_counter: int
    acquisition_time_stamp: int
    physiology_time_stamp_1: int
    physiology_time_stamp_2: int
    physiology_time_stamp_3: int
    number_of_samples: int
    available_channels: int
    active_channels: int
    discard_pre: int
    discard_post: int
    center_sample: int
    encoding_space_ref: int
    trajectory_dimensions: int
    sample_time_us: float
    pose: bytes
    kspace_encode_step_1: int
    kspace_encode_step_2: int
    average: int
    slice: int
    contrast: int
    phase: int
    repetition: int
    set: int
    segment: int

    @property
    def trajectory_bytes(self) -> int:
        """Length of the trajectory that follows the header."""
        return self.number_of_samples * self.trajectory_dimensions * 4

    @property
    def samples_bytes(self) -> int:
        """Length of the samples that follow the trajectory."""
        return self.number_of_samples * self.active_channels * 8


class WaveformHead(NamedTuple):
    """The fields of a waveform header, in wire order."""

    version: int
    flags: int
    measurement_uid: int
    scan_counter: int
    time_stamp: int
    number_of_samples: int
    channels: int
    sample_time_us: float
    waveform_id: int
