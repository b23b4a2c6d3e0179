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


# --- the rate of the readouts -------------------------------------------------------------------

UNITS = {"2.5ms": 2.5e-3, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def stamps_of(seconds: np.ndarray, unit: str, *, start_s: float = 1.0) -> np.ndarray:
    """What a console would write: the time in whole ticks, of 32 bits."""
    return (np.floor((start_s + seconds) / UNITS[unit] + 1e-6) % 2**32).astype(np.uint32)


@pytest.mark.parametrize("unit", UNITS)
def test_epi_is_told_by_its_sampling_and_its_tr_or_not_at_all(unit: str) -> None:
    # 83 lines of 0.56 ms in a TR of 2 s, 160 samples of 3.1 us
    stamps = stamps_of(np.arange(83) * 0.56e-3, unit)
    decision = decide_unit(stamps, tr_s=2.0, readout_s=160 * 3.1e-6, readouts_per_tr=None)
    if unit == "2.5ms":
        assert decision.unit == "2.5ms"
        assert "lies between a readout's sampling and a TR of 2000 ms" in decision.reason
    else:
        # how many lines a TR holds is not known: the next coarser unit would do as well
        assert decision.unit == "none"
        assert "alike" in decision.reason


def test_without_the_sampling_s_time_epi_cannot_be_told() -> None:
    stamps = stamps_of(np.arange(83) * 0.56e-3, "2.5ms")
    assert decide_unit(stamps, tr_s=2.0, readouts_per_tr=None).unit == "none"


@pytest.mark.parametrize("unit", UNITS)
def test_the_readouts_of_all_slices_share_a_tr(unit: str) -> None:
    # eight interleaved slices, a TR of 80 ms
    stamps = stamps_of(np.arange(64) * 10e-3, unit)
    decision = decide_unit(stamps, tr_s=0.08, readout_s=3e-3, readouts_per_tr=8)
    assert decision.unit == unit
    assert bool(decision.warning) == (unit == "ns")


@pytest.mark.parametrize("unit", UNITS)
def test_a_radial_scan_without_a_vendor(unit: str) -> None:
    stamps = stamps_of(np.arange(200) * 4.3e-3, unit)
    assert decide_unit(stamps, tr_s=4.3e-3, readout_s=1.3e-3).unit == unit


@pytest.mark.parametrize("unit", UNITS)
def test_averages_and_pauses_do_not_change_the_rate(unit: str) -> None:
    lines = np.arange(128) * 10e-3
    seconds = np.concatenate([lines, lines + 2.0])
    assert decide_unit(stamps_of(seconds, unit), tr_s=0.01, readout_s=4e-3).unit == unit


def test_one_stamp_a_shot_tells_by_the_mean() -> None:
    # shots of 32 lines, one TR of 100 ms each, every line stamped with its shot's start
    seconds = np.repeat(np.arange(8) * 0.1, 32)
    for unit in ("2.5ms", "ms"):
        stamps = stamps_of(seconds, unit)
        assert decide_unit(stamps, tr_s=0.1, readout_s=2e-3, readouts_per_tr=32).unit == unit


def test_siemens_is_believed_within_what_its_rate_allows() -> None:
    stamps = stamps_of(np.arange(83) * 0.56e-3, "2.5ms")
    decision = decide_unit(
        stamps, vendor="SIEMENS", tr_s=2.0, readout_s=160 * 3.1e-6, readouts_per_tr=None
    )
    assert decision == UnitDecision("2.5ms", "the vendor is SIEMENS")


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_vendor_whom_the_rate_contradicts_is_not_believed(unit: str) -> None:
    # a converter that kept the vendor and wrote its own unit
    stamps = stamps_of(np.arange(100) * 10e-3, unit)
    decision = decide_unit(stamps, vendor="SIEMENS", tr_s=0.01, readout_s=4e-3)
    assert decision.unit == "none"
    assert "the vendor is SIEMENS, but ticks of 2.5 ms make a readout every" in decision.reason
    assert "stream.time_stamp_unit" in decision.reason


def test_a_readout_faster_than_its_sampling_is_no_clock() -> None:
    # ticks of 2.5 ms would make 0.5 ms a readout
    stamps = stamps_of(np.arange(100) * 0.5e-3, "2.5ms")
    decision = decide_unit(stamps, vendor="SIEMENS", readout_s=4e-3)
    assert decision.unit == "none"
    assert "sampling one takes 4 ms" in decision.reason
    assert decide_unit(stamps, vendor="SIEMENS", readout_s=0.7e-3).unit == "2.5ms"


def test_a_tr_that_no_unit_explains_is_itself_the_lie() -> None:
    # skyra_se_32ch: a dummy TR of 50 ms, one line a second
    decision = decide_unit(
        stamps_of(np.arange(64) * 1.0, "2.5ms"), vendor="SIEMENS", tr_s=0.05, readout_s=0.64e-3
    )
    assert decision.unit == "2.5ms"
    assert decision.warning == (
        "time stamps in ticks of 2.5 ms make a readout every 1000 ms, but the TR is 50 ms"
    )


def test_a_unit_that_the_protocol_sets_is_kept_and_warned_of() -> None:
    stamps = stamps_of(np.arange(100) * 10e-3, "ms")
    right = decide_unit(stamps, setting="ms", tr_s=0.01, readout_s=4e-3)
    assert right == UnitDecision("ms", "the protocol says so")
    slow = decide_unit(stamps, setting="2.5ms", tr_s=0.01, readout_s=4e-3)
    assert slow.unit == "2.5ms"
    assert slow.warning == (
        "time stamps in ticks of 2.5 ms make a readout every 25 ms, but the TR is 10 ms"
    )
    fast = decide_unit(stamps, setting="us", tr_s=0.01, readout_s=4e-3)
    assert fast.unit == "us"
    assert "sampling one takes 4 ms" in fast.warning


def test_a_contradiction_needs_half_as_much_again() -> None:
    stamps = stamps_of(np.arange(100) * 10e-3, "2.5ms")
    for tr_s in (0.0070, 0.01, 0.1):
        assert decide_unit(stamps, vendor="SIEMENS", tr_s=tr_s, readout_s=4e-3).warning == ""
    assert decide_unit(stamps, setting="2.5ms", tr_s=0.0060).warning


def test_the_clock_takes_the_readout_s_time() -> None:
    clock = ScannerClock(tr_s=2.0, readout_s=160 * 3.1e-6, readouts_per_tr=None)
    clock, seconds = clock.advance(stamps_of(np.arange(83) * 0.56e-3, "2.5ms"))
    assert clock.decision is not None
    assert clock.decision.unit == "2.5ms"
    assert seconds[-1] == pytest.approx(82 * 0.56e-3, abs=2.5e-3)


@pytest.mark.parametrize("unit", UNITS)
def test_a_wrap_among_the_first_readouts_does_not_mislead(unit: str) -> None:
    wrap_s = 86400.0 if unit in ("2.5ms", "ms") else 2**32 * UNITS[unit]
    seconds = np.arange(100) * 10e-3
    stamps = stamps_of(seconds, unit, start_s=wrap_s - 0.5)
    if wrap_s == 86400.0:
        stamps = (stamps % round(wrap_s / UNITS[unit])).astype(np.uint32)
    assert stamps[-1] < stamps[0]
    clock, found_s = ScannerClock(tr_s=0.01, readout_s=4e-3).advance(stamps)
    assert clock.decision is not None
    assert clock.decision.unit == unit
    assert found_s == pytest.approx(seconds, abs=2.5e-3)


def test_a_clock_that_nothing_fits_gives_nan_and_says_why() -> None:
    clock = ScannerClock(vendor="SIEMENS", tr_s=0.01, readout_s=4e-3)
    clock, seconds = clock.advance(stamps_of(np.arange(100) * 10e-3, "us"))
    assert np.isnan(seconds).all()
    assert clock.decision is not None
    assert "the vendor is SIEMENS, but" in clock.decision.reason
