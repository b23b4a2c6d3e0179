"""Monitor units meet the place that tissue had when they came."""

import pickle

import numpy as np
import pytest

from messages import BeamLog
from motion.dose import Accumulator, Place, resumed
from tests.motion.dose.plans import along, log, played, ramp_plan

AT_REST = (0.0, 0.0, 0.0)
TIMES = np.arange(0.0, 10.01, 0.125)
CONSTANT = log((0.0, 1, 0.0), (10.0, 1, 100.0))


def moving(t):
    return (0.0, 0.0, 6.0 * np.sin(1.3 * t))


def dose(told):
    return told.so_far[0].mean_gy


def test_at_rest_the_delivered_dose_is_the_planned_one_so_far():
    plan = ramp_plan()
    _, told = played(Accumulator(plan), along(TIMES, lambda t: AT_REST), [CONSTANT] * len(TIMES))
    for time_s, one in zip(TIMES, told, strict=True):
        assert one.mu == pytest.approx(10.0 * time_s)
        assert dose(one) == pytest.approx(2.0 * time_s, abs=1e-4)
        assert one.so_far[0].mean_gy == pytest.approx(one.planned[0].mean_gy, abs=1e-4)
        assert one.forecast[0].mean_gy == pytest.approx(20.0, abs=1e-4)
    assert told[-1].unplaced_mu == 0.0
    assert not told[-1].doubts


def test_a_known_shift_of_a_ramp_changes_dose_by_the_gradient():
    plan = ramp_plan(gradients=((0.02, 0.03, 0.1),))
    shift = (4.0, -3.0, 5.0)
    _, told = played(Accumulator(plan), along(TIMES, lambda t: shift), [CONSTANT] * len(TIMES))
    assert dose(told[-1]) == pytest.approx(20.0 + 0.08 - 0.09 + 0.5, abs=1e-4)
    assert told[-1].planned[0].mean_gy == pytest.approx(20.0, abs=1e-4)


def test_tissue_that_moves_evenly_receives_the_integral():
    """u(t) = 0.5 t mm on a ramp of 0.1 Gy/mm: the mean of 10 s is 2.5 mm away."""
    plan = ramp_plan()
    _, told = played(
        Accumulator(plan), along(TIMES, lambda t: (0.0, 0.0, 0.5 * t)), [CONSTANT] * len(TIMES)
    )
    assert dose(told[-1]) == pytest.approx(20.0 + 0.25, abs=1e-4)


def test_units_are_additive_over_any_split_of_time():
    """The same frames, the log told all along or in pieces: the same dose."""
    plan = ramp_plan()
    times = np.linspace(0.0, 10.0, 41)
    mu = np.cumsum(np.abs(np.sin(times))) / np.sum(np.abs(np.sin(times))) * 100.0
    whole = log(*((t, 1, m) for t, m in zip(times, mu, strict=True)))
    parts = [
        log(*((t, 1, m) for t, m in zip(times, mu, strict=True) if t <= now + 1e-9))
        for now in TIMES
    ]
    _, by_whole = played(Accumulator(plan), along(TIMES, moving), [whole] * len(TIMES))
    _, by_parts = played(Accumulator(plan), along(TIMES, moving), parts)
    assert dose(by_parts[-1]) == pytest.approx(dose(by_whole[-1]), abs=1e-3)
    assert by_parts[-1].mu == pytest.approx(by_whole[-1].mu) == pytest.approx(100.0)


def test_late_units_meet_the_place_of_their_own_time():
    """All is told five seconds after the last frame of motion: the same as told at once."""
    plan = ramp_plan()
    silent = [BeamLog()] * (len(TIMES) - 1)
    _, late = played(Accumulator(plan), along(TIMES, moving), [*silent, CONSTANT])
    _, timely = played(Accumulator(plan), along(TIMES, moving), [CONSTANT] * len(TIMES))
    assert all(one.mu == 0.0 for one in late[:-1])
    assert late[-1].unplaced_mu == 0.0
    assert dose(late[-1]) == pytest.approx(dose(timely[-1]), abs=1e-3)


def test_units_before_the_first_report_and_without_a_place_are_unplaced():
    plan = ramp_plan()
    places = [Place(0.0, AT_REST), Place(1.0, None), Place(2.0, AT_REST), Place(3.0, AT_REST)]
    reports = log((0.0, 1, 5.0), (4.0, 1, 45.0))
    _, told = played(Accumulator(plan), places, [reports] * 4)
    assert told[0].unplaced_mu == pytest.approx(5.0)
    assert told[-1].unplaced_mu == pytest.approx(25.0), "5 of the start and 2 s at 10 MU/s"
    assert told[-1].mu == pytest.approx(35.0)


def test_a_restart_is_told_and_its_units_are_unplaced():
    plan = ramp_plan()
    accumulator = Accumulator(plan)
    state = accumulator.start()
    for time_s in (0.0, 1.0):
        state, _ = accumulator.step(state, Place(time_s, AT_REST), CONSTANT)
    state = resumed(pickle.loads(pickle.dumps(state)))
    state, told = accumulator.step(state, Place(4.0, AT_REST), CONSTANT)
    assert told.interrupted
    assert told.unplaced_mu == pytest.approx(30.0)
    assert told.mu == pytest.approx(40.0)


IMPOSSIBLE = {
    "an unknown beam": (log((0.0, 7, 0.0)), "beam 7, the plan has 1"),
    "units that fall": (log((0.0, 1, 0.0), (1.0, 1, 9.0), (2.0, 1, 4.0)), "fell from 9.00 to 4.00"),
    "more than planned": (log((0.0, 1, 0.0), (1.0, 1, 120.0)), "more than its 100.0 planned"),
    "no number": (log((0.0, 1, 0.0), (1.0, 1, np.nan)), "are no number"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_cannot_be_is_doubted_for_good(what):
    reports, text = IMPOSSIBLE[what]
    places = along((0.0, 1.0, 2.0, 3.0), lambda t: AT_REST)
    _, told = played(Accumulator(ramp_plan()), places, [reports] * 3 + [BeamLog()])
    assert any(text in doubt for doubt in told[-1].doubts), told[-1].doubts
    assert len(told[-1].doubts) == 1
    assert np.isfinite(dose(told[-1]))


def test_units_that_fall_take_no_dose_back():
    places = along((0.0, 1.0, 2.0, 3.0), lambda t: AT_REST)
    reports = log((0.0, 1, 0.0), (1.0, 1, 9.0), (2.0, 1, 4.0), (3.0, 1, 10.0))
    _, told = played(Accumulator(ramp_plan()), places, [reports] * 4)
    assert [one.mu for one in told] == pytest.approx([0.0, 9.0, 9.0, 10.0])
