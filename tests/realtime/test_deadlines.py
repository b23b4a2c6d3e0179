"""Each opened frame is answered exactly once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.deadlines import Deadlines

MS = 1_000_000


def test_a_frame_is_late_at_its_deadline_and_not_before():
    deadlines = Deadlines(100.0)
    deadlines.open(7, 5 * MS)
    assert deadlines.next_ns() == 105 * MS
    assert deadlines.expired(105 * MS - 1) == []
    assert deadlines.expired(105 * MS) == [7]
    assert deadlines.expired(106 * MS) == []
    assert deadlines.next_ns() is None
    assert deadlines.n_late == 1


def test_an_answer_after_late_is_discarded_and_counted():
    deadlines = Deadlines(100.0)
    deadlines.open(1, 0)
    assert deadlines.expired(100 * MS) == [1]
    assert not deadlines.answer(1)
    assert deadlines.n_discarded == 1


def test_the_second_answer_is_discarded():
    deadlines = Deadlines(100.0)
    deadlines.open(1, 0)
    assert deadlines.answer(1)
    assert not deadlines.answer(1)
    assert deadlines.expired(10**12) == []


def test_a_frame_never_opened_has_no_answer():
    assert not Deadlines(100.0).answer(3)


def test_opening_twice_is_a_mistake():
    deadlines = Deadlines(100.0)
    deadlines.open(1, 0)
    with pytest.raises(ValueError, match="frame 1"):
        deadlines.open(1, 1)


def test_late_frames_come_longest_over_first():
    deadlines = Deadlines(100.0)
    for frame_id, opened_ns in ((4, 3), (9, 1), (2, 2)):
        deadlines.open(frame_id, opened_ns)
    assert deadlines.expired(10**12) == [9, 2, 4]


ACTIONS = st.lists(
    st.one_of(
        st.just(("open", 0)),
        st.tuples(st.just("answer"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.integers(1, 150)),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_each_opened_frame_is_answered_exactly_once_within_its_budget(actions):
    deadlines = Deadlines(100.0)
    now_ns, n_opened = 0, 0
    opened_ns, answered_ns = {}, {}

    def note(frame_id):
        assert frame_id not in answered_ns
        answered_ns[frame_id] = now_ns

    for action, number in actions:
        if action == "open":
            deadlines.open(n_opened, now_ns)
            opened_ns[n_opened] = now_ns
            n_opened += 1
        elif action == "answer" and deadlines.answer(number):
            note(number)
        elif action == "wait":
            end_ns = now_ns + number * MS
            # a loop that wakes at `next_ns` answers on the dot
            while (due_ns := deadlines.next_ns()) is not None and due_ns <= end_ns:
                now_ns = due_ns
                for frame_id in deadlines.expired(now_ns):
                    note(frame_id)
            now_ns = end_ns
    now_ns += 100 * MS
    for frame_id in deadlines.expired(now_ns):
        note(frame_id)
    assert answered_ns.keys() == opened_ns.keys()
    for frame_id, at_ns in answered_ns.items():
        assert at_ns - opened_ns[frame_id] <= 200 * MS
