"""Delivered dose as RTDOSE: what the file says of structures is what was counted during the run."""

import csv
import shutil
from dataclasses import dataclass

import numpy as np
import pytest
from click.testing import CliRunner

from messages import BeamLog, FrameKey, MotionReading, RunStart, RunStop, Verdict
from messages.codec import decode, encode
from motion.dose import Accumulator, Place
from realtime.cli import main
from realtime.outputs.delivered_dose import FILE, structure_doses
from realtime.outputs.run_folder import RunFolder
from realtime.protocol import parse_protocol
from realtime.rt.delivery_plan import load_delivery
from realtime.rt.rtdose import read_dose
from simulators.beam import PLAN_FILE, STRUCTURES_FILE, plan_of, write_rt_set

FRAME_S = 0.125
MU_PER_S = 10.0
PROTOCOL = """
[protocol]
name = "by-hand"
therapy = "mrlinac"
frame_deadline_ms = 100.0
lease_ms = 400.0
[recon]
method = "fft"
[motion]
tracker = "ncc-affine"
predictor = "rls"
latency_ms = 250.0
gate_margin_mm = 3.0
max_outside_percent = 5.0
[dose]
plan = "{plan}"
structures = "{structures}"
beams = {beams}
target = "target"
[[region]]
name = "tumour"
role = "target"
shape = "ellipse"
center_px = [8.0, 8.0]
radii_px = [3.0, 3.0]
[[limit]]
rule = "stale-frame"
max_gap_s = 0.3
"""


@dataclass(frozen=True)
class Tumour:
    center_mm: tuple = (0.0, 0.0, 0.0)
    semi_axes_mm: tuple = (13.0, 12.0, 15.0)
    angle_deg: float = 0.0


def place_mm(time_s):
    return (0.3, 1.0 * np.sin(1.2 * time_s), 7.0 * np.sin(1.5 * time_s) ** 2)


def beam_log(plan):
    """Each beam at an even rate, the next a second after the last."""
    rows, start = [], 1.0
    for cloud in plan.clouds:
        end = start + cloud.planned_mu / MU_PER_S
        for time_s in [*np.arange(start, end, 0.25), end]:
            rows.append((time_s, cloud.number, time_s < end, MU_PER_S * (time_s - start)))
        start = end + 1.0
    time_s, number, is_on, mu = (np.array(column) for column in zip(*rows, strict=True))
    return BeamLog(time_s, number, is_on, mu)


def take(folder, noun):
    folder.take(*decode(encode(noun, epoch="e", sequence=1)))


def write_run(path):
    """A run whose frames 30 to 33 were not believed; return what was told last."""
    path.mkdir()
    beams = write_rt_set(plan_of(Tumour(), (-60.0, 10.0, 5.0), site="lung"), path)
    text = PROTOCOL.format(plan=PLAN_FILE, structures=STRUCTURES_FILE, beams=list(beams))
    (path / "protocol.toml").write_text(text)
    plan = load_delivery(parse_protocol(text, folder=path).document.dose, path)
    log, accumulator = beam_log(plan), Accumulator(plan)
    start = RunStart(
        "run-1", "by-hand", "abc", "mrlinac", "digest", "s", "2026-01-01T00:00:00", "m", {},
        (1, 4, 4), (16.0, 16.0, 5.0), 100.0, 400.0, {},
    )  # fmt: skip
    folder, state = RunFolder(path, start), accumulator.start()
    n_frames = int(log.time_s[-1] / FRAME_S) + 3
    for frame in range(n_frames):
        time_s, is_known = frame * FRAME_S, not 30 <= frame < 34
        lps = tuple(float(one) for one in place_mm(time_s))
        state, told = accumulator.step(state, Place(time_s, lps if is_known else None), log)
        motion = MotionReading(
            time_s, (-lps[2], lps[1]), lps, 0.97, 0.8, 100.0, 500.0,
            () if is_known else ("jump",),
        )  # fmt: skip
        key = FrameKey(repetition=frame)
        take(folder, Verdict(frame, key, "COMPUTED", "GRANTED", time_s, age_ms=1.0, stage_ms={},
                             motion=motion, delivered=told))  # fmt: skip
    take(folder, RunStop("run-1", "completed", "end", "2026", n_frames, 0, 0, 0, 1, 0))
    folder.close()
    with (path / "beams.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("time_s", "number", "is_on", "mu", "frame"))
        for one in zip(log.time_s, log.number, log.is_on, log.mu, strict=True):
            rows.writerow((repr(float(one[0])), one[1], int(one[2]), repr(float(one[3])), 0))
    return plan, told


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("dose") / "run"
    return path, *write_run(path)


def test_the_file_and_the_run_agree_within_one_percent(finished):
    path, plan, told = finished
    result = CliRunner().invoke(main, ["rtdose", str(path)])
    assert result.exit_code == 0, result.output
    dose = read_dose(path / FILE)
    assert dose.grid == plan.grid
    assert told.so_far[0].d98_gy < 0.97 * told.planned[0].d98_gy  # motion has cost something
    found = {one.name: one for one in structure_doses(dose.gy, plan)}
    # the cord stands still in truth; both counts move it, so they agree on it too
    for one in told.so_far:
        scale = max(told.so_far[0].mean_gy, 1e-6)
        for figure in ("d98_gy", "d95_gy", "d50_gy", "d2_gy", "mean_gy"):
            difference = abs(getattr(found[one.name], figure) - getattr(one, figure))
            assert difference < 0.01 * scale, (one.name, figure)


def test_the_file_belongs_to_the_plan_and_says_what_it_is(finished):
    pydicom = pytest.importorskip("pydicom")
    path, _, _ = finished
    out = path.parent / "elsewhere.dcm"
    result = CliRunner().invoke(main, ["rtdose", str(path), "--out", str(out)])
    assert result.exit_code == 0, result.output
    written, plan = pydicom.dcmread(out), pydicom.dcmread(path / PLAN_FILE)
    assert written.FrameOfReferenceUID == plan.FrameOfReferenceUID
    named = written.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID
    assert named == plan.SOPInstanceUID
    assert "research" in written.DoseComment


def copied(finished, tmp_path, *, without):
    shutil.copytree(finished[0], tmp_path / "run")
    (tmp_path / "run" / without).unlink()
    return CliRunner().invoke(main, ["rtdose", str(tmp_path / "run")])


@pytest.mark.parametrize(
    ("without", "said"),
    [("beams.csv", "no beams.csv"), ("motion.csv", "no frame with a time"),
     (PLAN_FILE, PLAN_FILE), ("protocol.toml", "protocol.toml")],
)  # fmt: skip
def test_what_is_missing_is_told_in_one_line(finished, tmp_path, without, said):
    result = copied(finished, tmp_path, without=without)
    assert result.exit_code == 1
    assert said in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output


def test_a_run_without_a_plan_has_no_dose_to_write(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    text = (tmp_path / "run" / "protocol.toml").read_text()
    without = text[: text.index("[dose]")] + text[text.index("[[region]]") :]
    (tmp_path / "run" / "protocol.toml").write_text(without)
    result = CliRunner().invoke(main, ["rtdose", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "no [dose]" in result.stderr
