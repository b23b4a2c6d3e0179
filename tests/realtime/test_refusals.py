"""A stranger must not fill journal and screen."""

from hypothesis import given
from hypothesis import strategies as st

from realtime.refusals import MOST_TOLD, WINDOW_NS, Refusals

S = 1_000_000_000


def test_the_first_few_are_told_and_the_rest_in_one_line():
    refusals = Refusals()
    told = [refusals.note(f"nonsense {n}", now_ns=n * S) for n in range(20)]
    assert told == [f"nonsense {n}" for n in range(MOST_TOLD)] + [None] * (20 - MOST_TOLD)
    assert refusals.summary(59 * S) is None
    line = refusals.summary(60 * S)
    assert line == "15 more clients were refused within a minute, the last: nonsense 19"
    assert refusals.summary(61 * S) is None
    assert refusals.note("again", now_ns=62 * S) == "again"


def test_a_few_need_no_summary():
    refusals = Refusals()
    assert refusals.note("one", now_ns=0) == "one"
    assert refusals.summary(2 * WINDOW_NS) is None


@given(st.lists(st.integers(0, 2 * S), max_size=300))
def test_few_lines_a_minute_and_every_refusal_is_told_or_counted(gaps):
    refusals, now_ns, told, counted, lines = Refusals(), 0, 0, 0, []
    for gap in [*gaps, WINDOW_NS]:
        now_ns += gap
        line = refusals.summary(now_ns)
        if line is not None:
            lines.append(now_ns)
            counted += int(line.split()[0])
        if gap != WINDOW_NS and refusals.note("x", now_ns=now_ns) is not None:
            told += 1
            lines.append(now_ns)
    assert told + counted == len(gaps)
    for begin in lines:
        window = [one for one in lines if begin <= one < begin + WINDOW_NS]
        assert len(window) <= 2 * (MOST_TOLD + 1)
