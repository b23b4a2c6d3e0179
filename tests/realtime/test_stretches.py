"""A set of numbers that grows with its gaps alone."""

from hypothesis import given
from hypothesis import strategies as st

from realtime.stretches import Stretches

STEPS = st.lists(st.tuples(st.sampled_from(["add", "discard"]), st.integers(-3, 20)), max_size=60)


@given(STEPS)
def test_it_holds_what_a_set_holds(steps):
    numbers, expected = Stretches(), set()
    for name, number in steps:
        getattr(numbers, name)(number)
        getattr(expected, name)(number)
        assert list(numbers) == sorted(expected)
        assert len(numbers) == len(expected)
        assert [one in numbers for one in range(-5, 25)] == [
            one in expected for one in range(-5, 25)
        ]
    gaps = sum(one + 1 not in expected for one in expected)
    assert numbers.n_stretches == gaps


def test_numbers_without_a_gap_are_one_stretch():
    numbers = Stretches()
    numbers |= range(100_000)
    assert numbers.n_stretches == 1
    numbers -= {7}
    assert numbers.n_stretches == 2
    assert 7 not in numbers
    assert "7" not in numbers


def test_beyond_the_most_the_lowest_stretch_is_forgotten():
    numbers = Stretches(most=3)
    numbers |= range(0, 10, 2)
    assert list(numbers) == [4, 6, 8]
