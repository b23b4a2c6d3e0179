"""Messages of OpenIGTLink as bytes: header version 1, which every version of the protocol reads.

All numbers are big-endian but an image's own. Sources: the protocol's pages on header, image,
transform, status and string, version 3.0 of January 2017. Knows no socket and no clock.
"""

import struct
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from realtime.outputs.openigtlink.crc64 import crc64

MOST_NAME_BYTES = 20
HEADER = struct.Struct(">H12s20sIIQQ")
_VERSION = 1
_IMAGE = struct.Struct(">HBBBB3H12f6H")
_IMAGE_VERSION, _ONE_COMPONENT, _LITTLE_ENDIAN, _RAS = 1, 1, 2, 1
_SCALARS = {np.dtype(np.uint16): 5, np.dtype(np.float32): 10}
_TRANSFORM = struct.Struct(">12f")
_STATUS = struct.Struct(">Hq20s")
_STRING = struct.Struct(">HH")
_ASCII, _UTF8 = 3, 106  # by IANA's list of character sets
_MOST_TEXT_BYTES = 2000

Matrix = NDArray[np.float64]


class Code(IntEnum):
    """What a STATUS says: those of the protocol's codes that we use."""

    OK = 1
    NOT_FOUND = 4
    BUSY = 6
    CONNECTION_LOST = 7
    OVERFLOW = 8
    CHECKSUM_ERROR = 9
    ILLEGAL_INSTRUCTION = 12
    NOT_READY = 13
    DISABLED = 15


def message(kind: str, device: str, body: bytes = b"", *, utc_s: float) -> bytes:
    """Return one message.

    kind: at most 12 bytes; device: at most 20. utc_s: when what it tells was so, since 1970.
    Raises ValueError for a name that does not fit: a name that is cut may be another's.
    """
    names = kind.encode(), device.encode()
    for name, most in zip(names, (12, MOST_NAME_BYTES), strict=True):
        if len(name) > most:
            raise ValueError(f"OpenIGTLink name {name.decode()!r}: expected at most {most} bytes")
    seconds, fraction = divmod(round(utc_s * 2**32), 2**32)
    return HEADER.pack(_VERSION, *names, seconds, fraction, len(body), crc64(body)) + body


def image(device: str, voxels: NDArray[np.generic], voxel_to_ras: Matrix, *, utc_s: float) -> bytes:
    """Return an IMAGE of float32 or uint16.

    voxels: (z, y, x), x is the protocol's i. voxel_to_ras: (4, 4), from the middle of voxel
        (i, j, k) to mm. The protocol carries the middle of the image instead of that of the first
        voxel; Slicer takes all images for RAS, whatever they say.
    """
    n_k, n_j, n_i = voxels.shape
    middle = voxel_to_ras @ ((n_i - 1) / 2, (n_j - 1) / 2, (n_k - 1) / 2, 1.0)
    head = _IMAGE.pack(
        _IMAGE_VERSION, _ONE_COMPONENT, _SCALARS[voxels.dtype.newbyteorder("=")], _LITTLE_ENDIAN,
        _RAS, n_i, n_j, n_k, *voxel_to_ras[:3, :3].T.flat, *middle[:3], 0, 0, 0, n_i, n_j, n_k,
    )  # fmt: skip
    little = voxels.astype(voxels.dtype.newbyteorder("<"), copy=False)
    return message("IMAGE", device, head + little.tobytes(), utc_s=utc_s)


def transform(device: str, matrix: Matrix, *, utc_s: float) -> bytes:
    """Return a TRANSFORM. matrix: (4, 4), mm, RAS."""
    body = _TRANSFORM.pack(*matrix[:3].T.flat)
    return message("TRANSFORM", device, body, utc_s=utc_s)


def status(  # a name for people and a number for programs
    device: str, code: Code, name: str, text: str, *, sub_code: int = 0, utc_s: float
) -> bytes:
    """Return a STATUS. name: at most 20 bytes, more is cut; sub_code: what the device likes."""
    body = _STATUS.pack(code, sub_code, name.encode()) + _cut(text) + b"\0"
    return message("STATUS", device, body, utc_s=utc_s)


def string(device: str, text: str, *, utc_s: float) -> bytes:
    """Return a STRING, of 2000 bytes at most."""
    content = _cut(text)
    encoding = _ASCII if text.isascii() else _UTF8
    return message("STRING", device, _STRING.pack(encoding, len(content)) + content, utc_s=utc_s)


def _cut(text: str) -> bytes:
    return text.encode()[:_MOST_TEXT_BYTES].decode(errors="ignore").encode()
