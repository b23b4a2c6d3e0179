"""The gate's rules say why, with value, limit and unit; what is not known holds."""

from dataclasses import replace

import pytest

from messages import Prediction
from realtime.alerts.limits import Avoidance, IntervalWidth
from realtime.alerts.rules_gate import gate
from tests.realtime.alerts.motions import NAN, OPEN, PREDICTION, at, closed, find, protocol, seen

SETTINGS = protocol().motion


def found(reading, **changes):
    return gate(SETTINGS, "gtv", seen(gate=reading, **changes))


def test_an_open_gate_says_nothing_and_a_closed_one_gives_its_evidence():
    assert found(OPEN) is None
    hold = found(closed("outside", 0.83))
    assert (hold.rule, hold.severity, hold.region) == ("gate", "hold", "gtv")
    assert (hold.value, hold.limit, hold.unit) == (pytest.approx(83.0), 50.0, "%")
    for part in ("5", "3", "mm", "83 %", "limit 50 %", "12.5 %"):
        assert part in hold.text, hold.text


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("learning", "end-exhale place of gtv is being learned"),
        ("resume-margin", "resume margin of 2.5 mm"),
        ("min-on", "within 500 ms"),
        ("min-off", "less than 200 ms"),
        ("unknown", "not believed"),
    ],
)
def test_a_gate_that_waits_says_for_what(cause, words):
    hold = found(closed(cause))
    assert hold.severity == "hold"
    assert words in hold.text


def test_no_gate_holds_and_training_is_told_elsewhere():
    assert found(None).severity == "hold"
    assert found(None, displacement=None).severity == "hold"
    assert found(None, displacement=at(is_training=True)) is None
    assert "unknown share" in found(replace(closed("outside"), predicted_outside_percent=NAN)).text


AVOID = Avoidance(region="duodenum", margin_mm=3.0, max_percent=5.0)


@pytest.mark.parametrize(("percent", "expected"), [(0.0, False), (4.99, False), (5.0, True)])
def test_an_organ_in_the_beam_holds_at_its_limit(percent, expected):
    hold = find(AVOID, seen(organs_percent={"duodenum": percent}))
    assert (hold is not None) == expected
    if expected:
        assert (hold.region, hold.value, hold.limit, hold.unit) == ("duodenum", 5.0, 5.0, "%")
        assert "5.0 % of duodenum is within 3 mm" in hold.text


def test_an_organ_that_is_not_tracked_holds_and_one_in_another_slice_is_silent():
    assert find(AVOID, seen(organs_percent={"duodenum": NAN})).severity == "hold"
    assert find(AVOID, seen()) is None
    training = seen(organs_percent={"duodenum": 50.0}, displacement=at(is_training=True))
    assert find(AVOID, training) is None


def test_a_limit_of_nothing_at_all_is_kept_by_nothing_at_all():
    none = Avoidance(region="duodenum", max_percent=0.0)
    assert find(none, seen(organs_percent={"duodenum": 0.0})) is None
    assert find(none, seen(organs_percent={"duodenum": 0.1})).severity == "hold"


def test_a_wide_prediction_warns_by_half_its_interval():
    assert find(IntervalWidth(max_mm=0.61), seen()) is None
    warn = find(IntervalWidth(max_mm=0.59), seen())
    assert (warn.severity, warn.value, warn.unit) == ("warn", pytest.approx(0.6), "mm")
    assert "±0.6 mm (90 %), limit 0.59 mm" in warn.text
    unknown = Prediction(10.25, (1.2, 0.5), (NAN, NAN), (NAN, NAN), (NAN, NAN))
    assert find(IntervalWidth(), seen(prediction=unknown)).severity == "warn"
    assert find(IntervalWidth(), seen(prediction=None)) is None
    doubted = seen(displacement=at(doubts=("jump",)), prediction=PREDICTION)
    assert find(IntervalWidth(max_mm=0.1), doubted) is None
