"""The power log: in scanner time, whole although frames are lost, the same in a replay."""

import math

import numpy as np
import pytest

from messages import MonitorError, PowerLog
from realtime.device_log import APART_S, holds_since
from realtime.device_power import POWER_FILE, DevicePower
from realtime.mailbox import POWER_STEPS, Layout, Mailbox, anonymous_memory
from realtime.requests import PowerReport


def say(power, watts, *, since_s):
    """Let a device report; without a time (NaN) it counts from now, which nobody knows yet."""
    time_s = None if math.isnan(since_s) else since_s
    power.take(PowerReport(watts, time_s), now_s=since_s)


@pytest.fixture
def row():
    layout = Layout(n_slots=1, n_readouts=1, n_coils=1, n_samples=1, n_pixels=1)
    row = Mailbox(layout, anonymous_memory("test", layout.total_bytes)).slots[0]
    row["time_s"] = 1.0
    return row


def written(power, row, frame):
    row["frame_id"] = frame
    power.write(row)
    return row["power"][: int(row["n_power"])].tolist()


def test_equal_reports_are_one_step(row):
    power = DevicePower()
    for since_s, watts in ((1.0, 0.0), (2.0, 30.0), (3.0, 30.0), (4.0, 0.0)):
        say(power, watts, since_s=since_s)
    assert written(power, row, 0) == [(1.0, 0.0), (2.0, 30.0), (4.0, 0.0)]


def test_a_report_before_the_clock_counts_from_the_beginning(row):
    power = DevicePower()
    say(power, 0.0, since_s=math.nan)
    say(power, 25.0, since_s=math.nan)
    row["time_s"] = math.nan
    assert written(power, row, 0) == []
    row["time_s"] = 1.5
    assert written(power, row, 1) == [(0.0, 25.0)]


def test_time_never_runs_back(row):
    power = DevicePower()
    say(power, 30.0, since_s=5.0)
    say(power, 0.0, since_s=4.0)
    assert written(power, row, 0) == [(5.0, 30.0), (5.0 + APART_S, 0.0)]


def test_only_the_latest_steps_that_a_frame_has_had_stay(row):
    power = DevicePower()
    for n in range(POWER_STEPS):
        say(power, float(n), since_s=float(n))
    written(power, row, 0)
    for n in range(POWER_STEPS, POWER_STEPS + 10):
        say(power, float(n), since_s=float(n))
    assert [int(watts) for _, watts in written(power, row, 1)] == list(range(10, POWER_STEPS + 10))


def test_a_flood_between_two_frames_keeps_its_energy(row):
    """Ten thousand reports in a second: a device that pulses its power, and says each edge."""
    power, rng = DevicePower(), np.random.default_rng(1)
    times_s = np.sort(rng.uniform(1.0, 2.0, 10_000))
    watts = np.where(np.arange(10_000) % 2, 0.0, 100.0)
    for time_s, one in zip(times_s, watts, strict=True):
        say(power, float(one), since_s=float(time_s))
    say(power, 30.0, since_s=2.5)
    steps = written(power, row, 0)
    assert len(steps) == POWER_STEPS
    log = PowerLog(*map(np.array, zip(*steps, strict=True)))
    truth = PowerLog(np.append(times_s, 2.5), np.append(watts, 30.0))
    assert log.energy_j(0.0, 3.0) == pytest.approx(truth.energy_j(0.0, 3.0), rel=1e-6)
    assert log.energy_j(0.0, 1.5) == pytest.approx(truth.energy_j(0.0, 1.5), abs=1.0)
    assert log.now_w == 30.0


@pytest.mark.parametrize("now_s", [math.nan, 0.0, 100.0])
def test_a_step_far_in_the_future_is_refused_or_all_later_ones_would_wait_for_it(now_s):
    early_s = 100.0 if now_s == 100.0 else 5.0
    assert holds_since(early_s, now_s=now_s, of="power") == early_s
    assert np.array_equal(holds_since(None, now_s=now_s, of="power"), now_s, equal_nan=True)
    with pytest.raises(MonitorError, match=r"power: time_s is 1e\+09, expected at most"):
        holds_since(1e9, now_s=now_s, of="power")


def test_a_replay_gives_each_frame_what_it_had(row, tmp_path):
    live = DevicePower()
    live.open(tmp_path)
    say(live, 0.0, since_s=0.1)
    seen = [written(live, row, 0)]
    say(live, 30.0, since_s=1 / 3)
    # frame 1 was lost: its steps come with frame 2
    seen.append(written(live, row, 2))
    say(live, 0.0, since_s=7.7)
    seen.append(written(live, row, 3))
    live.close()
    live._recorder.close()
    again = DevicePower()
    again.open(None, recording=tmp_path / "raw.mrd")
    assert [written(again, row, frame) for frame in (0, 2, 3)] == seen
    assert (tmp_path / POWER_FILE).read_text().splitlines()[0] == "time_s,watts,frame"


def test_a_recording_without_power_has_none(row, tmp_path):
    power = DevicePower()
    power.open(None, recording=tmp_path / "raw.mrd")
    assert written(power, row, 0) == []


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "time_s,watts,frame\nx,1,0\n", "time_s,watts,frame\nnan,1,0\n"]
)
def test_a_power_file_that_is_none_is_refused(tmp_path, text):
    (tmp_path / POWER_FILE).write_text(text)
    with pytest.raises(MonitorError, match=r"power\.csv"):
        DevicePower().open(None, recording=tmp_path / "raw.mrd")


def test_steps_are_numbers_to_the_last_digit(row, tmp_path):
    power, time_s = DevicePower(), float(np.nextafter(1 / 3, 1))
    power.open(tmp_path)
    say(power, 30.0, since_s=time_s)
    written(power, row, 0)
    power._recorder.close()
    again = DevicePower()
    again.open(None, recording=tmp_path / "raw.mrd")
    assert written(again, row, 0) == [(time_s, 30.0)]
