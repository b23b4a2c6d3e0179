"""NHLBI compression written out bit by bit, as the referee of the fast one."""

import struct
from dataclasses import replace

import numpy as np

from messages import Acquisition
from messages.acquisition import COMPRESSED_NHLBI
from realtime.streams.mrd_encoder import encode_acquisition


def pack(integers: list[int], bits: int) -> bytes:
    """Two's complement, the least significant bit first, as one long number."""
    number = sum((value & ((1 << bits) - 1)) << (bits * k) for k, value in enumerate(integers))
    return number.to_bytes(-(-len(integers) * bits // 8), "little")


def blob(integers: list[int], bits: int, scale: float) -> bytes:
    return struct.pack("<QfB", len(integers), scale, bits) + pack(integers, bits)


def compressed(acquisition: Acquisition, bits: int = 12) -> tuple[bytes, np.ndarray]:
    """Return the message, and the samples that it stands for."""
    floats = acquisition.samples.reshape(-1).view(np.float32)
    scale = np.float32((2 ** (bits - 1) - 1) / np.abs(floats).max())
    integers = np.round(floats * scale).astype(np.int64)
    flagged = replace(acquisition, flags=acquisition.flags | COMPRESSED_NHLBI)
    plain = encode_acquisition(flagged)
    packed = blob(integers.tolist(), bits, float(scale))
    head = plain[: len(plain) - acquisition.samples.nbytes]
    samples = (integers.astype(np.float32) / scale).view(np.complex64)
    return head + struct.pack("<I", len(packed)) + packed, samples.reshape(
        acquisition.samples.shape
    )
