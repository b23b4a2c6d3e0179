"""The operator sees how far the training is, in `watch` and in the line of serve and replay."""

from messages import FrameKey, Heartbeat, Verdict
from messages.codec import Envelope
from realtime.cli.console import console
from realtime.cli.progress import FrameProgress
from realtime.cli.watch_screen import screen
from realtime.cli.watch_seen import Seen


def verdict(gathered, wanted):
    return Verdict(
        7, FrameKey(), "COMPUTED", "HELD", baseline_frames=gathered, baseline_wanted=wanted
    )


def described(one):
    return FrameProgress(None, target="focus")._describe(one)


def shown(one):
    seen = Seen()
    for n, noun in enumerate((Heartbeat(0, "HELD", ""), one), start=1):
        seen.hear(Envelope(1, "epoch", n, b"", 0.0), noun, now_ns=0)
    out = console()
    with out.capture() as caught:
        out.print(screen(seen, now_ns=0, width=out.width, height=40))
    return caught.get()


def test_the_training_is_counted_while_it_lasts():
    assert "baseline 3 of 20" in shown(verdict(3, 20))
    assert "baseline 3 of 20" in described(verdict(3, 20))


def test_nothing_is_said_of_it_once_it_is_over_or_where_there_is_none():
    for one in (verdict(20, 20), verdict(0, 0)):
        assert "baseline" not in shown(one)
        assert "baseline" not in described(one)
