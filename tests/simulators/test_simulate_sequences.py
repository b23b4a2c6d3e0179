"""`mrmonitor simulate --sequence`: what lands in the file."""

import h5py
import ismrmrd
import pytest
from click.testing import CliRunner
from ismrmrd.xsd import CreateFromDocument

from realtime.cli.simulate import simulate

SMALL = ["--frames", "1", "--coils", "2", "--matrix", "32"]


def run(*arguments):
    return CliRunner().invoke(simulate, [*map(str, arguments)])


@pytest.mark.parametrize("name", ["gre", "radial", "multi-echo"])
def test_scan_is_written_as_hdf5(name, tmp_path):
    path = tmp_path / "scan.h5"
    done = run("--to", path, "--sequence", name, "--waveforms", *SMALL)
    assert done.exit_code == 0, done.output
    with ismrmrd.File(path, "r") as file:
        header, n = file["dataset"].header, len(file["dataset"].acquisitions[:])
    assert f"{n} readouts" in done.output
    assert header.encoding[0].reconSpace.matrixSize.y == 32
    with h5py.File(path, "r") as file:
        assert "waveforms" in file["dataset"]


def test_scan_is_written_as_a_stream(tmp_path):
    path = tmp_path / "scan.mrd"
    done = run("--to", path, "--sequence", "grappa", "--snr", "inf", "--no-heat", *SMALL)
    assert done.exit_code == 0, done.output
    with path.open("rb") as stream:
        items = list(ismrmrd.ProtocolDeserializer(stream).deserialize())
    readouts = [item for item in items if isinstance(item, ismrmrd.Acquisition)]
    assert len(readouts) == 16 + 12
    assert CreateFromDocument(items[0].toXML() if hasattr(items[0], "toXML") else items[0])


@pytest.mark.parametrize(("name", "depth"), [("radial", 1), ("multi-slice", 3), ("3d", 24)])
def test_truth_lies_beside_the_scan(name, depth, tmp_path):
    truth = tmp_path / "truth.h5"
    arguments = ["--to", tmp_path / "scan.mrd", "--sequence", name, "--truth", truth]
    done = run(*arguments, "--frames", "4", "--coils", "2", "--matrix", "16")
    assert done.exit_code == 0, done.output
    with h5py.File(truth, "r") as file:
        assert file["object"].shape == (depth, 16, 16)
        assert abs(file["object"][:]).max() > 0.4
        rise_c, times_s = file["rise_c"][:], file["frame_time_s"][:]
    assert not rise_c[0].any()
    if name == "radial":
        frame_s = times_s[1] - times_s[0]
        assert rise_c[3].max() == pytest.approx(2.5 * frame_s, rel=0.25)  # 15 mm pixels


def test_faults_reach_a_scan(tmp_path):
    whole, holed = tmp_path / "whole.mrd", tmp_path / "holed.mrd"
    for path, faults in ((whole, ()), (holed, ("--drop", "3"))):
        done = run("--to", path, "--sequence", "radial", "--snr", "inf", *faults, *SMALL)
        assert done.exit_code == 0, done.output
    assert (
        "89 readouts" in run("--to", whole, "--sequence", "radial", "--snr", "inf", *SMALL).output
    )
    assert whole.stat().st_size - holed.stat().st_size == 2 + 340 + 64 * 2 * (4 + 8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sequence", "radial", "--events-port", "9", "--to", "tcp://127.0.0.1:1"), "treatment"),
        (("--sequence", "spiral", "--matrix", "900", "--to", "x.h5"), "spiral: a spiral of"),
        (("--sequence", "radial", "--compress", "8", "--to", "x.h5"), "plain readouts"),
    ],
)
def test_what_cannot_be_played_is_said(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code != 0
    assert words in str(done.exception) + done.output
