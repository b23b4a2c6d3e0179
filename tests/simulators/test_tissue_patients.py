"""The patients of the catalogue, from the command line and by themselves."""

import h5py
import ismrmrd
import numpy as np
import pytest
from click.testing import CliRunner

from realtime.cli.simulate import simulate
from simulators.mrd import acquisition_samples
from simulators.patients import PATIENTS
from simulators.sequences import CATALOGUE, Cartesian

SMALL = ["--frames", "4", "--coils", "2", "--matrix", "32", "--speed", "max"]


def run(*arguments):
    return CliRunner().invoke(simulate, [*map(str, arguments)])


@pytest.mark.parametrize("name", sorted(PATIENTS))
def test_patient_is_written_with_its_truth(name, tmp_path):
    scan, truth = tmp_path / "scan.mrd", tmp_path / "truth.h5"
    done = run("--to", scan, "--patient", name, "--truth", truth, *SMALL)
    assert done.exit_code == 0, done.output
    with scan.open("rb") as stream:
        items = list(ismrmrd.ProtocolDeserializer(stream).deserialize())
    readouts = [item for item in items if isinstance(item, ismrmrd.Acquisition)]
    assert f"{len(readouts)} readouts" in done.output
    with h5py.File(truth, "r") as file:
        times_s, rise_c = file["frame_time_s"][:], file["rise_c"][:]
        assert rise_c.shape == (4, 32, 32)
        assert np.all(np.diff(times_s) > 0)
        assert np.nanmax(rise_c[0]) == 0
        assert file["power_w"][:].tolist()[-1] == 0
        assert 0.1 < np.isfinite(file["rise_c"][0]).mean() < 0.9
        fractions = file["fat_fraction"][:]
        assert (np.nanmax(fractions) > 0.9) == (name in ("breathing-liver", "fatty-breast"))
        moved = np.nanmax(np.abs(file["displacement_mm"][:]))
        assert (moved > 0.5) == (name == "breathing-liver")
        pushed = np.nanmax(np.nan_to_num(file["push_um"][:]), axis=(1, 2))
        assert (pushed > 1).tolist() == [name == "arfi-brain" and frame >= 2 for frame in range(4)]
    if name == "drifting-head":
        assert np.ptp(times_s) == pytest.approx(1800, rel=0.01)


@pytest.mark.parametrize("name", sorted(PATIENTS))
def test_patient_without_heat_stays_cold(name):
    patient = PATIENTS[name]
    sequence = CATALOGUE[patient.sequence](n_frames=4, matrix=(32, 32))
    warm, cold = (patient.scan(sequence, n_coils=1, heat=heat) for heat in (True, False))
    assert warm.box is not None
    assert np.nanmax(warm.seen_rise_c(3)) > 0 or name == "drifting-head"
    assert cold.box is None
    assert np.nanmax(np.abs(cold.seen_rise_c(3))) < 1e-9


def test_a_liver_is_not_heated_before_a_library_can_be_full():
    liver = PATIENTS["breathing-liver"]
    long, short = (
        liver.scan(CATALOGUE[liver.sequence](n_frames=n, matrix=(32, 32)), n_coils=1)
        for n in (liver.n_frames, 10)
    )
    starts_s = [scan.tissue.heat.plan.power_log[0][0] for scan in (long, short)]
    whole_s = 10 * short.sequence.frame_time_s(0)
    assert starts_s == pytest.approx([10.0, whole_s / 2], rel=0.02)
    assert liver.n_frames * long.sequence.frame_time_s(0) > 20.0


def test_a_patient_plays_in_another_sequence_with_its_breath():
    scan = PATIENTS["breathing-liver"].scan(
        Cartesian(matrix=(32, 32), n_frames=2), n_coils=1, has_waveforms=True
    )
    assert b"RESP" in scan.header_xml()
    assert acquisition_samples(next(scan.messages())).shape[0] == 1
    physiology, times_s = scan._player.physiology, np.array([0.0, 2.0, 6.0])
    drive = [scan.tissue.breathing.drive(float(t)) for t in times_s]
    assert physiology.respiration(times_s) == pytest.approx(drive)
    assert drive[0] < 0.1 < 0.8 < drive[1] != drive[2]


def test_a_breathing_liver_misleads_a_single_baseline_as_a_real_one_does():
    # reference: 12.2 °C rms over the liver of a real scan in free breathing, uncorrected
    scan = PATIENTS["breathing-liver"].scan(CATALOGUE["epi-segmented"](n_frames=40), n_coils=1)
    x, y = scan.sequence.columns_mm[None, :], scan.sequence.rows_mm[:, None]
    truths = [scan.truth(x, y, frame=frame) for frame in range(0, 40, 2)]
    always = np.all([np.abs(one.water) > 0.7 for one in truths], axis=0)
    hertz = np.array([one.off_resonance_hz[always] for one in truths])
    error_c = (hertz - hertz[0]) / (0.0094e-6 * 123.25e6)
    assert np.sqrt((error_c**2).mean()) == pytest.approx(12.2, rel=0.15)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--patient", "epi-brain", "--sequence", "treatment", "--to", "x.h5"), "has its own"),
        (("--patient", "epi-brain", "--sequence", "3d", "--to", "x.h5"), "one slice"),
        (
            ("--patient", "arfi-brain", "--events-port", "9", "--to", "tcp://127.0.0.1:1"),
            "only with",
        ),
    ],
)
def test_what_a_patient_cannot_do_is_said(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code != 0
    assert words in str(done.exception) + done.output
