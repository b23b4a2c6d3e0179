"""A finished run on the page: every frame can be sought, and nothing of it is live."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from messages import (
    Alert,
    FrameKey,
    LimitPlan,
    Maps,
    Pose,
    RegionPlan,
    RegionReading,
    RunStart,
    RunStop,
    Verdict,
)
from realtime.cli import main
from realtime.clock import MonotonicClock
from realtime.outputs.page.picture import draw
from realtime.outputs.page.playback import Playback
from realtime.outputs.page.recorded_pictures import RecordedPictures
from realtime.outputs.page.wire import Hello, read_word
from realtime.outputs.report_record import read_run
from realtime.outputs.run_folder import RunFolder
from tests.realtime.outputs.linac_run import linac_run, take
from tests.realtime.outputs.page.monitor import Browser, read_picture

N = 16
START = RunStart(
    "run-1", "brain", "01", "mrgfus", "", "", "2026-11-22T01:00:00+00:00", "", {}, (1, N, N),
    (160.0, 160.0, 3.0), 100.0, 4500.0, {}, regions=(RegionPlan("focus", "target"),),
    limits=(LimitPlan("temperature-max", "focus", "temperature_c", 57.0, 60.0, "°C"),),
)  # fmt: skip
N_FRAMES = 12


def write_frame(folder, frame, *, slice_=0):
    key = FrameKey(repetition=frame, slice=slice_)
    reading = RegionReading("focus", "target", 4, 4, 40.0 + frame, 39.0 + frame, 0.4, 0.5)
    take(
        folder,
        Verdict(
            frame, key, "COMPUTED", "GRANTED", 2.0 * frame, (), (reading,), 7.0,
            {"measure": 3.0}, permit="GRANTED" if frame < 9 else "HELD",
        ),
    )  # fmt: skip
    shape = (1, N, N)
    plane = np.full(shape, 40.0 + frame, np.float32)
    bits = np.zeros(shape, np.uint16)
    bits[0, frame, 0] = 1
    take(
        folder,
        Maps(
            frame, key, 2.0 * frame, (160.0, 160.0, 3.0), Pose(), plane, plane, plane / 100,
            np.ones(shape, np.bool_), plane, plane, plane, plane, region_bits=bits,
        ),
    )  # fmt: skip


def write_run(path):
    """Twelve frames of two slices in turn, an alert that was never over, and an end."""
    folder = RunFolder(path, START)
    for frame in range(N_FRAMES):
        write_frame(folder, frame, slice_=frame % 2)
    take(folder, Alert(0, "temperature-max.hold", "high", True, "raised", "too hot"))
    take(folder, RunStop("run-1", "completed", "", "", N_FRAMES, 0, 0, 0, 0, 0))
    folder.close()
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where `mrmonitor review` shows the run; it ends by Ctrl-C, as a person ends it."""
    run = write_run(tmp_path_factory.mktemp("runs") / "one")
    process = subprocess.Popen(
        [sys.executable, "-m", "realtime.cli", "review", str(run), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    assert line.startswith("review: http://127.0.0.1:"), process.stderr.read()
    yield line.split()[1]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, "Traceback" in said) == (0, False), said


@pytest.fixture
def browser(address):
    it = Browser(address)
    yield it
    it.close()


def seek(browser, frame):
    """Seek, and return the frame's word and a picture of each slice, by slice."""
    browser.say({"type": "seek", "frame": frame})
    word = browser.wait("frame")["frame"]
    browser.see()
    pictures = [browser.wait("picture") for _ in range(min(frame + 1, 2))]
    return word, {one["slice"]: one for one in pictures}


def level(picture, name):
    plane = next(one for one in picture["planes"] if one["name"] == name)
    return plane["offset"] + plane["step"] * (float(plane["codes"].max()) - 1)


def test_a_newcomer_hears_what_it_is_and_the_whole_course(browser):
    welcome = browser.wait("welcome")
    recorded = welcome["recorded"]
    assert (recorded["n_frames"], recorded["name"]) == (N_FRAMES, "one")
    assert recorded["times_s"] == [2.0 * n for n in range(N_FRAMES)]
    assert welcome["plan"]["protocol_name"] == "brain"
    assert welcome["plan"]["limits"][0]["stop"] == 60.0
    assert [one["alert"]["text"] for one in welcome["missed"]] == ["too hot"]
    assert welcome["open"] == []  # what is over rings no bell
    history = browser.wait("history")
    assert [row["frame_id"] for row in history["rows"]] == list(range(N_FRAMES))
    assert history["rows"][3]["regions"][0]["temperature_max_c"] == 43.0
    assert [row["permit"] for row in history["rows"]] == ["GRANTED"] * 9 + ["HELD"] * 3


def test_each_frame_can_be_sought_with_the_newest_picture_of_each_slice(browser):
    for frame in (7, 2, 11, 0):
        word, pictures = seek(browser, frame)
        assert (word["frame_id"], word["stage_ms"]) == (frame, {"measure": 3.0})
        shown = {n: one["frame_id"] for n, one in pictures.items()}
        assert shown == {n % 2: n for n in range(max(frame - 1, 0), frame + 1)}
        own = pictures[frame % 2]
        assert level(own, "temperature_c") == pytest.approx(40.0 + frame, abs=0.01)
        (regions,) = (one for one in own["planes"] if one["name"] == "regions")
        assert np.argwhere(regions["codes"] == 2).tolist() == [[0, frame, 0]]
    assert seek(browser, 10_000)[0]["frame_id"] == N_FRAMES - 1


def test_nothing_of_it_is_live(browser):
    for _ in range(3):
        beat = browser.wait("beat")
        assert beat["permit"]["state"] == "HELD"
        assert "recorded" in beat["permit"]["reason"]
        assert beat["frame"] is None
    told = {"epoch": "any", "alert_id": 0, "who": "Ada"}
    browser.say({"type": "acknowledge", "request": 5, **told})
    assert browser.wait("acknowledged", request=5)["status"] == "refused"


def test_a_linac_s_run_of_before_the_plan_was_told_is_shown_by_its_protocol(tmp_path):

    run = read_run(linac_run(tmp_path / "linac", n_frames=24))
    playback = Playback(run, MonotonicClock())
    assert (playback.plan.gate_margin_mm, playback.plan.max_outside_percent) == (3.0, 5.0)
    assert [one.name for one in playback.plan.regions] == ["tumour", "stomach"]
    outbox = playback.join(Hello(), now_ns=0)
    rows = [
        row
        for message in iter(lambda: outbox.next(lambda n, _: "{}"), None)
        for row in json.loads(message).get("rows", ())
    ]
    assert [row["frame_id"] for row in rows] == list(range(24))
    last = rows[-1]
    assert last["motion"]["displacement_mm"] is not None
    assert last["motion"]["gate_center_mm"] == [0.5, 0.0]
    assert last["delivered"]["forecast"][0]["name"] == "tumour"
    assert rows[0]["delivered"] is None
    run.close()


def review(*arguments):
    done = CliRunner().invoke(main, ["review", *map(str, arguments), "--port", "0"])
    assert "Traceback" not in done.output
    assert not isinstance(done.exception, Exception) or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


def test_what_is_no_run_is_told_in_a_sentence(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert review(tmp_path / "none") == (
        1,
        f"Error: {tmp_path / 'none'}: is no folder, expected a run folder\n",
    )
    code, text = review(empty)
    assert (code, "holds no run" in text) == (1, True)
    begun = tmp_path / "begun"
    RunFolder(begun, START).close()
    code, text = review(begun)
    assert (code, "the run has no frame" in text) == (1, True)


def test_a_browser_comes_back_to_a_run_with_a_long_name(tmp_path):
    path = write_run(tmp_path / ("of a patient who is not named " * 4))
    (path / "run.json").unlink()
    run = read_run(path)
    welcome = json.loads(Playback(run, MonotonicClock()).join(Hello(), now_ns=0).next(str))
    again = {"type": "hello", "epoch": welcome["epoch"], "after": welcome["last_alert"]}
    assert read_word(json.dumps(again)) == Hello(welcome["epoch"], 1)
    run.close()


def test_pictures_beyond_any_screen_are_refused(tmp_path):
    run = write_run(tmp_path / "huge")
    (run / "maps.h5").unlink()
    with h5py.File(run / "maps.h5", "w") as file:
        file.attrs["fov_mm"] = (1.0, 1.0, 1.0)
        shape = (1, 1, 1 << 13, 1 << 13)
        file.create_dataset("magnitude", shape, "f4", chunks=(1, 1, 64, 64))
        file["time_s"], file["frame"] = [0.0], [0]
    code, text = review(run)
    assert (code, "pixels, expected at most" in text) == (1, True)


@pytest.mark.parametrize("share", [0.6, 0.95])
def test_a_truncated_file_is_told_or_shown_as_far_as_it_goes(tmp_path, share):

    path = write_run(tmp_path / "cut")
    for name in ("maps.h5", "verdicts.csv", "readings.csv", "alerts.jsonl", "run.json"):
        whole = (path / name).read_bytes()
        (path / name).write_bytes(whole[: int(share * len(whole))])
    run = read_run(path)
    playback = Playback(run, MonotonicClock())
    outbox = playback.join(Hello(), now_ns=0)
    playback.seek(outbox, 3)
    while (message := outbox.next(lambda n, _: "{}")) is not None:
        assert message
    assert run.missing
    run.close()


def test_a_picture_that_cannot_be_read_shows_nothing_as_valid(tmp_path, monkeypatch):

    run = read_run(write_run(tmp_path / "broken"))
    pictures = RecordedPictures(run, run_id="run-1")

    def fail(*_):
        raise OSError("chunk")

    monkeypatch.setattr(type(run.maps), "read", fail)
    maps = pictures.read(3)
    assert maps.frame_id == 3
    (plane,) = read_picture(draw(replace(maps), number=1, now_ms=0.0))["planes"]
    assert not plane["codes"].any()
    run.close()
