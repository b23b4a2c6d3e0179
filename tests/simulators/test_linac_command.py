"""`mrmonitor simulate --patient` with the MR-linac's patients."""

import h5py
import ismrmrd
import numpy as np
import pytest
from click.testing import CliRunner

from realtime.cli.simulate import simulate
from simulators.linac import LINAC_PATIENTS

SMALL = ["--frames", "4", "--coils", "2", "--matrix", "32", "--speed", "max"]


def run(*arguments):
    return CliRunner().invoke(simulate, [*map(str, arguments)])


def film_file(folder):
    frames = np.zeros((2, 40, 30), np.uint8)
    frames[:, 10:30, 8:22] = 200
    np.savez(folder / "film.npz", frames=frames, t=np.array([5.0, 5.5]), spacing=np.full(2, 5.0))
    return folder / "film.npz"


def trace_file(folder):
    (folder / "trace.txt").write_text("".join(f"{t / 5} 0 {-t} {t / 4}\n" for t in range(20)))
    return folder / "trace.txt"


@pytest.mark.parametrize("sequence", ["radial", "cartesian-r2"])
@pytest.mark.parametrize("name", sorted(LINAC_PATIENTS))
def test_a_patient_is_written_with_its_truth(name, sequence, tmp_path):
    scan, truth, trace = tmp_path / "scan.mrd", tmp_path / "truth.h5", trace_file(tmp_path)
    done = run("--to", scan, "--patient", name, "--sequence", sequence, "--trace", trace,
               "--truth", truth, "--waveforms", *SMALL)  # fmt: skip
    assert done.exit_code == 0, done.output
    with scan.open("rb") as stream:
        items = list(ismrmrd.ProtocolDeserializer(stream).deserialize())
    readouts = [item for item in items if isinstance(item, ismrmrd.Acquisition)]
    assert f"{len(readouts)} readouts" in done.output
    assert {one.idx.slice for one in readouts} == ({0, 1} if "coronal" in name else {0})
    assert any(isinstance(item, ismrmrd.Waveform) for item in items)
    with h5py.File(truth, "r") as file:
        moved = file["displacement_lps_mm"][:]
        times = file["frame_time_s"][:]
    # 5 mm/s down and 1.25 mm/s forward
    assert moved[:, 2] == pytest.approx(-5 * (times - times[0]), abs=1e-6)
    assert moved[:, 1] == pytest.approx(-1.25 * (times - times[0]), abs=1e-6)


def test_a_cine_plays_by_itself_or_moves_by_the_trace(tmp_path):
    film, trace, truth = film_file(tmp_path), trace_file(tmp_path), tmp_path / "truth.h5"
    for more, is_known in (([], False), (["--trace", trace], True)):
        done = run("--to", tmp_path / "scan.h5", "--patient", "liver-sagittal", "--cine", film,
                   "--truth", truth, *more, *SMALL)  # fmt: skip
        assert done.exit_code == 0, done.output
        with h5py.File(truth, "r") as file:
            assert np.isfinite(file["displacement_mm"][:]).all() == is_known


def test_events_happen_when_they_are_told_to(tmp_path):
    truth = tmp_path / "truth.h5"
    done = run("--to", tmp_path / "scan.mrd", "--patient", "prostate-sagittal", "--truth", truth,
               "--event", "out-of-plane@0.06", "--event", "cough@0.01", *SMALL)  # fmt: skip
    assert done.exit_code == 0, done.output
    with h5py.File(truth, "r") as file:
        path = file["path_displacement_lps_mm"][:]
        assert path[:, 0].max() > 20
        assert path[16, 2] - path[0, 2] > 8


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--patient", "lung-sagittal", "--sequence", "epi"], "expected cartesian, cartesian-r2"),
        (["--sequence", "cartesian-r2"], "only with a --patient"),
        (["--patient", "epi-brain", "--trace", "TRACE"], "only with --patient lung-sagittal"),
        (["--patient", "lung-sagittal", "--cine", "TRACE"], "expected an .npz file"),
        (["--patient", "lung-sagittal", "--trace", "FILM"], "columns t"),
        (["--patient", "sagittal-coronal", "--cine", "FILM"], "one plane"),
        (["--patient", "lung-sagittal", "--event", "sneeze@3"], "expected NAME@SECONDS"),
        (["--patient", "lung-sagittal", "--event", "cough"], "expected NAME@SECONDS"),
        (["--patient", "epi-brain", "--event", "cough@3"], "only with --patient"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, told, tmp_path):
    files = {"TRACE": trace_file(tmp_path), "FILM": film_file(tmp_path)}
    given = [files.get(one, one) for one in arguments]
    done = run("--to", tmp_path / "scan.mrd", *given, *SMALL)
    assert done.exit_code != 0
    assert told in str(done.exception) + done.output
