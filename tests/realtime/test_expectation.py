"""When a frame is whole: accelerated, off the grid, and with headers that lie."""

import pytest

from messages import EncodingLimit, MonitorError
from messages.acquisition import LAST_IN_REPETITION, LAST_IN_SLICE
from tests.realtime.test_assembler import FULL, Feed, assembler, readout


def lines_of(feed: Feed) -> list[list[int]]:
    return [one[1] for one in feed.over]


@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize("n", [8, 7])
def test_interleaved_calibration_begins_each_frame_at_another_line(marks, n):
    """With 7 lines the frames hold 4 and 3 of them in turn, and each is whole."""
    it = assembler(EncodingLimit(0, n - 1, 4), acceleration=(2, 1))
    feed = Feed(it)
    for repetition in range(6):
        feed.frame(repetition, lines=range(repetition % 2, n, 2), marks=marks)
        assert len(feed.over) == repetition + 1
    assert all(is_complete for _, _, is_complete in feed.over)
    assert lines_of(feed)[1] == list(range(1, n, 2))


def test_interleaved_calibration_without_limits_is_learned_for_each_beginning():
    feed = Feed(assembler(None, acceleration=(2, 1)))
    for repetition in range(2):
        feed.frame(repetition, lines=range(repetition, 8, 2))
    for repetition in range(2, 6):
        feed.frame(repetition, lines=range(repetition % 2, 8, 2), marks=False)
    assert [one[2] for one in feed.over] == [True] * 6


@pytest.mark.parametrize("lost", [2, 6])
def test_a_lost_line_of_an_accelerated_frame_is_seen(lost):
    feed = Feed(assembler(acceleration=(2, 1)))
    feed.frame(0, lines=range(0, 8, 2))
    feed.frame(1, lines=range(0, 8, 2), skip={lost})
    feed.frame(2, lines=range(0, 8, 2))
    assert [one[2] for one in feed.over] == [True, False, True]


def test_embedded_calibration_lines_that_are_imaged_too_belong_to_the_frame():
    lines = [0, 3, 6, 7, 8, 9, 10, 12, 15]  # every third, and all about the centre
    feed = Feed(assembler(EncodingLimit(0, 15, 8), encoded_matrix=(16, 16, 1), acceleration=(3, 1)))
    for repetition in range(3):
        feed.frame(repetition, lines=lines, marks=False)
    assert feed.over == [(n, lines, True) for n in range(3)]


def test_a_fully_sampled_reference_frame_is_not_cut_short():
    """Every line comes although the header names an acceleration: the first frame of TGRAPPA."""
    feed = Feed(assembler(acceleration=(2, 1)))
    feed.frame(0, marks=False)
    feed.frame(1, lines=range(0, 8, 2), marks=False)
    assert [one[1:] for one in feed.over] == [
        (list(range(8)), True), ([0, 2, 4, 6], True),
    ]  # fmt: skip


def test_partial_fourier_and_acceleration_end_with_the_limits():
    limit = EncodingLimit(0, 10, 3)  # rows 5 to 15 of 16
    feed = Feed(assembler(limit, encoded_matrix=(16, 16, 1), acceleration=(3, 1)))
    feed.frame(0, lines=range(0, 11, 3), marks=False)
    assert feed.over == [(0, [0, 3, 6, 9], True)]


def test_a_volume_ends_with_its_last_partition_or_the_repetition_s_mark():
    feed = Feed(assembler(None, encoded_matrix=(16, 8, 4), recon_matrix=(8, 8, 4)))
    for partition in range(4):
        for line in range(6):  # an ellipse leaves corners out
            is_last = (partition, line) == (3, 5)
            feed(
                line, kspace_encode_step_2=partition,
                flags=LAST_IN_REPETITION if is_last else LAST_IN_SLICE if line == 5 else 0,
            )  # fmt: skip
    assert [(len(one[1]), one[2]) for one in feed.over] == [(24, True)]


def spokes(limit: EncodingLimit | None = None, *, per_frame: int | None = 5, **changed) -> Feed:
    return Feed(assembler(limit, trajectory="radial", readouts_per_frame=per_frame, **changed))


def test_spokes_that_are_numbered_on_and_on_are_cut_where_the_protocol_says():
    feed = spokes()
    for n in range(15):
        feed(n)
    assert feed.over == [(k, list(range(5 * k, 5 * k + 5)), True) for k in range(3)]


def test_a_lost_spoke_does_not_shift_all_frames_that_follow():
    feed = spokes()
    for n in range(15):
        if n == 3:
            feed.n += 1
        else:
            feed(n)
    assert feed.over == [
        (0, [0, 1, 2, 4], False), (1, list(range(5, 10)), True), (2, list(range(10, 15)), True),
    ]  # fmt: skip


def test_numbers_that_restart_at_another_period_do_not_cut_frames():
    """A golden angle table of 7 spokes, frames of 5."""
    feed = spokes()
    for n in range(35):
        feed(n % 7)
    assert len(feed.over) == 7
    assert all(is_complete for _, _, is_complete in feed.over[2:])


@pytest.mark.parametrize("step", [0, 3])
def test_spokes_that_nobody_numbers_are_counted(step):
    feed = spokes()
    for _ in range(10):
        feed(step)
    assert [(len(one[1]), one[2]) for one in feed.over] == [(5, True)] * 2


def test_a_duplicate_among_uncounted_spokes_is_found_by_its_scan_counter():
    feed = spokes()
    for n in range(1, 11):
        feed(0, stamp=n)
        assert feed(0, stamp=n).row is None
    assert [(len(one[1]), one[2]) for one in feed.over] == [(5, True)] * 2
    assert feed.it.n_duplicates == 10


def test_the_header_s_limits_count_the_spokes_where_the_protocol_is_silent():
    feed = spokes(EncodingLimit(0, 12, 6), per_frame=None)
    for _ in range(2):
        for n in range(13):
            feed(n)
    assert [(len(one[1]), one[2]) for one in feed.over] == [(13, True)] * 2


def test_spokes_of_an_untold_number_are_learned_from_the_mark():
    feed = spokes(per_frame=None)
    feed.frame(0, lines=range(20))
    feed.frame(1, lines=range(20), marks=False)
    feed.frame(2, lines=range(20), skip={4})
    assert [(len(one[1]), one[2]) for one in feed.over] == [(20, True), (20, True), (19, False)]


def test_spokes_without_any_end_are_refused_with_the_way_out():
    it = assembler(None, trajectory="radial")
    for n in range(it.capacity):
        it.place(readout(n, stamp=n + 1), readout=n + 1)
    with pytest.raises(MonitorError, match=r"recon\.readouts_per_frame"):
        it.place(readout(it.capacity, stamp=it.capacity + 1), readout=it.capacity + 1)


def test_counters_off_the_grid_may_leave_the_matrix():
    feed = spokes(FULL, per_frame=3)
    for n in (0, 111, 222):
        feed(n)
    assert feed.over == [(0, [0, 111, 222], True)]


def test_line_counters_that_stand_still_are_refused_within_a_frame():
    it = assembler()
    for n in range(3):
        it.place(readout(0, stamp=n + 1), readout=n + 1)
    with pytest.raises(MonitorError, match="kspace_encode_step_1 is 0 in one readout after"):
        it.place(readout(0, stamp=4), readout=4)


def test_limits_that_are_too_small_grow_before_a_frame_has_closed():
    feed = Feed(assembler(EncodingLimit(0, 3, 4)))
    feed.frame(0, lines=[7, 6, 5, 4, 3, 2, 1, 0], marks=False)
    assert feed.over == [(0, [7, 6, 5, 4, 3, 2, 1, 0], True)]


def test_limits_that_are_too_small_are_refused_once_a_frame_has_closed_by_them():
    feed = Feed(assembler(EncodingLimit(0, 3, 4)))
    feed.frame(0, lines=range(4), marks=False)
    with pytest.raises(MonitorError, match=r"limits say 0 to 3 .*recon\.encoded_matrix"):
        feed(4)


@pytest.mark.parametrize("acceleration", [(1, 1), (2, 1)])
@pytest.mark.parametrize("again", [{"segment": 1}, {"average": 1}])
def test_a_line_that_comes_again_does_not_stand_for_a_lost_one(acceleration, again):
    """Line 4 is lost and line 2 is sent twice: as many readouts as expected, and a hole."""
    feed = Feed(assembler(acceleration=acceleration))
    lines = range(0, 8, acceleration[0])
    for repetition in range(2):
        for line in lines:
            if line == 4:
                feed(2, repetition=repetition, **again)
            else:
                feed(line, repetition=repetition)
    assert [one[2] for one in feed.over] == [False]


def test_averages_that_the_header_does_not_tell_of_do_not_halve_the_image():
    """Each line comes twice in a row: half of k-space is no frame, and the scan is refused."""
    feed = Feed(assembler())
    for line in range(4):
        feed(line, average=0)
        feed(line, average=1)
    with pytest.raises(MonitorError, match="no end is in sight"):
        feed(4, average=0)
    assert not feed.over
