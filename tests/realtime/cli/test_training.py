"""The operator sees how far the training is, in `watch` and in the line of serve and replay."""

from messages import FrameKey, Verdict
from realtime.cli.progress import FrameProgress
from realtime.cli.watch import _verdict_line


def verdict(gathered, wanted):
    return Verdict(
        7, FrameKey(), "COMPUTED", "HELD", baseline_frames=gathered, baseline_wanted=wanted
    )


def described(one):
    return FrameProgress(None, target="focus")._describe(one)


def test_the_training_is_counted_while_it_lasts():
    assert "baseline 3 of 20" in _verdict_line(verdict(3, 20))
    assert "baseline 3 of 20" in described(verdict(3, 20))


def test_nothing_is_said_of_it_once_it_is_over_or_where_there_is_none():
    for one in (verdict(20, 20), verdict(0, 0)):
        assert "baseline" not in _verdict_line(one)
        assert "baseline" not in described(one)
