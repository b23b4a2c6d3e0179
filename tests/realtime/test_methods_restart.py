"""A worker that dies in mid-training or in mid-heating, for every method: what the next one does.

The checkpoint is all that the next one has. It goes on with the training where it stood, measures
what the dead one would have measured, and says that the dose was interrupted.
"""

import os

import numpy as np
import pytest

from messages import PowerLog
from realtime import pipeline
from realtime.checkpoint import CheckpointMemory
from realtime.mailbox import anonymous_memory
from tests.methods import CASES, N_BASELINE, HeatedDisc, N, build

# °C above body, by frame; the frame that the dead worker had in hand is lost
RISES_C = (*(0.0,) * N_BASELINE, 0.0, 6.0, 9.0, 11.0, 12.0)
POWER = PowerLog(np.array([2.0 * N_BASELINE]), np.array([30.0]))


def run(built, disc, numbers, state=None, *, checkpoint=None):
    """Fold frames; return the state, the verdicts and the maps by frame."""
    state, verdicts, maps = state or pipeline.PipelineState(), {}, {}
    for number in numbers:
        frame = disc.frame(number, RISES_C[number])
        state, verdicts[number], maps[number] = pipeline.fold(built, state, frame, POWER)
        if checkpoint is not None:
            checkpoint.save(state)
    return state, verdicts, maps


@pytest.fixture
def memory():
    fd = anonymous_memory("checkpoint", 0)
    yield fd
    os.close(fd)


def restarted(fd, case):
    """What the next worker begins with: a pipeline of its own, and what was kept."""
    kept = CheckpointMemory(fd).load()
    return build(*case), pipeline.interrupt(kept)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0] + "+model" * bool(case[1]))
@pytest.mark.parametrize("killed_in", [2, N_BASELINE + 2], ids=["training", "heating"])
def test_the_next_worker_goes_on_where_the_last_one_stood(memory, case, killed_in):
    built = build(*case)
    disc, n_frames = HeatedDisc(built), len(RISES_C)
    others = [n for n in range(n_frames) if n != killed_in]
    _, _, expected = run(built, disc, others)
    run(built, disc, range(killed_in), checkpoint=CheckpointMemory(memory))
    again, state = restarted(memory, case)
    _, verdicts, maps = run(again, disc, range(killed_in + 1, n_frames), state)
    for number, found in maps.items():
        one = expected[number]
        assert found.temperature_c.tobytes() == one.temperature_c.tobytes(), number
        assert found.valid.tobytes() == one.valid.tobytes()
    for verdict in verdicts.values():
        assert "dose-interrupted" in {finding.rule for finding in verdict.findings}
    last = n_frames - 1
    at = (0, N // 2, N // 2)
    if case[0] != "kspace-hybrid":  # of three coils it need not believe what folds onto the focus
        assert maps[last].valid[at]
        assert abs(maps[last].temperature_c[at] - 37.0 - RISES_C[last]) < 3.0
    if not case[1]:  # the heat model knows what happens in a gap, all others count nothing there
        assert maps[last].dose_cem43_min[at] <= expected[last].dose_cem43_min[at]
        assert maps[last].arrhenius_omega[at] <= expected[last].arrhenius_omega[at]
    if killed_in > N_BASELINE and not case[1] and maps[last].valid[at]:
        # an interval on each side of the lost frame is not counted
        assert maps[last].dose_cem43_min[at] < 0.9 * expected[last].dose_cem43_min[at]
        assert maps[last].arrhenius_omega[at] < 0.9 * expected[last].arrhenius_omega[at]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0] + "+model" * bool(case[1]))
def test_what_lasts_is_not_written_with_each_frame(memory, case):
    """Otherwise a library of twenty images costs its hundred megabytes at each frame."""
    built = build(*case)
    disc = HeatedDisc(built)
    checkpoint, written = CheckpointMemory(memory), []
    store = checkpoint._store
    checkpoint._store = lambda start, part: (written.append(len(part)), store(start, part))
    sizes, state = [], pipeline.PipelineState()
    for number in range(len(RISES_C)):
        written.clear()
        state, _, _ = pipeline.fold(built, state, disc.frame(number, RISES_C[number]), POWER)
        checkpoint.save(state)
        sizes.append(sum(written))
    # dose and damage: 1.2 MB at 128², and less than twice that with all else; the heat model's box
    # around a target has the same size on any matrix
    model_bytes = 1.5e6 if case[1] else 0
    assert sizes[-1] < 2.4e6 * (N / 128) ** 2 + 60_000 + model_bytes
