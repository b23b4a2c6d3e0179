"""Frames that join an echo train: complete when every echo is, whatever the order they come in."""

import numpy as np
import pytest

from messages import EncodingLimit, MonitorError, SessionHeader
from messages.acquisition import LAST_IN_SLICE
from realtime.assembler import Assembler
from tests.realtime.test_assembler import assembler, readout

N_LINES, N_ECHOES = 8, 3
Order = list[tuple[int, int]]  # line, echo


def interleaved(lines=range(N_LINES)) -> Order:
    return [(line, echo) for line in lines for echo in range(N_ECHOES)]


def separate(lines=range(N_LINES)) -> Order:
    return [(line, echo) for echo in range(N_ECHOES) for line in lines]


def backwards(lines=range(N_LINES)) -> Order:
    return [(line, echo) for echo in reversed(range(N_ECHOES)) for line in lines]


ORDERS = pytest.mark.parametrize("order", [interleaved, separate, backwards])


def joining(**changed) -> Assembler:
    header = SessionHeader(b"", (assembler(**changed).encoding,))
    return Assembler(header, n_echoes=N_ECHOES)


class Feed:
    """Feeds an assembler and writes down (rows, is_complete) of each frame as it closes."""

    def __init__(self, it: Assembler) -> None:
        self.it, self.n, self.n_sent = it, 0, 0
        self.over: list[tuple[int, bool]] = []

    def __call__(self, line: int, echo: int, *, repetition: int = 0, flags: int = 0, stamp=None):
        self.n += 1
        self.n_sent += 1
        one = readout(
            line, stamp=stamp or self.n, contrast=echo, repetition=repetition, flags=flags
        )
        placed = self.it.place(one, readout=self.n_sent)
        self.over += [(frame.n_rows, frame.is_complete) for frame in placed.ended]
        if placed.is_last:
            self.over.append((placed.frame.n_rows, placed.frame.is_complete))
        return placed

    def frame(self, order: Order, *, repetition: int = 0, marks=range(N_ECHOES), lost=()) -> None:
        """Send a frame; the last readout of each echo in `marks` carries LAST_IN_SLICE."""
        last = {echo: index for index, (_, echo) in enumerate(order)}
        for index, (line, echo) in enumerate(order):
            if (line, echo) in lost:
                self.n += 1
                continue
            is_marked = echo in marks and last[echo] == index
            flags = LAST_IN_SLICE if is_marked else 0
            self(line, echo, repetition=repetition, flags=flags)


@ORDERS
@pytest.mark.parametrize("marks", [(), (N_ECHOES - 1,), range(N_ECHOES)])
@pytest.mark.parametrize("counts", [True, False])
def test_a_frame_is_over_with_the_last_line_of_its_last_echo(order, marks, counts):
    feed = Feed(joining())
    for repetition in range(3):
        feed.frame(order()[:-1], repetition=repetition * counts, marks=())
        assert len(feed.over) == repetition
        line, echo = order()[-1]
        flags = LAST_IN_SLICE if echo in marks else 0
        feed(line, echo, repetition=repetition * counts, flags=flags)
    assert feed.over == [(N_LINES * N_ECHOES, True)] * 3
    assert feed.it.n_frames == 3


@ORDERS
@pytest.mark.parametrize("lost", [(2, 0), (5, 1), (7, 2), (7, 0)])
@pytest.mark.parametrize("marks", [(), (N_ECHOES - 1,), range(N_ECHOES)])
def test_a_lost_line_of_one_echo_makes_that_frame_incomplete_and_no_other(order, lost, marks):
    feed = Feed(joining())
    feed.frame(order(), repetition=0, marks=marks)
    feed.frame(order(), repetition=1, marks=marks, lost={lost})
    feed.frame(order(), repetition=2, marks=marks)
    n_all = N_LINES * N_ECHOES
    assert feed.over == [(n_all, True), (n_all - 1, False), (n_all, True)]


@pytest.mark.parametrize("order", [interleaved, separate])
def test_an_incomplete_frame_does_not_wait_for_the_next_one(order):
    """With its last echo's mark it is over at once, even where another echo lost its own mark."""
    feed = Feed(joining())
    feed.frame(order(), lost={(N_LINES - 1, 0)})
    assert feed.over == [(N_LINES * N_ECHOES - 1, False)]


def test_every_second_line_of_each_echo_makes_an_accelerated_frame():
    feed = Feed(joining(acceleration=(2, 1)))
    feed.frame(interleaved(range(0, N_LINES, 2)), repetition=0)
    feed.frame(interleaved(range(1, N_LINES, 2)), repetition=1)
    feed.frame(interleaved(range(0, N_LINES, 2)), repetition=2, lost={(4, 1)})
    assert feed.over == [(12, True), (12, True), (11, False)]


def test_a_line_of_one_echo_does_not_fill_the_hole_of_another():
    feed = Feed(joining())
    order = [*separate()[: 2 * N_LINES], *[(line, 1) for line in range(N_LINES)]]
    for line, echo in order[: 2 * N_LINES]:
        feed(line, echo, repetition=1)
    assert feed.over == []  # two of three echoes are whole


def test_a_readout_that_comes_twice_is_taken_once():
    feed = Feed(joining())
    feed(0, 0, repetition=1, stamp=1)
    feed(0, 1, repetition=1, stamp=2)
    assert feed(0, 1, repetition=1, stamp=2).row is None
    assert feed(0, 2, repetition=1, stamp=3).row == 2
    assert feed.it.n_duplicates == 1
    # and once the frame is over
    for line, echo in interleaved()[3:]:
        feed(line, echo, repetition=1)
    assert feed(N_LINES - 1, 2, repetition=1, stamp=feed.n).row is None
    assert feed.it.n_frames == 1


@ORDERS
def test_spokes_that_are_numbered_on_and_on_belong_to_their_own_frame(order):
    spokes = {"trajectory": "goldenangle", "limit": EncodingLimit(0, N_LINES - 1, 0)}
    feed = Feed(joining(**spokes))
    for frame in range(3):
        feed.frame([(line + frame * N_LINES, echo) for line, echo in order()], marks=())
    assert feed.over == [(N_LINES * N_ECHOES, True)] * 3


def test_lost_spokes_do_not_mix_two_frames():
    feed = Feed(joining(trajectory="goldenangle", limit=EncodingLimit(0, N_LINES - 1, 0)))
    for frame in range(3):
        lost = {(N_LINES + 7, 1), (N_LINES + 7, 2)} if frame == 1 else ()
        order = [(line + frame * N_LINES, echo) for line, echo in interleaved()]
        feed.frame(order, marks=(), lost=lost)
    assert feed.over == [(24, True), (22, False), (24, True)]


def test_an_echo_beyond_those_that_the_header_names_is_refused():
    feed = Feed(joining())
    with pytest.raises(MonitorError, match=r"idx.contrast is 3, the header's limits name 3"):
        feed(0, N_ECHOES)


def test_without_joining_each_echo_is_a_frame_of_its_own():
    feed = Feed(assembler())
    feed.frame(interleaved())
    assert feed.over == [(N_LINES, True)] * N_ECHOES


def test_rows_are_counted_through_the_echoes():
    feed = Feed(joining())
    rows = [feed(line, echo, repetition=1).row for line, echo in interleaved()]
    assert rows == list(np.arange(N_LINES * N_ECHOES))
    assert feed.it.capacity == N_LINES * N_ECHOES
