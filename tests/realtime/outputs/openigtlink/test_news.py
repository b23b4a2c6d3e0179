"""What clients are told, with a clock that the test turns."""

from dataclasses import replace

import numpy as np
import pytest

from messages import Alert, FrameKey, Heartbeat, MotionReading, Permit, RunStop, Verdict
from messages.codec import Envelope
from realtime.outputs.openigtlink.news import News
from tests.realtime.outputs.openigtlink.peer import only
from tests.realtime.outputs.page.monitor import maps

UTC_S = 1_764_000_000.0
MOTION = MotionReading(1.0, (1.0, 2.0), (3.0, -2.0, 5.0), 0.98, 0.9, 500.0, 4000.0)


class Desk:
    """News, told at a time that passes as the test says."""

    def __init__(self):
        self.news, self.now_ns, self._sequences = News(), 10**9, {}
        self.current = {}

    def say(self, noun, *, epoch="one", after_s=0.0, late_s=0.0):
        """Have a noun heard; return what is new, by key."""
        self.now_ns += round(after_s * 1e9)
        number = self._sequences[type(noun)] = self._sequences.get(type(noun), 0) + 1
        at_ms = self.now_ns / 1e6 - late_s * 1e3
        envelope = Envelope(1, epoch, number, b"{}", at_ms)
        self.news.hear(envelope, noun, now_ns=self.now_ns, utc_s=self.utc_s)
        return self.look()

    def look(self, after_s=0.0):
        self.now_ns += round(after_s * 1e9)
        self.news.look(now_ns=self.now_ns, utc_s=self.utc_s)
        return {one.key: only(one.content) for one in self.news.take()}

    @property
    def utc_s(self):
        return UTC_S + self.now_ns / 1e9

    @property
    def kept(self):
        return set(self.news.current)


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def live(desk):
    """A desk that heard a permit of half a minute and a picture."""
    desk.say(Heartbeat(0, "GRANTED", "run"))
    desk.say(Permit("GRANTED", 30_000.0, "", 0, "run"))
    desk.say(maps(0))
    return desk


PERMIT, WORDS = ("STATUS", "mrm permit"), ("STRING", "mrm permit")


def test_before_a_monitor_is_heard_it_is_held_and_not_ready(desk):
    told = desk.look()
    assert told[PERMIT].status == (13, 0, "HELD", "no monitor heard yet")
    assert told[WORDS].text == "HELD: no monitor heard yet"


def test_a_permit_is_told_at_once_with_what_is_left_of_its_lease(desk):
    desk.say(Heartbeat(0, "GRANTED", "run"))
    told = desk.say(Permit("GRANTED", 4500.0, "", 0, "run"))
    assert told[PERMIT].status == (1, 4500, "GRANTED", "for another 4.5 s")
    assert told[WORDS].text == "GRANTED"


def test_a_lease_that_lapses_is_told_without_a_word_of_the_monitor(desk):
    desk.say(Heartbeat(0, "GRANTED", "run"))
    desk.say(Permit("GRANTED", 200.0, "", 0, "run"))
    assert PERMIT not in desk.look(after_s=0.15)
    told = desk.look(after_s=0.1)
    assert told[PERMIT].status[:3] == (15, 0, "HELD")
    assert "lapsed" in told[WORDS].text


def test_a_silent_monitor_is_told_and_its_pictures_forgotten(live):
    assert ("IMAGE", "mrm magnitude") in live.kept
    told = live.look(after_s=0.6)
    assert told[PERMIT].status[0] == 7
    assert told[PERMIT].status[2:] == ("HELD", "monitor silent for 0.6 s")
    assert not [key for key in live.kept if key[0] == "IMAGE"]


def test_a_watcher_that_is_behind_says_held(live):
    told = live.say(Heartbeat(0, "GRANTED", "run"), after_s=1.0, late_s=0.9)
    assert told[PERMIT].status[0] == 7
    assert "behind" in told[WORDS].text


def test_a_hold_is_told_with_its_reason_and_repeated_each_second(live):
    told = live.say(Permit("HELD", 0.0, "hottest pixel at 61.48 °C", 1, "run"))
    assert told[PERMIT].status == (15, 0, "HELD", "hottest pixel at 61.48 °C")
    assert told[WORDS].text == "HELD: hottest pixel at 61.48 °C"
    told = live.say(Permit("HELD", 0.0, "hottest pixel at 61.51 °C", 2, "run"), after_s=0.3)
    assert PERMIT not in told, "numbers that pass are no news"
    told = live.say(Heartbeat(0, "HELD", "run"), after_s=0.3)
    assert PERMIT not in told
    told = live.say(Heartbeat(0, "HELD", "run"), after_s=0.45)
    assert told[PERMIT].status[3] == "hottest pixel at 61.51 °C"
    assert WORDS not in told


def test_a_frame_is_an_image_for_each_of_its_maps(live):
    frame = maps(1)
    temperature = np.full((1, 32, 32), 41.0, np.float32)
    valid = np.ones((1, 32, 32), np.bool_)
    valid[0, 3, 4] = False
    told = live.say(
        replace(
            frame,
            temperature_c=temperature,
            valid=valid,
            dose_cem43_min=temperature * 2,
            target_mask=valid,
            region_bits=np.full((1, 32, 32), 5, np.uint16),
        )
    )
    assert np.array_equal(told["IMAGE", "mrm magnitude"].voxels, frame.magnitude)
    shown = told["IMAGE", "mrm temperature"].voxels
    assert np.isnan(shown[0, 3, 4]), "invalid is never shown as normal"
    assert np.nansum(shown) == 41.0 * (32 * 32 - 1)
    assert told["IMAGE", "mrm dose"].voxels.max() == 82.0
    assert told["IMAGE", "mrm target"].voxels.sum() == 32 * 32 - 1
    assert told["IMAGE", "mrm regions"].voxels.dtype == np.uint16
    assert told["IMAGE", "mrm dose"].utc_s == pytest.approx(live.utc_s, abs=1e-6)


@pytest.mark.parametrize(
    ("slice_", "contrast", "name"),
    [(0, 0, "mrm temperature"), (3, 0, "mrm temperature.3"), (0, 2, "mrm temperature.0.2"),
     (65535, 65535, "mrm temp.65535.65535"), (65535, 0, "mrm temperatur.65535")],
)  # fmt: skip
def test_each_slice_and_contrast_is_a_device_of_its_own(live, slice_, contrast, name):
    frame = replace(maps(1), key=FrameKey(1, slice_, contrast, 0, 0))
    assert ("IMAGE", name) in live.say(frame)


def test_only_the_run_that_has_the_permit_is_shown(live):
    assert ("IMAGE", "mrm magnitude") not in live.say(replace(maps(1), run_id="another"))


def test_the_end_of_a_run_forgets_its_pictures(live):
    live.say(RunStop("run", "completed", "", "2026", 1, 0, 0, 0, 0, 0))
    assert not [key for key in live.kept if key[0] == "IMAGE"]


def test_another_life_of_the_monitor_forgets_pictures_and_permit(live):
    told = live.say(Heartbeat(0, "HELD", ""), epoch="two")
    assert told[PERMIT].status[2] == "HELD"
    assert not [key for key in live.kept if key[0] == "IMAGE"]


def verdict(n, motion, outcome="COMPUTED"):
    return Verdict(n, FrameKey(n, 0, 0, 0, 0), outcome, "GRANTED", motion=motion, run_id="run")


SHIFT, KNOWN = ("TRANSFORM", "mrm displacement"), ("STATUS", "mrm displacement")


def test_a_displacement_is_a_transform_in_ras(live):
    told = live.say(verdict(1, MOTION))
    assert told[SHIFT].matrix[:3, 3].tolist() == [-3.0, 2.0, 5.0]
    assert told[KNOWN].status == (1, 0, "KNOWN", "")


@pytest.mark.parametrize(
    ("motion", "outcome", "why"),
    [
        (replace(MOTION, doubts=("jump", "edge-of-search")), "COMPUTED", "jump, edge-of-search"),
        (replace(MOTION, displacement_lps_mm=None), "COMPUTED", "not followed yet"),
        (None, "LATE", "frame 2 is LATE"),
    ],
)
def test_a_displacement_that_is_not_believed_is_not_known(live, motion, outcome, why):
    live.say(verdict(1, MOTION))
    told = live.say(verdict(2, motion, outcome))
    assert SHIFT not in told
    assert told[KNOWN].status == (4, 0, "NOT KNOWN", why)
    assert SHIFT not in live.kept, "a newcomer gets no old place"


def test_a_displacement_is_not_known_of_a_silent_monitor(live):
    live.say(verdict(1, MOTION))
    assert live.look(after_s=0.6)[KNOWN].status[2] == "NOT KNOWN"


def test_without_a_target_there_is_no_displacement(live):
    assert KNOWN not in live.say(verdict(1, None))


ALERTS = ("STRING", "mrm alerts")


def alert(number, priority, state="raised"):
    return Alert(number, "drift.warn", priority, True, state, f"σ of alert {number}")


def test_alerts_that_stand_are_one_text_high_ones_first(desk):
    desk.say(Heartbeat(0, "HELD", "run"))
    desk.say(alert(0, "low"))
    told = desk.say(alert(1, "high"))
    assert told[ALERTS].text == "high (raised): σ of alert 1\nlow (raised): σ of alert 0"
    assert desk.say(alert(1, "high", "acknowledged"))[ALERTS].text.startswith("high (acknowledged)")
    desk.say(alert(1, "high", "withdrawn"))
    assert desk.say(alert(0, "low", "withdrawn"))[ALERTS].text == "no alert"


def test_of_many_alerts_the_rest_are_counted(desk):
    desk.say(Heartbeat(0, "HELD", "run"))
    for number in range(25):
        told = desk.say(alert(number, "medium"))
    assert told[ALERTS].text.endswith("and 5 more")
