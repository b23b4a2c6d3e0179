"""A frame's maps as one binary message: a small JSON header, then whole numbers of 16 bits.

u32 little-endian length of the header, the header, arrays from byte 4 + length, each at its `byte`.
Code 0 means not valid, in every array; code c > 0 means offset + step · (c − 1). A value beyond the
range is clipped to its end.
"""

import struct
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from messages import Maps

_LAST_CODE = 65535
_COLDEST_C = -20.0
_STEP_C = 0.0025  # up to 143.8 °C
_LEAST_STEP = 1e-30  # of an image without any signal
_ALIGNMENT = 4

Stream = tuple[str, int, int]


class Plane(msgspec.Struct, frozen=True):
    """Where one array stands, from the arrays' first byte, and what its codes mean."""

    name: str
    unit: str
    shape: tuple[int, ...]
    byte: int
    offset: float
    step: float


class PictureHeader(msgspec.Struct, tag="picture", frozen=True):
    """Which frame this is. number: counts the page's pictures; heard_ms: by the page's clock."""

    number: int
    run_id: str
    frame_id: int
    slice: int
    contrast: int
    time_s: float | None
    heard_ms: float
    fov_mm: tuple[float, float, float]
    planes: list[Plane]


@dataclass(frozen=True, slots=True)
class Picture:
    """One map of one stream of images, ready to be sent to any number of browsers."""

    number: int
    stream: Stream
    content: bytes


def stream_of(maps: Maps) -> Stream:
    """Return which images follow each other."""
    return maps.run_id, maps.key.slice, maps.key.contrast


def draw(maps: Maps, *, number: int, now_ms: float) -> Picture:
    """Return the picture of a frame: magnitude, and temperature or target where there is one."""
    planes: list[Plane] = []
    arrays: list[bytes] = []
    n_bytes = 0
    for name, unit, codes, offset, step in _planes(maps):
        planes.append(Plane(name, unit, codes.shape, n_bytes, offset, step))
        arrays.append(codes.tobytes())
        n_bytes += codes.nbytes + (-codes.nbytes) % _ALIGNMENT
        arrays.append(bytes((-codes.nbytes) % _ALIGNMENT))
    head = PictureHeader(
        number=number,
        run_id=maps.run_id,
        frame_id=maps.frame_id,
        slice=maps.key.slice,
        contrast=maps.key.contrast,
        time_s=maps.time_s,
        heard_ms=now_ms,
        fov_mm=maps.fov_mm,
        planes=planes,
    )
    header = msgspec.json.encode(head)
    header += b" " * ((-len(header)) % _ALIGNMENT)
    content = b"".join((struct.pack("<I", len(header)), header, *arrays))
    return Picture(number, stream_of(maps), content)


def _planes(maps: Maps) -> list[tuple[str, str, NDArray[np.uint16], float, float]]:
    magnitude = maps.magnitude
    known = np.isfinite(magnitude)
    brightest = float(magnitude.max())
    if not np.isfinite(brightest):
        brightest = float(magnitude.max(initial=0.0, where=known))
    step = max(brightest / (_LAST_CODE - 1), _LEAST_STEP)
    planes = [("magnitude", "", _codes(magnitude, known, 0.0, step), 0.0, step)]
    if maps.temperature_c is not None:
        known = np.isfinite(maps.temperature_c)
        if maps.valid is not None:
            known &= maps.valid
        codes = _codes(maps.temperature_c, known, _COLDEST_C, _STEP_C)
        planes.append(("temperature_c", "°C", codes, _COLDEST_C, _STEP_C))
    if maps.target_mask is not None:
        planes.append(("target", "", maps.target_mask.astype("<u2") + np.uint16(1), 0.0, 1.0))
    return planes


def _codes(
    values: NDArray[np.float32], known: NDArray[np.bool_], offset: float, step: float
) -> NDArray[np.uint16]:
    # what is not known may overflow, and casts to any code; it is 0 in the end
    with np.errstate(over="ignore", invalid="ignore"):
        # half a code more, since a cast cuts off
        scaled = values * np.float32(1 / step)
        scaled += np.float32(1.5 - offset / step)
        np.clip(scaled, 1, _LAST_CODE, out=scaled)
        codes = scaled.astype("<u2")
    codes *= known
    return codes
