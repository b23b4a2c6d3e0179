"""Beam and dose: a beam despite a hold, a forecast that misses its limit, dose that is doubtful."""

import pytest

from realtime.alerts.limits import BeamDespiteHold, DoseForecast
from realtime.alerts.rules_delivery import uncounted
from tests.realtime.alerts.motions import beam, delivered, find, seen, structure

DESPITE = BeamDespiteHold(max_s=1.0)


def test_a_beam_that_goes_on_while_held_holds_and_needs_a_person():
    on = beam((8.0, True), (10.0, True))
    assert find(DESPITE, seen(beam=on, held_since_s=9.5)) is None, "it has had no time to stop"
    hold = find(DESPITE, seen(beam=on, held_since_s=8.9))
    assert (hold.severity, hold.limit, hold.unit) == ("hold", 1.0, "s")
    assert hold.value == pytest.approx(1.1)
    assert "1.10 s after the first frame that held, limit 1 s" in hold.text


def test_no_beam_no_hold_or_no_report_is_no_disobedience():
    on, off = beam((8.0, True), (10.0, True)), beam((8.0, True), (10.0, False))
    assert find(DESPITE, seen(beam=on)) is None
    assert find(DESPITE, seen(beam=off, held_since_s=1.0)) is None
    assert find(DESPITE, seen(held_since_s=1.0)) is None
    old = beam((8.0, True))
    assert find(DESPITE, seen(beam=old, held_since_s=7.5, time_s=20.0)) is None, "an old report"


COVER = DoseForecast(structure="GTV", min_d98_percent=95.0)


@pytest.mark.parametrize(("d98_gy", "expected"), [(7.61, False), (7.6, True), (2.0, True)])
def test_a_forecast_d98_below_its_share_of_the_prescription_holds(d98_gy, expected):
    there = seen(delivered=delivered(structure(d98_gy=d98_gy)), prescription_gy=8.0)
    hold = find(COVER, there)
    assert (hold is not None) == expected
    if expected:
        assert (hold.region, hold.limit, hold.unit) == ("GTV", 95.0, "%")
        assert f"{d98_gy:.2f} Gy" in hold.text
        assert "limit 95 %" in hold.text


def test_an_organ_that_will_take_too_much_holds_by_hot_spot_or_mean():
    limit = DoseForecast(structure="bowel", max_d003cc_gy=30.0, max_mean_gy=5.0)
    organ = structure("bowel", role="organ-at-risk", d003cc_gy=29.9, mean_gy=4.9)
    assert find(limit, seen(delivered=delivered(organ))) is None
    hot = find(limit, seen(delivered=delivered(structure("bowel", d003cc_gy=30.0, mean_gy=4.9))))
    assert (hot.value, hot.limit, hot.unit) == (30.0, 30.0, "Gy")
    assert "D0.03cc of bowel is forecast at 30.00 Gy, limit 30 Gy" in hot.text
    mean = find(limit, seen(delivered=delivered(structure("bowel", d003cc_gy=9.0, mean_gy=5.5))))
    assert "mean dose of bowel is forecast at 5.50 Gy, limit 5 Gy" in mean.text


def test_early_monitor_units_forecast_nothing():
    low = structure(d98_gy=1.0)
    early = seen(delivered=delivered(low, mu=199.0), prescription_gy=8.0)
    assert find(COVER, early) is None
    assert find(COVER, seen(delivered=delivered(low, mu=0.0), prescription_gy=8.0)) is None
    at_once = DoseForecast(structure="GTV", min_d98_percent=95.0, from_mu_percent=0.0)
    assert find(at_once, seen(delivered=delivered(low, mu=0.0), prescription_gy=8.0)) is None
    assert find(COVER, seen()) is None


def test_a_forecast_that_is_not_known_holds():
    assert "no forecast" in find(COVER, seen(delivered=delivered())).text
    unknown = find(COVER, seen(delivered=delivered(structure())))
    assert (unknown.severity, "prescription" in unknown.text) == ("hold", True)
    nan = structure(d98_gy=float("nan"))
    assert find(COVER, seen(delivered=delivered(nan), prescription_gy=8.0)).severity == "hold"
    hot = DoseForecast(structure="GTV", max_d003cc_gy=9.0)
    nan = structure(d003cc_gy=float("nan"))
    assert find(hot, seen(delivered=delivered(nan))).severity == "hold"


def test_dose_that_nobody_could_place_is_told():
    assert uncounted(None) == ()
    assert uncounted(delivered(unplaced_mu=3.9)) == ()
    (warn,) = uncounted(delivered(unplaced_mu=4.0))
    assert (warn.rule, warn.severity, warn.value, warn.unit) == ("dose-unplaced", "warn", 1.0, "%")
    assert "1.0 % of the monitor units" in warn.text
    assert uncounted(delivered(mu=0.0)) == ()
    (lost,) = uncounted(delivered(interrupted=True))
    assert (lost.rule, lost.severity) == ("dose-interrupted", "warn")


def test_reports_that_cannot_be_hold_and_say_which():
    (found,) = uncounted(delivered(doubts=("beam 7 is not in the plan",)))
    assert (found.rule, found.severity) == ("delivery-doubt", "hold")
    assert "beam 7 is not in the plan" in found.text
