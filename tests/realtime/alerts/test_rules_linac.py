"""All rules of mrlinac together: a good frame is silent, and what nobody set is in force."""

import re
from dataclasses import replace

import msgspec
import pytest

from messages import BeamLog, Pose
from realtime.alerts.limits import BaselineShift, DoseForecast, StaleFrame
from realtime.alerts.rules import decide
from realtime.alerts.rules_linac import judge_motion, motion_limits_in_force
from realtime.protocol import ProtocolError, parse_protocol
from tests.realtime.alerts.motions import (
    DOSE,
    NAN,
    at,
    beam,
    closed,
    delivered,
    protocol,
    rules,
    seen,
    structure,
)

PLAIN = protocol()


def test_a_good_frame_is_silent_and_granted():
    assert judge_motion(PLAIN, seen()) == ()
    assert decide((), is_baseline=False, therapy="mrlinac", is_gate_open=True) == "GRANTED"


def test_no_finding_grants_nothing_where_the_gate_is_not_open():
    assert decide((), is_baseline=False, therapy="mrlinac") == "HELD"
    assert decide((), is_baseline=True, therapy="mrlinac", is_gate_open=True) == "HELD"


POSE = Pose()
BAD = {
    "incomplete": ({"is_complete": False}, "incomplete-frame"),
    "aliased": ({"is_calibrated": False}, "incomplete-frame"),
    "not finite": ({"is_finite": False}, "non-finite-data"),
    "no clock": ({"time_s": None}, "scanner-clock"),
    "clock back": ({"time_s": 9.0}, "scanner-clock"),
    "a gap": ({"previous_time_s": 9.8}, "stale-frame"),
    "slice moved": (
        {"pose": replace(POSE, position_mm=(0.0, 0.0, 2.0)), "first_pose": POSE},
        "baseline-invalid",
    ),
    "no target in the slice": ({"displacement": None, "gate": None}, "tracking"),
    "training": ({"displacement": at(is_training=True)}, "training"),
    "doubted": ({"displacement": at(doubts=("out-of-plane",))}, "tracking"),
    "gate closed": ({"gate": closed("outside")}, "gate"),
    "no gate": ({"gate": None}, "gate"),
    "beam despite hold": (
        {"beam": beam((8.0, True), (9.9, True)), "held_since_s": 8.0},
        "beam-despite-hold",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_no_protocol_can_leave_out_holds(what):
    changes, rule = BAD[what]
    assert rules(PLAIN, seen(**changes)).get(rule) == "hold"


def test_frames_may_be_one_and_a_half_periods_apart_unless_a_protocol_says_more():
    assert rules(PLAIN, seen(previous_time_s=9.82)) == {}
    assert rules(PLAIN, seen(previous_time_s=9.0, frame_period_s=None)) == {}
    slow = protocol('[[limit]]\nrule = "stale-frame"\nmax_gap_s = 2.0\n')
    assert rules(slow, seen(previous_time_s=9.0)) == {}
    assert StaleFrame(max_gap_s=0.1875) in motion_limits_in_force(PLAIN, frame_period_s=0.125)


def test_the_gating_margin_is_the_baseline_s_limit_unless_a_protocol_says_another():
    assert BaselineShift(max_mm=3.0) in motion_limits_in_force(PLAIN)
    own = protocol('[[limit]]\nrule = "baseline-shift"\nmax_mm = 5.0\nn_cycles = 4\n')
    found = [one for one in motion_limits_in_force(own) if isinstance(one, BaselineShift)]
    assert found == [BaselineShift(max_mm=5.0, n_cycles=4)]


def test_every_limit_of_a_protocol_is_judged():
    tables = [
        '[[limit]]\nrule = "avoidance"\nregion = "duodenum"\n',
        '[[limit]]\nrule = "target-volume"\n',
        '[[limit]]\nrule = "surrogate"\n',
        '[[limit]]\nrule = "prediction-interval"\nmax_mm = 0.5\n',
    ]
    forecasts = (
        DoseForecast(structure="GTV", min_d98_percent=95.0),
        DoseForecast(structure="bowel", max_mean_gy=5.0),
    )
    plain = protocol(*tables)  # a forecast in TOML needs the files of a plan
    document = msgspec.structs.replace(plain.document, limit=(*plain.limit, *forecasts))
    all_limits = replace(plain, document=document)
    bad = seen(
        organs_percent={"duodenum": 30.0},
        displacement=at(volume_mm3=2000.0),
        delivered=delivered(structure(d98_gy=1.0), structure("bowel"), unplaced_mu=90.0),
        prescription_gy=8.0,
        beam=BeamLog(),
    )
    assert rules(all_limits, bad) == {
        "avoidance": "hold",
        "target-volume": "warn",
        "surrogate": "warn",
        "prediction-interval": "warn",
        "dose-forecast": "hold",
        "dose-unplaced": "warn",
    }
    found = [one for one in judge_motion(all_limits, bad) if one.rule == "dose-forecast"]
    assert [one.region for one in found] == ["GTV", "bowel"]


def test_what_is_no_number_holds():
    lost = seen(displacement=at((NAN, NAN), similarity=NAN), gate=None, time_s=NAN)
    assert {"tracking", "gate", "scanner-clock"} <= set(rules(PLAIN, lost))


REFUSED = {
    "heat": ('[[limit]]\nrule = "temperature-max"\nregion = "gtv"\nstop_above_c = 60.0\n',
             "limit[0].rule"),
    "the other motion": ('[[limit]]\nrule = "motion"\n', "limit[0].rule"),
    "an organ that is none": ('[[limit]]\nrule = "avoidance"\nregion = "gtv"\n',
                              "limit[0].region"),
    "an unknown organ": ('[[limit]]\nrule = "avoidance"\nregion = "liver"\n', "limit[0].region"),
    "dose without a plan": (
        '[[limit]]\nrule = "dose-forecast"\nstructure = "GTV"\nmin_d98_percent = 95.0\n',
        "limit[0].rule",
    ),
    "a forecast of nothing": (
        DOSE + '[[limit]]\nrule = "dose-forecast"\nstructure = "GTV"\n', "limit[0].min_d98_percent"
    ),
    "the same structure twice": (
        DOSE + 2 * '[[limit]]\nrule = "dose-forecast"\nstructure = "GTV"\nmax_mean_gy = 9.0\n',
        "limit[1]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_protocol_that_cannot_be_answered_is_refused_by_its_key(what):
    tables, key = REFUSED[what]
    with pytest.raises(ProtocolError) as caught:
        protocol(tables)
    assert caught.value.key == key, str(caught.value)


def test_a_limit_of_the_other_therapy_says_whose_it_is():
    heat = '[[limit]]\nrule = "noise"\nregion = "gtv"\nmax_std_c = 2.0\n'
    with pytest.raises(ProtocolError, match=re.escape("'noise' is a limit of mrgfus")):
        protocol(heat)


def test_a_linac_without_a_target_or_with_crossed_margins_is_refused():
    for old, new, key in (
        ('role = "target"', 'role = "body"', "region"),
        ("resume_margin_mm = 2.5", "resume_margin_mm = 3.5", "motion.resume_margin_mm"),
        ("gate_margin_mm = 3.0\n", "", "motion.gate_margin_mm"),
    ):
        text = PLAIN.text.replace(old, new)
        with pytest.raises(ProtocolError) as caught:
            parse_protocol(text)
        assert caught.value.key == key
