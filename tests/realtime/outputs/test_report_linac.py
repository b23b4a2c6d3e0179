"""The run folder and the report of an MR-linac, by a run made by hand."""

import csv
import json
import re
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure

from messages import MonitorError
from realtime.cli.console import console
from realtime.cli.run_summary import print_summary
from realtime.outputs import report_figures, report_linac_figures, report_style
from realtime.outputs.report import main_figure, write_report
from realtime.outputs.report_beams import beam_spans_s, read_beams
from realtime.outputs.report_cine import chosen_pictures
from realtime.outputs.report_linac_tables import gate_table
from realtime.outputs.report_motion_errors import tracking_error
from realtime.outputs.report_motion_numbers import duty, gate_latency, holds, prediction_error
from realtime.outputs.report_motion_series import directions, motion_series
from realtime.outputs.report_record import read_run
from tests.realtime.outputs import linac_run as hand
from tests.realtime.outputs.linac_run import FRAME_S, TRAINING, linac_run

N_FRAMES = 112


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return linac_run(tmp_path_factory.mktemp("linac") / "run", n_frames=N_FRAMES)


@pytest.fixture
def run(folder):
    record = read_run(folder)
    yield record
    record.close()


@pytest.fixture
def coarse(monkeypatch):
    """Fewer pixels and no layout, for time."""
    monkeypatch.setattr(report_figures, "_DPI", 44)
    monkeypatch.setattr(report_style, "new_figure", lambda w, h: Figure(figsize=(w, h)))


def rows_of(folder, name):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_motion_csv_has_a_row_a_frame_with_units_in_its_columns(folder):
    rows = rows_of(folder, "motion.csv")
    assert [int(row["frame"]) for row in rows] == list(range(N_FRAMES))
    row, place = rows[40], hand.breath_mm(40 * FRAME_S)
    assert float(row["scanner_time_s"]) == 40 * FRAME_S
    assert float(row["displacement_y_mm"]) == pytest.approx(place[0], abs=1e-4)
    assert float(row["displacement_s_mm"]) == pytest.approx(-place[0], abs=1e-4)
    assert float(row["effect_time_s"]) == 40 * FRAME_S + hand.LATENCY_S
    assert float(row["predicted_low_x_mm"]) == pytest.approx(float(row["predicted_x_mm"]) - 0.5)
    assert (row["gate"], row["beam"], row["permit"]) == ("CLOSED", "OFF", "HELD")
    assert rows[61]["doubts"] == "low-similarity"


def test_what_was_not_known_is_an_empty_cell_and_never_a_zero(folder):
    late = rows_of(folder, "motion.csv")[70]
    assert late["permit"] == "HELD"
    assert {name for name, cell in late.items() if cell} == {"frame", "slice", "permit"}
    training = rows_of(folder, "motion.csv")[3]
    assert training["training"] == "1"
    assert training["predicted_y_mm"] == training["probability"] == ""


def test_dose_csv_has_a_row_a_frame_and_structure(folder):
    rows = rows_of(folder, "dose.csv")
    assert [row["structure"] for row in rows[:2]] == ["tumour", "stomach"]
    assert len(rows) == 2 * (N_FRAMES - TRAINING - 1)  # none in training, none of the late frame
    told = hand.frame_of(40)[0].delivered
    row = next(row for row in rows if row["frame"] == "40")
    assert float(row["so_far_d98_gy"]) == pytest.approx(told.so_far[0].d98_gy, abs=1e-4)
    assert float(row["planned_mean_gy"]) == pytest.approx(told.planned[0].mean_gy, abs=1e-4)
    assert float(row["forecast_v95_percent"]) == 94.0
    assert float(row["mu"]) == told.mu


def test_maps_hold_what_a_linac_has_and_the_displacement_of_each_row(folder):
    with h5py.File(folder / "maps.h5") as maps:
        assert set(maps) == {
            "time_s", "frame", "slice", "contrast", "pose", "magnitude", "target_mask", "dose_gy",
            "displacement_mm", "region_bits",
        }  # fmt: skip
        row = int(np.flatnonzero(maps["frame"][:] == 40)[0])
        assert maps["displacement_mm"][row] == pytest.approx(hand.breath_mm(40 * FRAME_S))
        assert maps["target_mask"].dtype == bool
    assert not (folder / "readings.csv").exists()


def test_a_map_without_its_verdict_has_no_displacement(tmp_path):
    folder = hand.RunFolder(tmp_path, hand.RunStart(
        "r", "p", "h", "mrlinac", "d", "s", "u", "m", {}, (1, hand.N, hand.N), (1, 1, 1), 1, 2, {},
    ))  # fmt: skip
    hand.take(folder, hand.frame_of(3)[0])
    hand.take(folder, hand.frame_of(4)[1])
    folder.close()
    with h5py.File(tmp_path / "maps.h5") as maps:
        assert np.isnan(maps["displacement_mm"][0]).all()


def test_axes_are_the_patients_and_the_sign_is_told(run):
    seen = directions(run, motion_series(run))
    assert [(one.name, one.towards, one.sign, one.axis) for one in seen] == [
        ("SI", "superior", -1.0, 0), ("AP", "posterior", 1.0, 1),
    ]  # fmt: skip


def test_duty_is_a_share_of_the_time_after_training(run):
    series = motion_series(run)
    found = duty(run, series)
    rows = [hand.frame_of(n)[0] for n in range(TRAINING, N_FRAMES)]
    is_open = [row.motion is not None and row.motion.is_gate_open for row in rows]
    assert found.treated == pytest.approx(len(rows) * FRAME_S)
    assert found.gate_percent == pytest.approx(100 * np.mean(is_open))
    reported = [row.motion.is_beam_on for row in rows if row.motion is not None]
    assert found.beam_percent == pytest.approx(100 * np.mean(reported))
    assert found.outside_beam_on_percent < found.outside_mean_percent
    outside = [row.motion.outside_percent for row in rows if row.motion and row.motion.is_beam_on]
    too_much = np.mean([one > 5.0 for one in outside])
    assert 0 < too_much < 1  # it would pass on nothing otherwise
    assert found.too_much_beam_on_percent == pytest.approx(100 * too_much)


def test_a_gate_that_still_looks_for_its_place_is_no_time_of_treatment(run):
    series = motion_series(run)
    unplaced = series.gate_center_mm.copy()
    unplaced[: TRAINING + 9] = np.nan
    waiting = replace(series, gate_center_mm=unplaced)
    assert duty(run, waiting).treated == pytest.approx(duty(run, series).treated - 9 * FRAME_S)


def test_holds_are_told_by_reason_and_time(run):
    found = {one.reason: one for one in holds(run, motion_series(run))}
    assert found["tracking-lost"].lasted == pytest.approx(3 * FRAME_S)
    assert found["tracking-lost"].n_times == 1
    assert found["late-frame"].lasted == pytest.approx(FRAME_S)
    assert found["training"].lasted == pytest.approx(TRAINING * FRAME_S)
    closed = sum(
        any(one.rule == "gate" for one in hand.frame_of(n)[0].findings) for n in range(N_FRAMES)
    )
    assert found["gate"].lasted == pytest.approx(closed * FRAME_S)


def test_a_finding_that_quotes_a_hold_is_not_another_reason(run):
    row = replace(run.verdicts[40], findings="hold gate: outside; warn x: hold drift: no")
    series = motion_series(run)
    others = [one for one in run.verdicts if one.frame_id != 40]
    found = {one.reason for one in holds(replace(run, verdicts=[*others, row]), series)}
    assert "drift" not in found


def test_predictions_are_judged_at_the_moment_they_were_about(run):
    # each is 0.2 mm off on both axes, at a moment that falls on a frame; holding is far worse
    error = prediction_error(motion_series(run))
    assert error.rms_mm == pytest.approx(0.2 * np.sqrt(2), abs=1e-3)
    assert error.hold_rms_mm > 1.0
    assert error.coverage_percent == 100.0


def test_the_pictures_are_of_exhale_inhale_and_the_worst_with_beam(run):
    series = motion_series(run)
    found = chosen_pictures(run, run.maps, series, 0)
    depth = {one.title: series.displacement_mm[one.series_row, 0] for one in found}
    assert depth["Exhale"] < 0.1
    assert depth["Inhale"] > 11.0
    assert series.beam[found[2].series_row] == 1
    assert all(run.maps.frame[one.row] == series.frame[one.series_row] for one in found)


def test_beam_on_time_is_read_from_what_the_accelerator_reported(folder):
    spans = beam_spans_s(read_beams(folder))
    assert all(start < stop for start, stop in spans)
    assert len(spans) > 2
    with (folder / "beams.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["is_on"] == "1"]
    assert spans[0][0] == float(rows[0]["time_s"])


def test_the_time_to_beam_off_is_that_of_each_closing(run):
    found = gate_latency(run, motion_series(run))
    assert found.assumed_ms == pytest.approx(1e3 * hand.LATENCY_S)
    # frame 70 is late: nobody knows which moment it showed
    assert found.n == duty(run, motion_series(run)).n_gate_closed - 1 > 2
    # `write_beams` reports 0.2 s after the image
    assert [found.median_ms, found.most_ms] == pytest.approx([200.0, 200.0])
    assert found.n_still_on == 0


def test_a_beam_that_never_went_off_took_no_time(folder, tmp_path):
    stuck = shutil.copytree(folder, tmp_path / "stuck")
    before, on, after = (stuck / "beams.csv").read_text().partition(",1,1,")
    (stuck / "beams.csv").write_text(before + on + after.replace(",1,0,", on))
    record = read_run(stuck)
    series = motion_series(record)
    found = gate_latency(record, series)
    told = dict(gate_table(record, series).rows)
    record.close()
    assert (found.n, found.n_still_on) == (0, duty(record, series).n_gate_closed - 1)
    assert told["an image closed the gate and the beam was never reported off"].endswith("times")


def test_beams_of_rubbish_are_one_line(tmp_path):
    (tmp_path / "beams.csv").write_text("time_s,number\n1,x\n")
    with pytest.raises(MonitorError, match=r"beams\.csv cannot be read"):
        read_beams(tmp_path)


def test_the_report_speaks_of_motion_and_radiation_and_of_no_heat(folder, coarse):
    text = write_report(folder, with_pdf=False).read_text()
    for said in (
        "Motion and prediction", "Gate", "Tracking", "Radiation dose", "planned by then", "MU",
        "reason of hold", "tracking-lost", "low-similarity in 3",
    ):  # fmt: skip
        assert said in text
    for unsaid in ("emperature", "CEM43", "Lesion", "hottest", "°C"):
        assert unsaid not in text
    assert text.count("data:image/png") == 6  # five of motion and dose, and the latency
    assert "What is missing" not in text


def test_truth_is_compared_frame_by_frame_whenever_its_clock_began(folder, coarse):
    hand.write_truth(folder, n_frames=N_FRAMES)
    hand.write_closed_loop(folder, true_d98_gy=1.23)
    try:
        run = read_run(folder)
        error = tracking_error(run.motion_truth, motion_series(run))
        run.close()
        # off by a constant from the second frame on: it shows, for both count from the reference
        assert error.mean_mm == pytest.approx(0.5 * (1 - 1 / error.n), abs=0.001)
        assert error.max_mm == pytest.approx(0.5, abs=0.001)
        text = write_report(folder, with_pdf=False).read_text()
    finally:
        (folder / "truth.h5").unlink()
        (folder / "closed_loop.json").unlink()
    for said in ("Against truth", "0.50 mm", "41.0 %", "1.230", "200 ms at most"):
        assert said in text


def test_a_tracker_that_is_late_is_told_by_how_much(folder):
    hand.write_truth(folder, n_frames=N_FRAMES, offset_mm=(0.0, 0.0))
    run = read_run(folder)
    (folder / "truth.h5").unlink()
    late_s = 0.03
    truth, series = run.motion_truth, motion_series(run)
    run.close()
    times_s = truth.frame_time_s - truth.frame_time_s[0]
    early = replace(truth, displacement_mm=hand.breath_mm(times_s + late_s))
    assert tracking_error(early, series).lag_ms == pytest.approx(1e3 * late_s, rel=0.05)


@pytest.mark.parametrize(
    "name", ["motion.csv", "dose.csv", "maps.h5", "beams.csv", "protocol.toml", "verdicts.csv"]
)
def test_a_folder_without_one_file_has_a_report(tmp_path, coarse, name):
    path = linac_run(tmp_path / "run", n_frames=24)
    (path / name).unlink()
    text = write_report(path, with_pdf=False).read_text()
    if name != "beams.csv":  # an accelerator that reports nothing leaves none
        assert name in text[text.index("What is missing") :]


def test_a_file_cut_short_gives_a_report_all_the_same(tmp_path, coarse):
    path = linac_run(tmp_path / "run", n_frames=24)
    for name in ("motion.csv", "dose.csv", "beams.csv"):
        content = (path / name).read_bytes()
        (path / name).write_bytes(content[: len(content) // 2])
    (path / "closed_loop.json").write_text(json.dumps({"beam": {"holds": "x", "structures": 3}}))
    text = write_report(path, with_pdf=False).read_text()
    assert "Run run-1" in text
    assert re.search(r"motion\.csv: \d+ rows? cannot be read", text)


def test_the_main_figure_of_a_linac_is_its_own(folder, tmp_path, coarse):
    main_figure(folder, tmp_path / "main.png")
    assert (tmp_path / "main.png").read_bytes().startswith(b"\x89PNG")


def test_figures_of_a_run_in_training_draw(tmp_path, coarse):
    run = read_run(linac_run(tmp_path / "run", n_frames=5, with_beams=False))
    for draw in (report_linac_figures.overview, report_linac_figures.motion,
                 report_linac_figures.gate, report_linac_figures.tracking):  # fmt: skip
        assert draw(run) is not None
    run.close()


def test_the_summary_tells_duty_holds_and_dose(folder, capsys):
    print_summary(folder, console())
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "gate open" in said
    assert "tracking-lost 0.4 s (1 time)" in said
    assert "dose, tumour" in said
    assert "°C" not in said


def test_a_gate_that_closes_with_each_breath_fills_no_table(tmp_path, coarse):
    path = linac_run(tmp_path / "run", n_frames=24)
    rows = [
        {"epoch": "e", "sequence": n, "alert_id": n, "event": event, "priority": priority,
         "latched": False, "state": "raised", "text": f"text {n}", "frame_id": n}
        for n, (event, priority) in enumerate(
            [("gate.hold", "low")] * 9 + [("tracking.hold", "medium")]
        )
    ]  # fmt: skip
    (path / "alerts.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    text = write_report(path, with_pdf=False).read_text()
    assert "text 9" in text
    assert "text 3" not in text
    assert "9 notices that held for a while" in text
