"""A frame's maps as one binary message: a small JSON header, then whole numbers.

Maps have 16 bits a number; masks 8 where those suffice.

u32 little-endian length of the header, the header, arrays from byte 4 + length, each at its `byte`.
Code 0 means not valid, in every array; code c > 0 means offset + step · (c − 1). A value beyond the
range is clipped to its end. Of `regions` the value's bits are those of `Maps.region_bits`.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from messages import Maps

_LAST_CODE, _LAST_SMALL_CODE = 65535, 255
_COLDEST_C = -20.0
# name, unit, offset, step: 143.8 °C, 65.5 °C, 655 CEM43 min and 65.5 Gy are the last values
_SCALES = {
    "temperature_c": ("°C", _COLDEST_C, 0.0025),
    "temperature_std_c": ("°C", 0.0, 0.001),
    "dose_cem43_min": ("CEM43 min", 0.0, 0.01),
    "dose_gy": ("Gy", 0.0, 0.001),
}
_LEAST_STEP = 1e-30  # of an image without any signal
_ALIGNMENT = 4

Stream = tuple[str, int, int]
Codes = NDArray[np.uint8] | NDArray[np.uint16]


class Plane(msgspec.Struct, frozen=True):
    """Where one array stands, from the arrays' first byte, and what its codes mean."""

    name: str
    unit: str
    shape: tuple[int, ...]
    byte: int
    bits: int
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


@dataclass(slots=True, eq=False)
class Picture:
    """One map of one stream of images, for any number of browsers; drawn once, if one asks."""

    number: int
    stream: Stream
    _draw: Callable[[], bytes] | None
    _content: bytes = b""

    @property
    def content(self) -> bytes:
        """The binary message."""
        if self._draw is not None:
            self._content, self._draw = self._draw(), None
        return self._content


def stream_of(maps: Maps) -> Stream:
    """Return which images follow each other."""
    return maps.run_id, maps.key.slice, maps.key.contrast


def picture_of(maps: Maps, *, number: int, now_ms: float) -> Picture:
    """Return the picture of a frame, which is not drawn yet."""
    return Picture(number, stream_of(maps), lambda: draw(maps, number=number, now_ms=now_ms))


def draw(maps: Maps, *, number: int, now_ms: float) -> bytes:
    """Return a frame as a binary message: magnitude, and whatever else there is."""
    planes: list[Plane] = []
    arrays: list[bytes | memoryview] = []
    n_bytes = 0
    for name, unit, codes, offset, step in _planes(maps):
        planes.append(Plane(name, unit, codes.shape, n_bytes, 8 * codes.itemsize, offset, step))
        padding = (-codes.nbytes) % _ALIGNMENT
        arrays += codes.data, bytes(padding)
        n_bytes += codes.nbytes + padding
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
    return b"".join((struct.pack("<I", len(header)), header, *arrays))


def _planes(maps: Maps) -> Iterator[tuple[str, str, Codes, float, float]]:
    magnitude = maps.magnitude
    known = np.isfinite(magnitude)
    brightest = float(magnitude.max())
    if not np.isfinite(brightest):
        brightest = float(magnitude.max(initial=0.0, where=known))
    step = max(brightest / (_LAST_CODE - 1), _LEAST_STEP)
    yield "magnitude", "", _codes(magnitude, known, 0.0, step), 0.0, step
    for name, (unit, offset, step) in _SCALES.items():
        values = getattr(maps, name)
        if values is not None:
            yield name, unit, _codes(values, _known(maps, name), offset, step), offset, step
    for name, marks in (("target", maps.target_mask), ("regions", maps.region_bits)):
        if marks is not None:
            kind = "<u1" if int(marks.max(initial=0)) < _LAST_SMALL_CODE else "<u2"
            codes = marks.astype(kind)
            codes += 1
            yield name, "", codes, 0.0, 1.0


def _known(maps: Maps, name: str) -> NDArray[np.bool_]:
    """Return where a map says something; a dose without end is one, a temperature is none."""
    values: NDArray[np.float32] = getattr(maps, name)
    if name.startswith("dose"):
        return ~np.isnan(values)
    known = np.isfinite(values)
    return known if maps.valid is None else known & maps.valid


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
