"""What a worker remembers does not grow with the treatment, whatever its method."""

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from messages import PowerLog
from realtime import pipeline
from realtime.checkpoint import CheckpointMemory
from realtime.mailbox import anonymous_memory
from tests.methods import CASES, N_BASELINE, HeatedDisc, build

N_FRAMES, EARLY = 120, 40
PLAYED = 10  # different frames, again and again


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0] + "+model" * bool(case[1]))
def test_state_and_checkpoint_stay_as_large_as_they_were(case):
    built, state = build(*case), pipeline.PipelineState()
    disc, memory = HeatedDisc(built), anonymous_memory("checkpoint", 0)
    n_first = N_BASELINE + 2
    frames = [disc.frame(n, 2.0 * max(n - n_first, 0)) for n in range(n_first + PLAYED)]
    power = PowerLog(np.array([2.0 * n_first]), np.array([20.0]))
    checkpoint, state_bytes, file_bytes = CheckpointMemory(memory), [], []
    for number in range(N_FRAMES):
        at = number if number < n_first else n_first + (number - n_first) % PLAYED
        rows = frames[at].readouts.copy()
        rows["time_s"] = 2.0 * number
        frame = replace(frames[at], frame_id=number, readouts=rows, time_s=2.0 * number)
        state, _, _ = pipeline.fold(built, state, frame, power)
        checkpoint.save(state)
        state_bytes.append(len(pickle.dumps(state)))
        file_bytes.append(os.fstat(memory).st_size)
    os.close(memory)
    # how much the heat model carries depends on the frame, not on their number
    assert max(state_bytes[-PLAYED:]) < 1.1 * max(state_bytes[:EARLY])
    assert file_bytes[-1] <= 1.1 * file_bytes[EARLY]
