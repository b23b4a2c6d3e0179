"""Readouts as Gadgetron's NHLBI compression packs them: fixed-point numbers of few bits."""

import struct

import numpy as np

from simulators.mrd import (
    COMPRESSED_NHLBI,
    acquisition_head,
    acquisition_message,
    acquisition_samples,
    acquisition_trajectory,
)


def compressed(message: bytes, *, bits: int) -> bytes:
    """Return an acquisition message with its samples packed and flag 54 set.

    bits: of each number, 2 to 31. After the trajectory: u32 size, then u64 count, f32 scale, u8
    bits, then count two's complement integers, least significant bit first; value = int / scale.
    """
    if not 2 <= bits <= 31:
        raise ValueError(f"{bits} bits, expected 2 to 31")
    head = acquisition_head(message)
    head["flags"] |= np.uint64(COMPRESSED_NHLBI)
    nothing = np.zeros((0, 0), np.complex64)
    start = acquisition_message(head, nothing, acquisition_trajectory(message))
    values = acquisition_samples(message).ravel().view(np.float32)
    most = 2 ** (bits - 1) - 1
    scale = np.float32(most / (float(np.abs(values).max(initial=0.0)) or 1.0))
    exact = values.astype(np.float64) * float(scale)  # float32 would round 31 bits up to 32
    integers = np.clip(np.rint(exact), -most, most).astype("<i4")
    packed = _packed(integers, bits)
    blob = struct.pack("<QfB", values.size, scale, bits) + packed
    return start + struct.pack("<I", len(blob)) + blob


def _packed(integers: np.ndarray[tuple[int, ...], np.dtype[np.int32]], bits: int) -> bytes:
    each = np.unpackbits(integers.view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    return np.packbits(each[:, :bits].ravel(), bitorder="little").tobytes()
