"""A linac's verdict in one line, for whoever watches."""

from dataclasses import replace

from messages import FrameKey, Verdict
from realtime.cli import verdict_words
from tests.realtime.outputs.linac_run import TRAINING, frame_of


def test_the_line_tells_place_share_outside_beam_and_dose():
    verdict, _ = frame_of(40)
    motion = replace(verdict.motion, displacement_mm=(3.04, -0.04), outside_percent=2.4)
    words = verdict_words.motion(replace(verdict, motion=motion))
    dose = f"D98 {verdict.delivered.so_far[0].d98_gy:.2f} Gy"
    assert words == ["+3.0 +0.0 mm", "2 % outside", "beam OFF", dose]


def test_what_is_not_known_is_not_told_as_a_number():
    verdict, _ = frame_of(5)
    motion = replace(verdict.motion, displacement_mm=None, is_beam_on=None, outside_percent=None)
    assert verdict_words.motion(replace(verdict, motion=motion)) == ["?", "beam ?"]
    assert verdict_words.training(verdict) == [f"training 6 of {TRAINING}"]


def test_it_fits_beside_permit_and_age():
    words = "  ".join(verdict_words.motion(frame_of(40)[0]))
    assert words.startswith("+3.0 -0.7 mm  0 % outside  beam OFF  D98 ")
    assert len(words) < 50


def test_a_verdict_without_a_target_says_nothing_of_motion():
    verdict = Verdict(1, FrameKey(), "COMPUTED", "HELD", baseline_frames=2, baseline_wanted=5)
    assert verdict_words.motion(verdict) == []
    assert verdict_words.training(verdict) == ["baseline 2 of 5"]
