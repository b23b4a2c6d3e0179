"""What the fuzzer begins with, without the fuzzer: `make test` needs no atheris."""

import numpy as np
import pytest

from simulators.mutations import OPERATORS, mutant
from simulators.whole_sessions import whole_sessions
from tests.fuzz import fuzz_mrd_decoder as fuzz

CORPUS = fuzz.corpus()


@pytest.mark.parametrize("name", CORPUS)
def test_each_input_of_the_corpus_is_decoded(name):
    n_events = fuzz.try_one(CORPUS[name])
    if name in whole_sessions():
        assert n_events == len(whole_sessions()[name])
    else:
        assert n_events > 0 or name.startswith("reply-")


def test_mutants_are_events_or_one_line():
    sessions = [list(one) for one in whole_sessions().values()]
    seen = set()
    for number in range(150):
        harmed = mutant(sessions, np.random.default_rng([7, number]))
        seen |= set(harmed.harms)
        fuzz.try_one(bytes([number & 7]) + harmed.data)
    assert seen == set(OPERATORS)


def test_the_target_notices_memory_and_other_errors(monkeypatch):
    whole = CORPUS["gre"]
    monkeypatch.setattr(fuzz, "MOST_BYTES", -fuzz.TIMES_INPUT * len(whole))
    with pytest.raises(fuzz.TooMuchMemoryError):
        fuzz.try_one(whole)

    def fails(*_):
        raise KeyError("x")

    monkeypatch.setattr(fuzz.Decoder, "feed", fails)
    with pytest.raises(KeyError):
        fuzz.try_one(whole)
