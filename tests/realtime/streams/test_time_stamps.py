import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.streams.time_stamps import ScannerClock, TimeStampUnit, UnitDecision, decide_unit

DAY_TICKS = 86400 * 400  # of 2.5 ms


def ticks(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint32)


@pytest.mark.parametrize(
    ("step_ticks", "tr_s", "unit"),
    [(4, 0.01, "2.5ms"), (10, 0.01, "ms"), (10_000, 0.01, "us"), (10_000_000, 0.01, "ns")],
)
def test_the_unit_follows_from_the_tr(step_ticks: int, tr_s: float, unit: str) -> None:
    decision = decide_unit(ticks(*range(5, 5 + 20 * step_ticks, step_ticks)), tr_s=tr_s)
    assert decision.unit == unit


def test_ticks_that_are_coarse_against_the_tr_still_tell() -> None:
    # A TR of 4 ms in ticks of 2.5 ms: steps of 1 and 2, whose median alone says 5 ms.
    stamps = np.floor(np.arange(100) * 4 / 2.5).astype(np.uint32)
    assert decide_unit(stamps, tr_s=0.004).unit == "2.5ms"


def test_pauses_between_dynamics_do_not_mislead() -> None:
    stamps = np.concatenate([np.arange(0, 160, 4) + pause for pause in (0, 4000, 9000)])
    assert decide_unit(stamps.astype(np.uint32), tr_s=0.01).unit == "2.5ms"


def test_siemens_counts_2_5_ms_whatever_the_tr_says() -> None:
    # EPI: many readouts within a TR, and a TR in the header that is a dummy.
    assert decide_unit(ticks(0, 0, 1, 1, 1), vendor="SIEMENS", tr_s=0.1).unit == "2.5ms"


@pytest.mark.parametrize("setting", ["auto", "ms", "2.5ms"])
def test_stamps_that_do_not_move_are_no_clock(setting: TimeStampUnit) -> None:
    for still in (ticks(0, 0, 0), ticks(7, 7, 7)):
        assert decide_unit(still, setting=setting, vendor="SIEMENS").unit == "none"


def test_what_cannot_be_told_is_not_guessed() -> None:
    decision = decide_unit(ticks(0, 100, 200), tr_s=0.01)
    assert decision.unit == "none"
    assert "stream.time_stamp_unit" in decision.reason
    assert decide_unit(ticks(0, 4, 8)).unit == "none"


def test_the_setting_goes_before_vendor_and_tr() -> None:
    assert decide_unit(ticks(0, 4), setting="us", vendor="SIEMENS", tr_s=0.01).unit == "us"
    assert decide_unit(ticks(0, 4), setting="none", vendor="SIEMENS", tr_s=0.01).unit == "none"


def test_seconds_count_from_the_first_readout() -> None:
    clock = ScannerClock("2.5ms")
    clock, first_s = clock.advance(ticks(22_321_167, 22_321_171))
    clock, second_s = clock.advance(ticks(22_321_175, 22_321_179))
    assert first_s.tolist() == [0.0, 0.01]
    assert second_s.tolist() == [0.02, 0.03]
    assert second_s.dtype == np.float64


def test_midnight_is_crossed() -> None:
    clock, seconds = ScannerClock("2.5ms").advance(ticks(DAY_TICKS - 4, DAY_TICKS - 2, 0, 2))
    assert seconds == pytest.approx([0, 0.005, 0.01, 0.015])
    _, seconds = clock.advance(ticks(4))
    assert seconds == pytest.approx([0.02])


def test_32_bits_are_crossed() -> None:
    _, seconds = ScannerClock("us").advance(ticks(2**32 - 1000, 0, 1000))
    assert seconds == pytest.approx([0, 0.001, 0.002])
    _, seconds = ScannerClock("ms").advance(ticks(2**32 - 10, 10))
    assert seconds == pytest.approx([0, 0.02])


def test_a_late_readout_steps_back_and_not_a_day_ahead() -> None:
    _, seconds = ScannerClock("2.5ms").advance(ticks(1000, 1008, 1004, 1012))
    assert seconds == pytest.approx([0, 0.02, 0.01, 0.03])
    _, seconds = ScannerClock("2.5ms").advance(ticks(DAY_TICKS - 4, 0, DAY_TICKS - 2, 2))
    assert seconds == pytest.approx([0, 0.01, 0.005, 0.015])


def test_no_clock_gives_nan() -> None:
    clock, seconds = ScannerClock("none").advance(ticks(1, 2))
    assert np.isnan(seconds).all()
    assert clock.decision == UnitDecision("none", "the protocol says so")


def test_the_unit_is_decided_at_the_first_frame_that_shows_it() -> None:
    clock = ScannerClock(tr_s=0.01)
    clock, seconds = clock.advance(ticks(100))
    assert np.isnan(seconds).all()
    assert clock.decision is None
    clock, seconds = clock.advance(ticks(104, 108, 112))
    assert seconds == pytest.approx([0.01, 0.02, 0.03])
    assert clock.decision is not None
    later, _ = clock.advance(ticks(9000, 9100))
    assert later.decision is clock.decision


@given(
    st.lists(st.integers(0, DAY_TICKS // 3), min_size=1, max_size=30),
    st.integers(0, DAY_TICKS - 1),
    st.integers(1, 29),
)
def test_seconds_do_not_depend_on_how_readouts_are_grouped(
    steps: list[int], start: int, cut: int
) -> None:
    stamps = ((start + np.cumsum(steps)) % DAY_TICKS).astype(np.uint32)
    clock = ScannerClock("2.5ms")
    _, whole_s = clock.advance(stamps)
    clock, head_s = clock.advance(stamps[:cut])
    _, tail_s = clock.advance(stamps[cut:])
    truth_s = (np.cumsum(steps) - steps[0]) * 2.5e-3
    if len(set(stamps.tolist())) > 1:
        assert whole_s == pytest.approx(truth_s)
    for grouped_s, expected_s, seen in (
        (head_s, truth_s[:cut], stamps[:cut]),
        (tail_s, truth_s[cut:], stamps),
    ):
        if len(set(seen.tolist())) > 1:
            assert grouped_s == pytest.approx(expected_s)
        else:
            assert np.isnan(grouped_s).all()


def test_one_stamp_a_shot_is_a_clock_from_the_second_shot_on() -> None:
    clock, seconds = ScannerClock(vendor="SIEMENS").advance(ticks(400, 400, 400))
    assert np.isnan(seconds).all()
    _, seconds = clock.advance(ticks(800, 800, 800))
    assert seconds.tolist() == [1.0, 1.0, 1.0]
