"""Readouts to frames: what belongs together, what is over, what no header is believed."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import (
    Acquisition,
    Encoding,
    EncodingCounters,
    EncodingLimit,
    MonitorError,
    Pose,
    SessionHeader,
)
from messages.acquisition import LAST_IN_SLICE
from realtime.assembler import Assembler

FULL = EncodingLimit(0, 7, 4)
NOTHING = np.zeros((1, 4), np.complex64)


def assembler(
    limit: EncodingLimit | None = FULL, *, readouts_per_frame: int | None = None, **changed
) -> Assembler:
    encoding = {
        "encoded_matrix": (16, 8, 1),
        "recon_matrix": (8, 8, 1),
        "encoded_fov_mm": (200.0, 100.0, 5.0),
        "recon_fov_mm": (100.0, 100.0, 5.0),
        "trajectory": "cartesian",
        "kspace_encoding_step_1": limit,
        **changed,
    }
    header = SessionHeader(b"", (Encoding(**encoding),))
    return Assembler(header, readouts_per_frame=readouts_per_frame)


def readout(line: int, *, stamp: int, flags: int = 0, **idx: int) -> Acquisition:
    return Acquisition(
        flags, 1, stamp, 10 * stamp, (0, 0, 0), 0, 0, 2, 0, 5.0, Pose(),
        EncodingCounters(kspace_encode_step_1=line, **idx), NOTHING, np.zeros((4, 0), np.float32),
    )  # fmt: skip


class Feed:
    """Feeds an assembler; writes down (id, lines, is_complete) of each frame as it closes."""

    def __init__(self, it: Assembler) -> None:
        self.it = it
        self.n = 0  # the scanner's counter, which runs on when a readout is lost
        self.n_sent = 0
        self.lines: dict[int, list[int]] = {}
        self.over: list[tuple[int, list[int], bool]] = []

    def __call__(self, line: int, *, stamp: int | None = None, flags: int = 0, **idx: int):
        self.n += 1
        self.n_sent += 1
        acquisition = readout(line, stamp=self.n if stamp is None else stamp, flags=flags, **idx)
        placed = self.it.place(acquisition, readout=self.n_sent)
        for frame in placed.ended:
            self._close(frame)
        lines = self.lines.setdefault(placed.frame.frame_id, [])
        if placed.row is not None:
            assert placed.row == len(lines) < self.it.capacity
            lines.append(line)
        if placed.is_last:
            self._close(placed.frame)
        return placed

    def _close(self, frame) -> None:
        assert frame.frame_id not in [one[0] for one in self.over], "closed twice"
        self.over.append((frame.frame_id, self.lines[frame.frame_id], frame.is_complete))

    def frame(
        self, repetition: int = 0, *, lines=range(8), marks=True, skip=(), **idx: int
    ) -> None:
        lines = list(lines)
        for line in lines:
            flags = LAST_IN_SLICE if marks and line == lines[-1] else 0
            if line in skip:
                self.n += 1
            else:
                self(line, flags=flags, repetition=repetition, **idx)


@pytest.mark.parametrize("marks", [True, False])
def test_frames_end_with_their_last_line(marks):
    feed = Feed(assembler())
    for repetition in range(3):
        feed.frame(repetition, marks=marks)
        assert len(feed.over) == repetition + 1
    assert feed.over == [(n, list(range(8)), True) for n in range(3)]
    assert feed.it.end() == ()


@given(st.permutations(range(8)))
def test_the_order_of_lines_does_not_matter(order):
    feed = Feed(assembler())
    feed.frame(0, lines=order, marks=False)
    assert feed.over == [(0, list(order), True)]


def test_interleaved_slices_make_one_frame_each():
    feed = Feed(assembler(n_slices=3))
    for line in range(8):
        for slice_ in (2, 0, 1):
            flags = LAST_IN_SLICE if line == 7 else 0
            placed = feed(line, slice=slice_, flags=flags)
            assert placed.frame.key.slice == slice_
    assert [one[1:] for one in feed.over] == [(list(range(8)), True)] * 3


@pytest.mark.parametrize("counter", ["slice", "contrast", "phase", "set"])
def test_each_counter_of_an_image_makes_a_stream_of_its_own(counter):
    feed = Feed(assembler())
    for line in range(8):
        for value in range(2):
            feed(line, **{counter: value})
    assert [one[1:] for one in feed.over] == [(list(range(8)), True)] * 2


def test_a_new_repetition_ends_an_unfinished_frame_as_incomplete():
    feed = Feed(assembler())
    feed.frame(0, skip={3, 7})
    placed = feed(0, repetition=1)
    assert placed.is_new
    assert feed.over == [(0, [0, 1, 2, 4, 5, 6], False)]


def test_last_in_slice_before_the_expected_count_is_incomplete():
    feed = Feed(assembler())
    feed.frame(0, skip={2})
    assert feed.over == [(0, [0, 1, 3, 4, 5, 6, 7], False)]


def test_a_duplicate_with_the_same_counter_and_stamp_is_left_out():
    feed = Feed(assembler())
    for line in range(8):
        feed(line, stamp=line + 1)
        if line < 7:
            assert feed(line, stamp=line + 1).row is None
    assert feed.over == [(0, list(range(8)), True)]
    assert feed.it.n_duplicates == 7


def test_a_duplicate_of_the_last_line_opens_no_frame():
    feed = Feed(assembler())
    feed.frame(0)
    feed(7, stamp=feed.n, flags=LAST_IN_SLICE)
    feed.frame(1)
    assert [one[1:] for one in feed.over] == [(list(range(8)), True)] * 2
    assert feed.it.n_duplicates == 1


@pytest.mark.parametrize("marks", [True, False])
def test_a_scanner_that_never_counts_repetitions_with_a_lost_last_line(marks):
    """Two dynamics must never be mixed into one frame that is believed."""
    feed = Feed(assembler())
    feed.frame(0, marks=marks, skip={7})
    feed.frame(0, marks=marks)
    feed.frame(0, marks=marks)
    assert [one[1:] for one in feed.over] == [
        (list(range(7)), False), (list(range(8)), True), (list(range(8)), True),
    ]  # fmt: skip


def test_without_counters_and_stamps_a_repeated_line_is_the_next_dynamic():
    feed = Feed(assembler())
    for _ in range(2):
        for line in range(7):
            feed(line, stamp=0)
    assert feed.over == [(0, list(range(7)), False)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sets(st.integers(0, 7), max_size=3), min_size=2, max_size=6), st.booleans())
def test_no_complete_frame_is_mixed_whatever_lines_are_lost(lost, counts):
    """Each readout is stamped with its dynamic; a frame that claims to be whole holds just one."""
    it = assembler()
    inside: dict[int, set[int]] = {}
    complete = []
    for dynamic, skip in enumerate(lost):
        for line in range(8):
            if line in skip:
                continue
            acquisition = readout(
                line, stamp=1 + 8 * dynamic + line, repetition=dynamic if counts else 0
            )
            placed = it.place(acquisition, readout=1)
            if placed.row is not None:
                inside.setdefault(placed.frame.frame_id, set()).add(dynamic)
            if placed.is_last and placed.frame.is_complete:
                complete.append(placed.frame.frame_id)
    if counts:
        assert all(len(inside[frame]) == 1 for frame in complete)
    else:
        # a line that was lost in one dynamic may be filled by the next one only at its very end,
        # where nothing tells them apart but time: the last lines of one, the first of the next
        for frame in complete:
            assert len(inside[frame]) <= 2


def test_a_frame_is_not_filled_up_with_the_next_dynamic_s_lines():
    feed = Feed(assembler())
    feed.frame(0, lines=range(8), skip={6, 7}, marks=False)
    feed.n += 100  # a pause: counters and stamps run on
    feed.frame(0, lines=range(8), skip=set(range(6)), marks=False)
    assert not any(is_complete for _, _, is_complete in feed.over)


def test_a_limit_of_zero_is_not_believed():
    """skyra_se_32ch.h5: maximum 0 beside a matrix of many lines."""
    feed = Feed(assembler(EncodingLimit(0, 0, 4)))
    feed.frame(0)
    feed.frame(1)
    assert [one[1:] for one in feed.over] == [(list(range(8)), True)] * 2


def test_a_silent_header_learns_the_count_from_the_first_marked_frame():
    feed = Feed(assembler(None))
    feed.frame(0, lines=range(2, 8))
    feed.frame(1, lines=range(2, 8), marks=False)
    feed.frame(2, lines=range(2, 8), skip={4})
    assert [one[2] for one in feed.over] == [True, True, False]


def test_a_first_frame_with_a_lost_line_does_not_shorten_all_that_follow():
    feed = Feed(assembler(None))
    feed.frame(0, skip={3})
    feed.frame(1)
    feed.frame(2)
    assert [one[1] for one in feed.over[1:]] == [list(range(8))] * 2


def test_partial_fourier_stops_early_and_is_complete():
    feed = Feed(assembler(EncodingLimit(0, 5, 2)))  # rows 2 to 7 of 8
    feed.frame(0, lines=range(6))
    assert feed.over == [(0, list(range(6)), True)]
    assert feed.it.capacity >= 6


def test_averages_share_a_frame_that_ends_with_the_last_of_them():
    feed = Feed(assembler(n_averages=2))
    for average in range(2):
        for line in range(8):
            flags = LAST_IN_SLICE if line == 7 else 0
            placed = feed(line, average=average, flags=flags)
    assert placed.is_last
    assert len(feed.over) == 1
    assert feed.over[0][2]
    assert len(feed.over[0][1]) == 16


def test_partitions_share_a_frame():
    feed = Feed(assembler(encoded_matrix=(16, 8, 2), recon_matrix=(8, 8, 2)))
    for partition in range(2):
        for line in range(8):
            flags = LAST_IN_SLICE if line == 7 else 0
            feed(line, kspace_encode_step_2=partition, flags=flags)
    assert [(len(one[1]), one[2]) for one in feed.over] == [(16, True)]


@pytest.mark.parametrize(
    ("limit", "changed", "idx", "expected"),
    [
        (FULL, {}, {"line": 8}, "kspace_encode_step_1 is 8, .*expected 0 to 7"),
        (FULL, {}, {"line": 65535}, "kspace_encode_step_1 is 65535"),
        (None, {}, {"line": 8}, "kspace_encode_step_1 is 8"),
        (FULL, {}, {"line": 0, "kspace_encode_step_2": 1}, "kspace_encode_step_2 is 1"),
        (EncodingLimit(0, 5, 2), {}, {"line": 6}, "kspace_encode_step_1 is 6, .*expected 0 to 5"),
    ],
)
def test_an_index_outside_the_matrix_names_field_and_readout(limit, changed, idx, expected):
    it = assembler(limit, **changed)
    line = idx.pop("line")
    with pytest.raises(MonitorError, match=rf"readout 17: idx\.{expected}"):
        it.place(readout(line, stamp=1, **idx), readout=17)
    assert it.n_frames == 0


def test_the_end_gives_back_what_is_open_oldest_first():
    feed = Feed(assembler(n_slices=3))
    for slice_ in (2, 0, 1):
        feed(0, slice=slice_)
    left = feed.it.end()
    assert [frame.frame_id for frame in left] == [0, 1, 2]
    assert not any(frame.is_complete for frame in left)
    assert feed.it.end() == ()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 7), st.integers(0, 2), st.integers(0, 2), st.integers(0, 1),
            st.booleans(), st.integers(0, 3),
        ),
        max_size=60,
    ),
    st.sampled_from([FULL, None, EncodingLimit(0, 0, 4)]),
)  # fmt: skip
def test_no_stream_of_readouts_overflows_a_frame_or_loses_one(happened, limit):
    """Whatever comes: rows stay within the capacity and every frame is closed exactly once."""
    feed = Feed(assembler(limit, n_slices=2, n_averages=2))
    for line, repetition, slice_, average, is_marked, stamp in happened:
        flags = LAST_IN_SLICE if is_marked else 0
        with contextlib.suppress(MonitorError):  # a counter that stands still ends the session
            feed(
                line, repetition=repetition, slice=slice_, average=average, flags=flags,
                stamp=stamp,
            )  # fmt: skip
            continue
        return
    for frame in feed.it.end():
        feed._close(frame)
    assert sorted(one[0] for one in feed.over) == list(range(feed.it.n_frames))


@pytest.mark.parametrize(("second", "is_whole"), [(3, True), (5, False)])
def test_halves_of_two_dynamics_are_no_frame_even_where_nothing_is_counted(second, is_whole):
    """Neither repetitions nor readouts are counted; only the time tells that a dynamic is missing.

    Dynamic 3 stops half way; what goes on is its own other half, or that of dynamic 5.
    """
    it, over = assembler(), []
    halves = [*((n, range(8)) for n in range(3)), (3, range(4)), (second, range(4, 8))]
    for dynamic, lines in halves:
        for line in lines:
            one = replace(readout(line, stamp=1 + 8 * dynamic + line), scan_counter=0)
            placement = it.place(one, readout=1)
            over += [placement.frame.is_complete] if placement.is_last else []
    assert over == [True, True, True, is_whole]
