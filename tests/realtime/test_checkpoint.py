"""The checkpoint: a writer may die at any moment, one whole state is always there."""

import os

import numpy as np
import pytest

from realtime.checkpoint import CheckpointMemory
from realtime.mailbox import anonymous_memory
from realtime.pipeline import PipelineState, SliceState

N_BYTES = 1 << 16


def state(value: int) -> PipelineState:
    masks = {"focus": np.full((1, 4, 4), value % 2, bool)}
    return PipelineState({(value, 0, 0, 0): SliceState(masks, previous_time_s=float(value))})


@pytest.fixture
def memory():
    fd = anonymous_memory("checkpoint", N_BYTES)
    yield fd
    os.close(fd)


def test_before_the_first_there_is_none(memory):
    assert CheckpointMemory(memory, N_BYTES).load() is None


def test_the_newest_is_found_by_another_process_s_view(memory):
    writer, reader = CheckpointMemory(memory, N_BYTES), CheckpointMemory(memory, N_BYTES)
    for frame in range(5):
        assert writer.save(frame, state(frame))
        found = reader.load()
        assert found.frame_id == frame
        assert found.state.slices[(frame, 0, 0, 0)].previous_time_s == frame


def test_one_that_does_not_fit_leaves_the_old_one(memory):
    writer = CheckpointMemory(memory, N_BYTES)
    writer.save(1, state(1))
    large = PipelineState({(0, 0, 0, 0): SliceState({"focus": np.zeros((1, 300, 300), bool)})})
    assert not writer.save(2, large)
    assert writer.load().frame_id == 1


def test_a_writer_that_dies_in_mid_write_leaves_the_old_one(memory, monkeypatch):
    writer = CheckpointMemory(memory, N_BYTES)
    writer.save(1, state(1))
    writer.save(2, state(2))

    class Dying:
        """Writes half of what it is given."""

        def __init__(self, real) -> None:
            self.real = real

        def __setitem__(self, place, content) -> None:
            half = slice(place.start, place.start + len(content) // 2)
            self.real[half] = content[: len(content) // 2]
            raise KeyboardInterrupt

    monkeypatch.setattr(writer, "_memory", Dying(writer._memory))
    with pytest.raises(KeyboardInterrupt):
        writer.save(3, state(3))
    found = CheckpointMemory(memory, N_BYTES).load()
    assert found.frame_id == 2
    assert found.state.slices[(2, 0, 0, 0)].previous_time_s == 2.0
