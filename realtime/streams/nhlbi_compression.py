"""The samples of a readout as NHLBI compresses them (MRD flag 54): scaled integers of few bits.

The blob is u64 number of floats, f32 scale, u8 bits, then that many two's-complement integers of so
many bits, packed from the least significant bit on; a value is its integer divided by the scale.
Facts from Gadgetron's CompressedFloatBuffer and from streams that its client sends.
"""

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOB_LENGTH = struct.Struct("<I")
BLOB_HEAD = struct.Struct("<QfB")
MAX_BITS = 32
_PADDING_BYTES = 7  # a writer works in words of 64 bits; some leave the last one whole
_WINDOW_BYTES = 8


class BlobHead(NamedTuple):
    """The fixed part of a blob."""

    n_floats: int
    scale: float
    bits: int


def length_problem(n_bytes: int, n_floats: int) -> str:
    """Say why no blob of so many floats can have this length; empty where one can."""
    least, most = _lengths(n_floats, 1)[0], _lengths(n_floats, MAX_BITS)[1]
    if least <= n_bytes <= most:
        return ""
    return f"announces {n_bytes} bytes for {n_floats} floats, expected {least} to {most}"


def blob_problem(head: BlobHead, n_bytes: int, n_floats: int) -> str:
    """Say what is wrong with a blob of this length in a readout of `n_floats`; empty if nothing."""
    if head.n_floats != n_floats:
        return f"holds {head.n_floats} floats, its readout's header says {n_floats}"
    if not 1 <= head.bits <= MAX_BITS:
        return f"has {head.bits} bits a float, expected 1 to {MAX_BITS}"
    if not head.scale > 0:
        return f"has a scale of {head.scale:g}, expected above 0"
    least, most = _lengths(n_floats, head.bits)
    if not least <= n_bytes <= most:
        exact = _exact_length(n_floats, head.bits)
        return f"has {n_bytes} bytes, expected {exact} for {n_floats} floats of {head.bits} bits"
    return ""


def decompress(head: BlobHead, packed: bytes | bytearray) -> NDArray[np.complex64]:
    """Return the samples of a checked blob, flat and read-only.

    packed: what follows the blob's head. What it lacks of the last floats is read as zero bits.
    """
    n_groups = -(-head.n_floats // 8)
    # Eight floats fill `bits` bytes, so the k-th of each eight stands at one place in its bytes:
    # eight strided passes, whatever the number of bits.
    room = np.zeros(n_groups * head.bits + _WINDOW_BYTES, np.uint8)
    n_bytes = min(len(packed), room.size)
    room[:n_bytes] = np.frombuffer(packed, np.uint8, n_bytes)
    values = np.empty((n_groups, 8), np.float32)
    for k in range(8):
        first_byte, first_bit = divmod(k * head.bits, 8)
        window: NDArray[np.int64] = np.ndarray(
            n_groups, "<i8", buffer=room.data, offset=first_byte, strides=(head.bits,)
        )
        # up to the sign bit, and down again with the sign
        values[:, k] = (window << (64 - head.bits - first_bit)) >> (64 - head.bits)
    with np.errstate(over="ignore"):
        values /= np.float32(head.scale)
    samples = values.reshape(-1)[: head.n_floats].view(np.complex64)
    samples.flags.writeable = False
    return samples


def _exact_length(n_floats: int, bits: int) -> int:
    return BLOB_HEAD.size + -(-n_floats * bits // 8)


def _lengths(n_floats: int, bits: int) -> tuple[int, int]:
    """Return the least and the greatest length that is taken."""
    exact = _exact_length(n_floats, bits)
    # Gadgetron divides in float32, which rounds beyond 2 MiB, and asks for that very length.
    rounded = BLOB_HEAD.size + int(np.ceil(np.float32(n_floats * bits) / np.float32(8)))
    return min(exact, rounded), max(exact, rounded) + _PADDING_BYTES
