"""Lost readouts are counted, and what explains a gap is no loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.scan_counter import ScanCounter


def counted(counters, *, waveforms=(), first_waveforms=False) -> ScanCounter:
    it = ScanCounter()
    for one in waveforms if first_waveforms else ():
        it.note_waveform(one)
    for one in counters:
        it.note(one, measurement=1)
    for one in () if first_waveforms else waveforms:
        it.note_waveform(one)
    return it


@given(st.sets(st.integers(11, 98), max_size=15))
def test_what_is_left_out_is_what_is_lost(lost):
    assert counted(one for one in range(1, 100) if one not in lost).n_lost == len(lost)


def test_nothing_is_lost_where_nothing_is_counted():
    assert counted([0] * 50).n_lost == 0


def test_a_counter_that_counts_something_else_tells_of_no_loss():
    assert counted(range(0, 100, 2)).n_lost == 0
    assert counted([1, 2, 3, 900_000, 900_001]).n_lost == 0


@pytest.mark.parametrize("first_waveforms", [True, False])
def test_waveforms_explain_the_numbers_that_they_have(first_waveforms):
    readouts = [one for one in range(1, 101) if one % 10]
    signals = range(10, 101, 10)
    assert counted(readouts).n_lost == 9
    assert counted(readouts, waveforms=signals, first_waveforms=first_waveforms).n_lost == 0


def test_a_late_readout_is_not_lost_and_a_duplicate_changes_nothing():
    assert counted([1, 2, 3, 5, 4, 6, 6, 7, 8]).n_lost == 0


def test_another_measurement_counts_anew_and_keeps_the_sum():
    it = counted([1, 2, 3, 5, 6, 7])
    for one in (1, 2, 3, 4, 6, 7, 8):
        it.note(one, measurement=2)
    assert it.n_lost == 2
