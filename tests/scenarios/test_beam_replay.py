"""An accelerator that says what its beams do: the run keeps it, and a replay computes the same."""

import csv
import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from realtime.cli import main
from realtime.protocol import load_protocol
from simulators.beam import plan_of, write_rt_set
from simulators.linac import linac_scan
from tests.harness import running
from tests.realtime.batch.small_archive import assert_same_run

pytestmark = pytest.mark.slow

N_FRAMES = 96  # 12 s, of which 5 s are training
TIMED = ("age_ms", "_ms")  # what a clock says is not of the data
PORTS = ("events", "control")


def command(*arguments):
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output


def protocol_beside(folder):
    """A plan and a protocol whose times a busy machine can keep."""
    scan = linac_scan("lung-sagittal", n_frames=1)
    beams = write_rt_set(plan_of(scan.scene.bodies[0], scan.scene.origin_mm), folder)
    text = load_protocol("mrlinac-lung").text
    for name, was, now in (
        ("frame_deadline_ms", "60.0", "4000.0"),
        ("stall_ms", "250.0", "20000.0"),
        ("lease_ms", "280.0", "20000.0"),
    ):
        assert f"{name} = {was}" in text
        text = text.replace(f"{name} = {was}", f"{name} = {now}")
    files = f'plan = "plan.dcm"\nstructures = "structures.dcm"\nbeams = {json.dumps(beams)}'
    path = folder / "protocol.toml"
    path.write_text(f'{text}\n[dose]\n{files}\ntarget = "target"\n')
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The run of a fraction whose accelerator reports its beams, and that of its replay."""
    folder = tmp_path_factory.mktemp("beam")
    protocol = protocol_beside(folder)
    with running(folder / "runs", load_protocol(protocol), is_recording=True) as gateway:
        endpoints = gateway.gateway.publisher.endpoints
        ports = [f"--{name}-port={getattr(endpoints, name).rsplit(':')[-1]}" for name in PORTS]
        to = f"tcp://127.0.0.1:{gateway.port}"
        summary, truth = folder / "loop.json", folder / "truth.h5"
        command(
            "simulate", "--to", to, *ports, "--speed=max", f"--frames={N_FRAMES}", "--coils=4",
            "--patient=lung-sagittal", f"--summary={summary}", f"--truth={truth}", "--config=given",
        )  # fmt: skip
        gateway.events.topic("run.stop")
    (live,) = (path.parent for path in (folder / "runs").rglob("run.json"))
    again = folder / "again"
    command("replay", live / "raw.mrd", "--protocol", protocol, "--out", again, "--no-report")
    return live, again


def rows(path):
    with path.open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if not name.endswith(TIMED)}
            for row in csv.DictReader(file)
        ]


def test_the_run_keeps_every_unit_that_was_delivered(folders):
    outcome = json.loads((folders[0].parents[1] / "loop.json").read_text())["beam"]
    said = rows(folders[0] / "beams.csv")
    assert outcome["delivered_mu"] > 0
    # the first word may come before the session has begun; it is said again
    assert all(text.startswith("no treatment runs") for text in outcome["refusals"])
    last = {one["number"]: float(one["mu"]) for one in said}
    assert sum(last.values()) == pytest.approx(outcome["delivered_mu"], abs=1e-6)
    times_s = [float(one["time_s"]) for one in said]
    assert times_s == sorted(times_s)
    assert {one["is_on"] for one in said} == {"0", "1"}


def test_a_report_reaches_the_frame_in_which_it_was_made(folders):
    """In lock-step each report is answered before the scanner goes on."""
    frame_s = {
        int(one["frame"]): float(one["scanner_time_s"]) for one in rows(folders[0] / "motion.csv")
    }
    period_s = np.median(np.diff(list(frame_s.values())))
    said = [one for one in rows(folders[0] / "beams.csv") if int(one["frame"]) in frame_s]
    assert len(said) > 5
    for one in said:
        late_s = frame_s[int(one["frame"])] - float(one["time_s"])
        assert -period_s < late_s < period_s


def test_a_replay_reads_it_and_gives_the_same_to_the_last_bit(folders):
    live, again = folders
    assert (live / "beams.csv").read_text() == (again / "beams.csv").read_text()
    for name in ("verdicts.csv", "motion.csv", "dose.csv"):
        assert rows(live / name) == rows(again / name), name
    assert float(rows(live / "dose.csv")[-1]["mu"]) > 0
    with h5py.File(live / "maps.h5") as one, h5py.File(again / "maps.h5") as two:
        for name in ("magnitude", "dose_gy"):
            assert one[name][:].tobytes() == two[name][:].tobytes(), name


def test_the_truth_tells_of_every_step_of_the_beam(folders):
    folder = folders[0].parents[1]
    outcome = json.loads((folder / "loop.json").read_text())["beam"]
    with h5py.File(folder / "truth.h5") as file:
        assert np.sum(file["beam_mu"]) == pytest.approx(outcome["delivered_mu"])
        assert np.sum(file["beam_duration_s"]) == pytest.approx(outcome["on_s"])
        assert file["beam_displacement_lps_mm"].shape == (len(file["beam_mu"]), 3)


def test_a_batch_gives_the_same_as_the_replay(folders, tmp_path):
    live, again = folders
    out = tmp_path / "out"
    protocol = live.parents[1] / "protocol.toml"
    command("batch", live, f"--protocol={protocol}", f"--out={out}", "--jobs=1")
    (run,) = (out / "runs").iterdir()
    assert_same_run(again, run)
