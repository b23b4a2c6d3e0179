"""Following the target and its breath: each rule at its limit, and where nothing is known."""

import pytest

from motion.surveillance import BreathReading
from realtime.alerts.limits import (
    BaselineShift,
    BreathExcursion,
    PeriodChange,
    SurrogateDisagreement,
    TargetVolume,
)
from realtime.alerts.rules_tracking import tracking, training
from tests.realtime.alerts.motions import NAN, at, find, seen


def test_training_holds_and_counts():
    hold = training("gtv", seen(displacement=at(is_training=True, training_frames=3,
                                                training_wanted=24)))  # fmt: skip
    assert (hold.severity, hold.value, hold.limit, hold.unit) == ("hold", 3.0, 24.0, "frames")
    assert "frame 3 of 24" in hold.text
    assert training("gtv", seen()) is None
    assert training("gtv", seen(displacement=None)) is None


@pytest.mark.parametrize(
    ("doubts", "words"),
    [
        (("low-similarity",), "too unlike the reference"),
        (("jump",), "jumped"),
        (("out-of-plane",), "left the slice"),
        (("low-contrast",), "hardly differs"),
        (("edge-of-search",), "edge of where it is sought"),
        (("jump", "low-contrast"), "farther than it can move; it hardly"),
    ],
)
def test_each_doubt_holds_and_is_named(doubts, words):
    hold = tracking("gtv", seen(displacement=at(doubts=doubts, similarity=0.42)))
    assert (hold.rule, hold.severity, hold.value, hold.limit) == ("tracking", "hold", 0.42, 0.8)
    assert words in hold.text
    assert "similarity 0.420, limit 0.800" in hold.text


def test_what_is_tracked_is_silent_and_what_is_no_number_holds():
    assert tracking("gtv", seen()) is None
    assert tracking("gtv", seen(displacement=at(is_training=True))) is None
    assert tracking("gtv", seen(displacement=None)).severity == "hold"
    assert tracking("gtv", seen(displacement=at((NAN, 0.0)))).severity == "hold"
    unknown = at(doubts=("low-contrast",), similarity=NAN, similarity_limit=NAN)
    hold = tracking("gtv", seen(displacement=unknown))
    assert (hold.severity, hold.value) == ("hold", None)
    early = at(doubts=("jump",), similarity=0.9, similarity_limit=NAN)
    assert "limit" not in tracking("gtv", seen(displacement=early)).text


def breath(**changes):
    known = {
        "n_cycles": 6, "shift_mm": 0.5, "cusum_mm": 0.0, "cusum_limit_mm": 4.5, "depth_mm": 12.0,
        "excursion_mm": 5.0, "excursion_mads": -4.0, "period_s": 4.0, "usual_period_s": 4.0,
        **changes,
    }  # fmt: skip
    return seen(breath=BreathReading(**known))


def test_a_deep_breath_holds_by_both_its_limits():
    limit = BreathExcursion(max_mads=6.0, min_mm=3.0)
    hold = find(limit, breath(excursion_mm=20.0, excursion_mads=8.0))
    assert (hold.severity, hold.value, hold.limit, hold.unit) == ("hold", 8.0, 3.0, "mm")
    assert "20.0 mm" in hold.text
    assert "limits 6 and 3 mm" in hold.text
    assert find(limit, breath(excursion_mm=20.0, excursion_mads=5.9)) is None
    assert find(limit, breath(excursion_mm=14.9, excursion_mads=80.0)) is None
    assert find(limit, seen()) is None, "nothing is usual yet"


def test_a_baseline_shift_holds_by_its_mean_or_by_its_sum():
    limit = BaselineShift(max_mm=3.0)
    assert find(limit, breath(shift_mm=2.99)) is None
    mean = find(limit, breath(shift_mm=3.0))
    assert (mean.severity, mean.value, mean.limit, mean.unit) == ("hold", 3.0, 3.0, "mm")
    assert "3.0 mm over 3 breaths, limit 3 mm" in mean.text
    total = find(limit, breath(cusum_mm=4.5))
    assert (total.value, total.limit, total.unit) == (4.5, 4.5, "mm")
    assert "limit 4.5 mm" in total.text
    assert find(limit, seen()) is None


def test_a_change_of_period_is_told_both_ways():
    limit = PeriodChange(max_change_percent=50.0)
    assert find(limit, breath(period_s=5.9)) is None
    told = find(limit, breath(period_s=6.0))
    assert (told.severity, told.value, told.limit, told.unit) == ("inform", 50.0, 50.0, "%")
    assert "6.0 s where 4.0 s is usual" in told.text
    assert find(limit, breath(period_s=2.0)).severity == "inform"
    assert find(limit, seen()) is None


def test_a_target_that_grows_or_shrinks_warns():
    limit = TargetVolume(max_change_percent=20.0)
    assert find(limit, seen(displacement=at(volume_mm3=1523.0))) is None
    warn = find(limit, seen(displacement=at(volume_mm3=1525.0)))
    assert (warn.severity, warn.limit, warn.unit) == ("warn", 20.0, "%")
    assert warn.value == pytest.approx(20.08, abs=0.01)
    assert "1.52 cm³, 1.27 cm³" in warn.text
    assert find(limit, seen(displacement=at(volume_mm3=1000.0))).severity == "warn"
    assert find(limit, seen(displacement=at(volume_mm3=NAN))).severity == "warn"
    assert find(limit, seen(displacement=at(volume_mm3=0.0, doubts=("jump",)))) is None
    assert find(limit, seen(first_volume_mm3=None)) is None


def test_image_and_surrogate_that_disagree_warn():
    limit = SurrogateDisagreement(max_mm=3.0)
    assert find(limit, seen(surrogate_mm=(1.0, 0.5))) is None
    warn = find(limit, seen(surrogate_mm=(4.0, 4.5)))
    assert (warn.severity, warn.value, warn.limit, warn.unit) == ("warn", 5.0, 3.0, "mm")
    assert "5.0 mm apart, limit 3 mm" in warn.text
    assert find(limit, seen()).severity == "warn", "a limit that nothing can answer says so"
    assert find(limit, seen(displacement=at(doubts=("jump",)))) is None
