"""`check` refuses a plan that does not fit, and a recording that a replay would fail at once."""

import re

import h5py
import pytest
from click.testing import CliRunner

from realtime.cli import main
from realtime.cli.closed_loops import write_plan
from realtime.protocol import load_protocol
from simulators.linac import linac_scan

SMALL = ["--frames=1", "--matrix=32", "--coils=2"]


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def recording(path, sequence="gre"):
    result = run("simulate", f"--to={path}", f"--sequence={sequence}", *SMALL)
    assert result.exit_code == 0, result.output
    return path


def with_header(path, old, new):
    with h5py.File(path, "r+") as file:
        xml = file["dataset/xml"][0].decode()
        changed = re.sub(old, new, xml, count=1, flags=re.DOTALL)
        assert changed != xml
        file["dataset/xml"][0] = changed.encode()
    return path


@pytest.mark.parametrize("sequence", ["gre", "epi", "radial", "multi-slice"])
def test_a_scan_that_a_replay_takes_is_taken(tmp_path, sequence):
    path = recording(tmp_path / "a.h5", sequence)
    result = run("check", "imaging", "--header", path)
    assert result.exit_code == 0, result.output
    assert "takes its first imaging readout" in result.output


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"<matrixSize><x>64</x>", "<matrixSize><x>32</x>", "center_sample"),  # of 64 samples
        (r"(<encodedSpace>.*?)<x>\d+</x>", r"\1<x>16</x>", "reconSpace.matrixSize.x"),
        (r"<trajectory>\w+</trajectory>", "<trajectory>spiral</trajectory>", "no trajectory"),
    ],
)
def test_what_a_replay_cannot_reconstruct_is_refused_in_one_line(tmp_path, old, new, said):
    path = with_header(recording(tmp_path / "a.h5"), old, new)
    checked = run("check", "imaging", "--header", path)
    assert checked.exit_code == 1, checked.output
    assert len(checked.stderr.strip().splitlines()) == 1
    assert said in checked.stderr


def test_a_header_alone_is_checked_as_far_as_it_goes(tmp_path):
    with h5py.File(recording(tmp_path / "a.h5")) as file:
        (tmp_path / "a.xml").write_bytes(file["dataset/xml"][0])
    result = run("check", "imaging", "--header", tmp_path / "a.xml")
    assert result.exit_code == 0
    assert "first imaging readout" not in result.output


def with_plan(folder):
    """Return the shipped lung protocol beside the simulated patient's plan."""
    dose = write_plan("lung-sagittal", linac_scan("lung-sagittal", n_frames=1), folder)
    path = folder / "treatment.toml"
    path.write_text(f"{load_protocol('mrlinac-lung').text}\n{dose}", encoding="utf-8")
    return path


def test_a_plan_is_read_and_told(tmp_path):
    result = run("check", with_plan(tmp_path))
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.replace("│", " ").split())
    for said in ("beam 1 of 30 MU", "beam 3 of", "target (target)", "cord (organ-at-risk)"):
        assert said in words


def test_a_plan_that_does_not_fit_is_refused_before_the_patient_comes(tmp_path):
    path = with_plan(tmp_path)
    (tmp_path / "beam-2.dcm").write_bytes((tmp_path / "beam-1.dcm").read_bytes())
    result = run("check", path)
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "ReferencedBeamNumber 1" in result.stderr
