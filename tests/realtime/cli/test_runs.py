"""Demo and replay, whole: what they leave behind and how they end."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import realtime.protocols
from messages import MonitorError
from realtime.cli import main
from realtime.cli.host import replaced_folder
from realtime.cli.open_loop import OpenLoop, write_recording
from realtime.streams.deidentified_stream import DeidentifiedStream
from simulators import GradientEcho, Treatment, TreatmentSimulator

MRMONITOR = [sys.executable, "-m", "realtime.cli"]
WITH_A_MASK = """
[protocol]
name = "masked"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 4500.0
[recon]
method = "fft"
[thermometry]
method = "single-baseline"
baseline_frames = 1
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 0
[[region]]
name = "focus"
role = "target"
mask = "masks/focus.npy"
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 60.0
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "small.h5"
    treatment = Treatment(sequence=GradientEcho(matrix=(32, 32)), n_coils=2, n_frames=3)
    write_recording(path, OpenLoop(TreatmentSimulator(treatment), heat=False))
    return path


def test_demo_leaves_a_run_with_truth_and_report(tmp_path):
    out = tmp_path / "demo"
    arguments = ["demo", "--no-browser", "--speed=max", f"--out={out}", "--frames=7"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    for name in ("run.json", "maps.h5", "truth.h5", "verdicts.csv", "report.html", "raw.mrd"):
        assert (out / name).stat().st_size > 0
    stop = json.loads((out / "run.json").read_text())["stop"]
    assert (stop["status"], stop["n_frames"], stop["n_late"]) == ("completed", 7, 0)
    assert json.loads((out / "closed_loop.json").read_text())["status"] == "completed"
    assert "error, focus" in result.output


def test_an_earlier_demo_makes_room_and_any_other_run_is_kept(tmp_path):
    for name in ("raw.mrd", "maps.h5", "mine.txt"):
        (tmp_path / name).write_text("old")
    run = {"start": {"protocol_name": "mrgfus-demo"}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(MonitorError, match="holds a run already"):
        replaced_folder(tmp_path, protocol_name="mrgfus-brain")
    assert (tmp_path / "raw.mrd").exists()
    replaced_folder(tmp_path, protocol_name="mrgfus-demo")  # `make demo`, typed again
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_replay_of_a_whole_recording_succeeds(recording, tmp_path):
    out = tmp_path / "run"
    arguments = ["replay", str(recording), "--protocol=imaging", f"--out={out}", "--no-record"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "completed: 3 frames, 0 late" in " ".join(result.output.split())
    assert not (out / "raw.mrd").exists()
    assert (out / "report.html").exists()


def test_replay_of_a_truncated_recording_fails_and_keeps_what_came(recording, tmp_path):
    whole = tmp_path / "whole.mrd"
    treatment = Treatment(sequence=GradientEcho(matrix=(32, 32)), n_coils=2, n_frames=3)
    write_recording(whole, OpenLoop(TreatmentSimulator(treatment), heat=False))
    cut = tmp_path / "cut.mrd"
    cut.write_bytes(whole.read_bytes()[:-5000])
    out = tmp_path / "run"
    arguments = ["replay", str(cut), "--protocol=imaging", f"--out={out}", "--no-report"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert result.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert "byte" in result.stderr
    recorded = (out / "raw.mrd").read_bytes()[1026:]  # after the configuration that was asked for
    assert DeidentifiedStream(()).take(whole.read_bytes()).startswith(recorded)
    assert len(recorded) > cut.stat().st_size - 2000  # all but the readout that was torn
    assert len((out / "verdicts.csv").read_text().splitlines()) >= 3  # two whole frames


@pytest.mark.timeout(150)
def test_ctrl_c_ends_with_130_and_a_closed_run(tmp_path):
    out = tmp_path / "demo"
    process = subprocess.Popen(
        [*MRMONITOR, "demo", "--no-browser", "--speed=1", f"--out={out}"],
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for(out / "run.json", process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert json.loads((out / "run.json").read_text())["stop"]["status"] == "cut"


def test_serve_stops_on_sigterm_with_status_0(tmp_path):
    ports = [f"--{name}port=0" for name in ("", "zmq-", "events-", "control-", "page-", "metrics-")]
    process = subprocess.Popen(
        [*MRMONITOR, "serve", f"--out={tmp_path / 'runs'}", *ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    said = [process.stdout.readline() for _ in range(6)]
    assert any("MRD over TCP" in line for line in said)
    process.terminate()
    rest, error = process.communicate(timeout=10)
    assert process.returncode == 0, error
    assert "permit is held" in rest


def _wait_for(path: Path, process: subprocess.Popen) -> None:
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue


def test_a_refused_replay_says_why_and_not_that_there_is_no_run(recording, tmp_path):
    shipped = Path(realtime.protocols.__path__[0]) / "mrgfus-brain.toml"
    protocol = tmp_path / "far.toml"
    protocol.write_text(shipped.read_text().replace("[0.0, 0.0, 0.0]", "[0.0, 0.0, 500.0]"))
    arguments = ["replay", str(recording), f"--protocol={protocol}", f"--out={tmp_path / 'run'}"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "region 'focus' lies outside the image" in result.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_run_folder_holds_the_files_that_its_protocol_names(recording, tmp_path):
    """So that its report, and whoever replays it, needs nothing else."""
    drawn = np.zeros((32, 32), np.bool_)
    drawn[14:18, 14:18] = True
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "focus.npy", drawn)
    path = tmp_path / "mine.toml"
    path.write_text(WITH_A_MASK)
    out = tmp_path / "run"
    runner = CliRunner()
    done = runner.invoke(main, ["replay", str(recording), f"--protocol={path}", f"--out={out}"])
    assert done.exit_code == 0, done.output
    assert np.array_equal(np.load(out / "masks" / "focus.npy"), drawn)
    own = f"--protocol={out / 'protocol.toml'}"
    again = ["replay", str(out / "raw.mrd"), own, f"--out={tmp_path / 'again'}"]
    result = runner.invoke(main, again)
    assert result.exit_code == 0, result.output
    assert "missing" not in result.output


@pytest.mark.slow
def test_every_frame_that_came_of_a_cut_recording_is_computed(recording, tmp_path):
    """Two replays agree, and none is late: the last frame is begun, and incomplete."""
    stream = tmp_path / "whole"
    arguments = ["replay", str(recording), "--protocol=imaging", f"--out={stream}"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    whole = (stream / "raw.mrd").read_bytes()
    (tmp_path / "cut.mrd").write_bytes(whole[: int(0.9 * len(whole))])
    seen = []
    for name in ("one", "two"):
        out = tmp_path / name
        cut = ["replay", str(tmp_path / "cut.mrd"), "--protocol=imaging", f"--out={out}"]
        result = CliRunner().invoke(main, cut)
        assert result.exit_code != 0
        with (out / "verdicts.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["outcome"] for row in rows] == ["COMPUTED"] * 3
        assert "incomplete-frame" in rows[-1]["findings"]
        with h5py.File(out / "maps.h5") as maps:
            seen.append(maps["magnitude"][:])
    np.testing.assert_array_equal(seen[0], seen[1])
