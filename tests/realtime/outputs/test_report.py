"""The report of a small run made by hand: its figures, its words, and what is not there."""

import base64
import json
import math
import re
import shutil
import struct
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from messages import (
    Alert,
    Finding,
    FrameKey,
    Maps,
    MonitorError,
    Pose,
    RegionReading,
    RunStart,
    RunStop,
    Verdict,
)
from messages.codec import decode, encode
from realtime.alerts.events import EVENTS
from realtime.batch.figures import figures_of
from realtime.cli.report import report
from realtime.outputs import report_figures, report_style
from realtime.outputs.report import main_figure, write_report
from realtime.outputs.report_montage import panels
from realtime.outputs.report_numbers import errors_against_truth, hottest, stage_times
from realtime.outputs.report_record import read_run
from realtime.outputs.run_folder import RunFolder
from realtime.outputs.run_tables import STAGES

N = 24
N_FRAMES = 8
EVIL = "<script>alert('x')</script>"
PROTOCOL = """
[protocol]
name = "by-hand"
therapy = "mrgfus"
frame_deadline_ms = 100.0
lease_ms = 4500.0
[recon]
method = "fft"
[thermometry]
method = "single-baseline"
baseline_frames = 2
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 1
heated_margin_px = 3.0
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [12.0, 12.0]
radii_px = [2.0, 2.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 60.0
"""


def temperature(frame):
    y, x = np.mgrid[:N, :N]
    rise = 4.0 * frame * np.exp(-((y - 12) ** 2 + (x - 12) ** 2) / 8.0)
    return (37.0 + rise)[np.newaxis].astype(np.float32)


def take(folder, noun, sequence=1):
    folder.take(*decode(encode(noun, epoch="e", sequence=sequence)))


def write_frame(folder, frame, *, outcome="COMPUTED"):
    key, field = FrameKey(repetition=frame), temperature(frame)
    dose = np.where(field > 43, 10.0 ** (frame / 2), 0.0).astype(np.float32)
    most = float(field.max())
    reading = RegionReading("focus", "target", 13, 13, most, most - 2, 0.4, float(dose.max()), 0.0)
    finding = Finding("temperature-max", "warn", f"warm {EVIL}")
    verdict = Verdict(
        frame, key, outcome, "GRANTED", 2.0 * frame, (finding,), (reading,),
        age_ms=5.0 + frame, stage_ms=dict.fromkeys(STAGES, 1.0),
        permit="GRANTED" if frame < 6 else "HELD",
    )  # fmt: skip
    take(folder, verdict)
    maps = Maps(
        frame, key, 2.0 * frame, (240.0, 240.0, 3.0), Pose(), np.ones((1, N, N), np.float32),
        field, np.full_like(field, 0.4), np.ones((1, N, N), np.bool_), dose, dose / 2, dose * 2,
        dose,
    )  # fmt: skip
    take(folder, maps)


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Fewer pixels and no layout, for time; the README's figure is drawn in full below."""
    monkeypatch.setattr(report_figures, "_DPI", 44)
    monkeypatch.setattr(report_style, "new_figure", lambda w, h: Figure(figsize=(w, h)))


@pytest.fixture
def run_folder(tmp_path):
    """A run of eight frames with hostile texts wherever a text can come from outside."""
    path = tmp_path / "run"
    start = RunStart(
        "run-1", f"by-hand{EVIL}", "abc123", "mrgfus", "digest", EVIL, "2026-01-01T00:00:00",
        "machine", {"python": "3.11"}, (1, N, N), (240.0, 240.0, 3.0), 100.0, 4500.0,
        {"total": 2.0},
    )  # fmt: skip
    folder = RunFolder(path, start)
    for frame in range(N_FRAMES):
        write_frame(folder, frame)
    alert = Alert(0, "temperature-max.hold", "high", True, "raised", EVIL, "focus", 7, 65.0, 60.0)
    take(folder, alert)
    take(folder, RunStop("run-1", "completed", EVIL, "2026", N_FRAMES, 0, 0, 0, 100, 0))
    folder.close()
    (path / "protocol.toml").write_text(PROTOCOL)
    return path


class Page(HTMLParser):
    """Reads a page: its tags, its pictures, its links."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.pictures, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "src" and value.startswith("data:image/png;base64,"):
                self.pictures.append(base64.b64decode(value.split(",", 1)[1]))
            elif name in ("src", "href", "srcset", "action"):
                self.links.append(value)


def page_of(folder):
    return write_report(folder, with_pdf=False).read_text(encoding="utf-8")


def test_report_holds_its_figures_and_asks_nothing_of_anybody(run_folder):
    text = page_of(run_folder)
    page = Page(text)
    assert len(page.pictures) == 4
    for png in page.pictures:
        width, height = struct.unpack(">II", png[16:24])
        assert png.startswith(b"\x89PNG")
        assert width > 400
        assert height > 100
    assert page.links == []
    assert not re.search(r"https?://|@import|url\(", text)


def test_report_says_what_it_is_not_and_what_happened(run_folder):
    text = page_of(run_folder)
    assert "not a safety interlock" in text
    assert f"{temperature(N_FRAMES - 1).max():.1f} °C" in text
    assert "abc123" in text
    assert "temperature-max.hold" in text


def test_every_text_from_outside_is_escaped(run_folder):
    text = page_of(run_folder)
    assert "script" not in Page(text).tags
    assert text.count("&lt;script&gt;") >= 3  # protocol name, source, alert


def test_numbers_are_those_of_the_run(run_folder):
    run = read_run(run_folder)
    assert hottest(run).frame_id == N_FRAMES - 1
    ages = next(row for row in stage_times(run) if row.stage == "age")
    assert ages.ms[0] == pytest.approx(5.0 + (N_FRAMES - 1) / 2)
    assert ages.ms[3] == pytest.approx(5.0 + N_FRAMES - 1)
    run.close()


def write_truth(folder, *, offset_c):
    with h5py.File(folder / "truth.h5", "w") as file:
        frames = np.arange(N_FRAMES)
        file["frame_time_s"] = 2.0 * frames + 1.0
        file["temperature_bandlimited_c"] = np.stack([temperature(f)[0] - offset_c for f in frames])
        file["sample_time_s"] = np.linspace(0.0, 16.0, 50)
        file["peak_c"] = np.linspace(37.0, 66.0, 50)
        file["dose_cem43_min"] = np.zeros((N_FRAMES, N, N), np.float32)


def test_error_against_truth_is_measured_minus_true(run_folder):
    write_truth(run_folder, offset_c=0.5)
    run = read_run(run_folder)
    errors = errors_against_truth(run)
    run.close()
    assert set(errors) == {"focus", "outside the heated region"}
    assert errors["focus"].mean_c == pytest.approx(0.5, abs=1e-4)
    assert errors["focus"].n == 13 * N_FRAMES
    assert errors["outside the heated region"].rms_c == pytest.approx(0.5, abs=1e-4)
    assert "Against truth" in page_of(run_folder)


def test_the_truth_of_a_scan_is_a_rise_and_tells_no_peak(run_folder, tmp_path):
    write_truth(run_folder, offset_c=0.5)
    with h5py.File(run_folder / "truth.h5", "r") as file:
        times_s, warm_c = file["frame_time_s"][:], file["temperature_bandlimited_c"][:]
    rise_c = warm_c - 37.0
    rise_c[:, 0, 0] = np.nan  # no tissue there: nothing to compare with
    scan = tmp_path / "scan_truth.h5"
    with h5py.File(scan, "w") as file:
        file["frame_time_s"], file["rise_bandlimited_c"] = times_s, rise_c
    (run_folder / "truth.h5").unlink()
    found = CliRunner().invoke(report, [str(run_folder), "--truth", str(scan)])
    assert found.exit_code == 0, found.output
    run = read_run(run_folder)
    errors = errors_against_truth(run)
    run.close()
    assert errors["focus"].mean_c == pytest.approx(0.5, abs=1e-4)
    assert math.isfinite(errors["outside the heated region"].rms_c)
    page = (run_folder / "report.html").read_text()
    assert "Against truth" in page
    assert "True peak" not in page


def test_closed_loop_gives_the_overshoot_table(run_folder):
    overshoot = {"limit_c": 60.0, "overshoot_c": 2.84, "due_to_frame_time_c": 1.55}
    content = {"overshoot": overshoot, "heated_s": 18.0, "permits": [{"t_s": "odd"}, 3]}
    (run_folder / "closed_loop.json").write_text(json.dumps(content))
    text = page_of(run_folder)
    assert "True peak above the limit" in text
    assert "1.55" in text


@pytest.mark.parametrize(
    "name", ["protocol.toml", "maps.h5", "verdicts.csv", "readings.csv", "alerts.jsonl", "run.json"]
)
def test_a_folder_without_one_file_gives_a_report_that_says_so(run_folder, name):
    (run_folder / name).unlink()
    text = page_of(run_folder)
    assert "What is missing" in text
    assert name in text


def test_files_cut_short_give_a_report_all_the_same(run_folder):
    for name in ("maps.h5", "verdicts.csv", "readings.csv", "alerts.jsonl"):
        content = (run_folder / name).read_bytes()
        (run_folder / name).write_bytes(content[: len(content) // 2])
    text = page_of(run_folder)
    assert "Run run-1" in text
    assert "maps.h5" in text[text.index("What is missing") : text.index("<h2>Overview")]
    assert "alerts.jsonl: line 1 cannot be read" in text


def test_files_of_rubbish_are_reported_not_raised(run_folder):
    for name in ("truth.h5", "closed_loop.json", "protocol.toml", "run.json"):
        (run_folder / name).write_text("[[[ rubbish")
    text = page_of(run_folder)
    missing = text[text.index("What is missing") : text.index("<h2>Overview")]
    for said in ("truth.h5", "closed_loop.json", "protocol file", "run.json"):
        assert said in missing


def test_the_hottest_pixel_has_its_own_standard_deviation_not_the_regions(run_folder):
    with h5py.File(run_folder / "maps.h5", "r+") as file:
        file["temperature_std_c"][N_FRAMES - 1, 0, 12, 12] = 1.3
        file["temperature_c"][N_FRAMES - 1, 0, 11, 12] = 99.0
        file["valid"][N_FRAMES - 1, 0, 11, 12] = False
    text = page_of(run_folder)
    assert "frame 7, ± 2.6 °C (2σ)" in text
    assert "65.0 ± 2.6 °C" in text
    run = read_run(run_folder)
    found = figures_of(run)
    run.close()
    assert (found.peak_c, found.peak_std_c) == (65.0, pytest.approx(1.3))
    assert found.dose_low_cem43_min == pytest.approx(found.dose_cem43_min / 2, rel=1e-3)


def test_where_the_maps_do_not_show_the_hottest_pixel_nothing_is_made_up(run_folder):
    moved = PROTOCOL.replace("center_px = [12.0, 12.0]", "center_px = [4.0, 4.0]")
    (run_folder / "protocol.toml").write_text(moved)
    text = page_of(run_folder)
    assert "(2σ)" not in text
    assert "65.0 °C" in text


def test_files_that_are_no_text_are_reported_not_raised(run_folder):
    for name in ("closed_loop.json", "protocol.toml", "run.json", "verdicts.csv", "alerts.jsonl"):
        (run_folder / name).write_bytes(b"\xff\xfe\x00\x9f")
    text = page_of(run_folder)
    missing = text[text.index("What is missing") : text.index("<h2>Overview")]
    for said in ("closed_loop.json", "protocol.toml cannot be read", "run.json", "alerts.jsonl"):
        assert said in missing


def test_a_killed_run_is_reported_without_its_stop(run_folder):
    content = json.loads((run_folder / "run.json").read_text())
    del content["stop"]
    (run_folder / "run.json").write_text(json.dumps(content))
    text = page_of(run_folder)
    assert "cut off" in text
    assert "has no stop" in text


def test_a_run_without_a_single_frame_has_a_report(tmp_path):
    start = RunStart(
        "r", "p", "h", "imaging", "d", "s", "u", "m", {}, (1, N, N), (1, 1, 1), 1, 2, {}
    )
    folder = RunFolder(tmp_path / "run", start)
    take(folder, RunStop("r", "cut", "gone", "2026", 0, 0, 0, 0, 0, 0))
    folder.close()
    assert "Run r" in page_of(tmp_path / "run")


def test_maps_that_are_still_being_written_are_shown(tmp_path):
    start = RunStart(
        "r", "p", "h", "mrgfus", "d", "s", "u", "m", {}, (1, N, N), (1, 1, 1), 1, 2, {}
    )
    folder = RunFolder(tmp_path / "run", start)
    for frame in range(3):
        write_frame(folder, frame)
    marked = tmp_path / "killed"
    shutil.copytree(tmp_path / "run", marked)  # as a killed writer leaves it
    folder.close()
    run = read_run(marked)
    assert run.maps is not None
    assert run.maps.n_rows == 3
    assert run.maps.temperature_c(2).max() == temperature(2).max()
    run.close()


def test_an_empty_folder_holds_no_run(tmp_path):
    with pytest.raises(MonitorError, match="holds no run"):
        write_report(tmp_path)


def test_main_figure_is_a_small_png_and_always_the_same(run_folder, tmp_path, monkeypatch):
    monkeypatch.undo()
    one, two = tmp_path / "images" / "one.png", tmp_path / "images" / "two.png"
    main_figure(run_folder, one)
    main_figure(run_folder, two)
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith(b"\x89PNG")
    assert one.stat().st_size < 300_000  # README shows it


def imaging_run(path, *, slices, therapy="imaging"):
    """A run without temperature: one frame of each slice, as bright as its number plus one."""
    start = RunStart(
        "r", "p", "h", therapy, "d", "s", "2026-01-01T10:20:30.456+00:00", "m", {},
        (1, N, N), (240.0, 240.0, 3.0), 1, 2, {},
    )  # fmt: skip
    folder = RunFolder(path, start)
    nothing = np.full((1, N, N), np.nan, np.float32)
    for frame, number in enumerate(slices):
        key = FrameKey(slice=number)
        reading = RegionReading("focus", "target", 13, 0, None, None, None, None, None)
        regions = () if therapy == "imaging" else (reading,)
        verdict = Verdict(
            frame, key, "COMPUTED", "HELD", None, (), regions, age_ms=5.0, stage_ms={}
        )
        take(folder, verdict)
        image = np.full((1, N, N), number + 1, np.float32)
        maps = Maps(
            frame, key, None, (240.0, 240.0, 3.0), Pose(), image, nothing, nothing,
            np.zeros((1, N, N), np.bool_), nothing, nothing, nothing, nothing,
        )  # fmt: skip
        take(folder, maps)
    take(folder, RunStop("r", "completed", "end", "2026", len(slices), 0, 0, 0, 1, 0))
    folder.close()
    return path


def test_the_report_of_images_speaks_of_no_temperature_and_no_permit(tmp_path):
    text = page_of(imaging_run(tmp_path / "run", slices=[0, 1, 0, 1]))
    for word in ("hottest", "dose", "overlay", "Below", "granted", "emperature"):
        assert word not in text
    assert "imaging has no permit" in text
    assert "2026-01-01 10:20:30 UTC" in text


def test_the_montage_shows_each_slice_as_it_was_last_seen(tmp_path):
    run = read_run(imaging_run(tmp_path / "run", slices=[0, 1, 2, 0, 1]))
    assert [(one.row, one.title) for one in panels(run.maps)] == [
        (3, "Slice 0, frame 3"), (4, "Slice 1, frame 4"), (2, "Slice 2, frame 2"),
    ]  # fmt: skip
    shown = [axes for axes in report_figures.overview(run).axes if axes.get_visible()]
    assert [float(axes.images[0].get_array().max()) for axes in shown] == [1.0, 2.0, 3.0]
    run.close()


def test_of_many_slices_twelve_are_shown_from_first_to_last(tmp_path):
    folder = imaging_run(tmp_path / "run", slices=list(range(40)))
    run = read_run(folder)
    shown = [axes for axes in report_figures.overview(run).axes if axes.get_visible()]
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in shown]
    assert (len(shown), titles[0], titles[-1]) == (12, "Slice 0, frame 0", "Slice 39, frame 39")
    run.close()
    assert "12 of 40 images" in page_of(folder)


def test_a_treatment_that_saw_nothing_says_that_no_temperature_was_measured(tmp_path):
    text = page_of(imaging_run(tmp_path / "run", slices=[0, 0], therapy="mrgfus"))
    assert "No temperature was measured" in text
    assert len(Page(text).pictures) == 2  # the images and the latency: no empty plot
    assert "hottest" not in text


def test_a_single_frame_has_no_percentiles_and_an_axis_of_whole_frames(tmp_path):
    folder = imaging_run(tmp_path / "run", slices=[0])
    text = page_of(folder)
    assert "p99" not in re.sub('base64,[^"]*', "", text)
    assert "of the only frame" in text
    run = read_run(folder)
    axes = report_figures.latency(run).axes[0]
    run.close()
    assert axes.get_xlim() == (-1.0, 1.0)
    assert list(axes.get_xticks()) == [0.0]


def test_the_advice_stands_apart_from_the_alert(run_folder):
    advice = EVENTS["temperature-max.hold"].advice
    assert f'<p class="note">{advice}</p>' in page_of(run_folder)


def test_the_end_of_power_is_told_in_words(run_folder):
    off = {"cause": "held", "t_s": 20.0}
    content = {"overshoot": {"limit_c": 60.0, "power_off": off}, "heated_s": 18.0}
    (run_folder / "closed_loop.json").write_text(json.dumps(content))
    assert "power off because the permit was HELD, at 20.0 s" in page_of(run_folder)


def test_the_lesion_is_told_with_its_interval_and_its_source(run_folder):
    text = page_of(run_folder)
    row = re.search(r"necrosis</td>(?:<td[^>]*>([^<]*)</td>){1,2}", text)
    assert row is not None
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", text[row.start() :])[:4]
    # the last frame's rise of 28 °C · exp(-r²/8) passes 43 °C, where the dose is 10^3.5, at 3.5 px
    area_px = math.pi * 8 * math.log(28 / 6)
    assert float(cells[1]) == pytest.approx(area_px * (240 / N) ** 2 * 3, rel=0.3)
    assert "not read by us" in text
    assert "Beyond 240 CEM43 min" in text
