"""Mutated sessions from bytes to mailbox: a few of the 10^5 of `benchmarks/mutation.py`."""

import numpy as np
import pytest

from benchmarks._mutated_session import Conversation
from simulators.mutations import mutant
from simulators.whole_sessions import whole_sessions

SESSIONS = whole_sessions()


@pytest.mark.parametrize("name", SESSIONS)
def test_a_sound_session_is_served_whole(name):
    rng = np.random.default_rng(5)
    played = Conversation(rng).play(b"".join(SESSIONS[name]))
    assert played.error == ""
    assert played.n_answers == played.n_frames > 1


@pytest.mark.parametrize("block", range(4))
def test_a_mutant_is_served_or_refused_and_each_frame_answered_once(block):
    """Conversation raises where a law is broken; whatever else is raised fails the test too."""
    sessions = [list(one) for one in SESSIONS.values()]
    n_refused = 0
    for number in range(75):
        rng = np.random.default_rng([11, block, number])
        n_refused += bool(Conversation(rng).play(mutant(sessions, rng).data).error)
    assert 0 < n_refused < 75
