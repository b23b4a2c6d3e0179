"""The worker's memory, kept where a lost worker leaves it: two halves, one of them always whole."""

import mmap
import pickle
from dataclasses import dataclass

import numpy as np

from realtime.pipeline import PipelineState

_CONTROL_BYTES = 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was known after one frame."""

    frame_id: int
    state: PipelineState


class CheckpointMemory:
    """A checkpoint in anonymous shared memory that the gateway owns.

    Only our own worker writes it, so unpickling it trusts nobody else.
    """

    def __init__(self, fd: int, n_bytes: int) -> None:
        self._memory = mmap.mmap(fd, n_bytes)
        self._half_bytes = (n_bytes - _CONTROL_BYTES) // 2
        # which half is whole (0: none yet, 1, 2), then length and frame of each
        self._control = np.frombuffer(self._memory, np.int64, count=5)

    def save(self, frame_id: int, state: PipelineState) -> bool:
        """Write the half that is not in use, then make it the one in use. False: too large."""
        content = pickle.dumps(state, protocol=5)
        if len(content) > self._half_bytes:
            return False
        half = 1 if self._control[0] == 2 else 2
        start = _CONTROL_BYTES + (half - 1) * self._half_bytes
        self._memory[start : start + len(content)] = content
        self._control[2 * half - 1], self._control[2 * half] = len(content), frame_id
        self._control[0] = half
        return True

    def load(self) -> Checkpoint | None:
        """Return the last whole checkpoint, None before the first."""
        half = int(self._control[0])
        if half == 0:
            return None
        start = _CONTROL_BYTES + (half - 1) * self._half_bytes
        length, frame_id = int(self._control[2 * half - 1]), int(self._control[2 * half])
        return Checkpoint(frame_id, pickle.loads(self._memory[start : start + length]))
