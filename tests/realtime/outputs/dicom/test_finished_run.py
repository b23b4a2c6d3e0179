"""A finished run as files and in a real archive: valid for dciodvfy, whole in Orthanc."""

import dataclasses
import io
import shutil

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from messages import RunStop
from messages.codec import decode, encode
from realtime.cli import main
from realtime.outputs.dicom.choice import LAST_ONLY, Choice
from realtime.outputs.run_folder import RunFolder
from realtime.rt.rtdose import read_dose
from simulators.beam import PLAN_FILE
from tests.realtime.outputs.dicom.made import START, frame
from tests.realtime.outputs.dicom.referees import complaints, complaints_of_dose, orthanc
from tests.realtime.outputs.test_delivered_dose import write_run

N_FRAMES = 5


def take(folder, noun):
    folder.take(*decode(encode(noun, epoch="e", sequence=1)))


@pytest.fixture(scope="module")
def heated(tmp_path_factory):
    """A run folder with five frames of two planes."""
    path = tmp_path_factory.mktemp("dicom") / "run"
    folder = RunFolder(path, START)
    for n in range(N_FRAMES):
        take(folder, frame(frame_id=n, heat_c=5.0 * n))
    take(folder, RunStop(START.run_id, "completed", "end", "2026", N_FRAMES, 0, 0, 0, 1, 0))
    folder.close()
    return path


@pytest.fixture(scope="module")
def irradiated(tmp_path_factory):
    """A run of an MR-linac with a plan."""
    path = tmp_path_factory.mktemp("dicom") / "linac"
    plan, _ = write_run(path)
    return path, plan


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with orthanc(tmp_path_factory.mktemp("orthanc")) as it:
        yield it


def run(*arguments):
    return CliRunner().invoke(main, ["dicom", *map(str, arguments)])


@pytest.fixture(scope="module")
def written(heated, tmp_path_factory):
    """The files of the run's first and last frame, by kind."""
    out = tmp_path_factory.mktemp("out")
    done = run(heated, "--out", out, "--frames", "10")
    assert done.exit_code == 0, done.output
    assert "10 objects" in done.output
    return sorted(out.iterdir())


def test_the_validator_finds_no_error_in_any_kind(written):
    assert [one.name for one in written] == [
        "cem43-c0-000001.dcm", "cem43-c0-000005.dcm", "lesion-c0-000001.dcm",
        "lesion-c0-000005.dcm", "magnitude-c0-000001.dcm", "magnitude-c0-000002.dcm",
        "magnitude-c0-000009.dcm", "magnitude-c0-000010.dcm", "temperature-c0-000001.dcm",
        "temperature-c0-000005.dcm",
    ]  # fmt: skip
    assert {one.name: complaints(one) for one in written} == {one.name: [] for one in written}


def test_a_run_folder_gives_what_was_published(written):
    (last,) = (pydicom.dcmread(one) for one in written if one.name == "temperature-c0-000005.dcm")
    published = frame(frame_id=4, heat_c=20.0).temperature_c
    assert sorted(map(float, last.pixel_array[np.isfinite(last.pixel_array)])) == sorted(
        map(float, published[np.isfinite(published)])
    )


@pytest.mark.slow
def test_the_archive_stores_every_object_bit_for_bit(heated, written, archive):
    done = run(heated, "--to", f"ORTHANC@127.0.0.1:{archive.port}")
    assert done.exit_code == 0, done.output
    stored = archive.files()
    for path in written:
        sent = pydicom.dcmread(path)
        got = pydicom.dcmread(io.BytesIO(stored[sent.SOPInstanceUID]))
        assert got == sent  # every attribute
        assert got.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        assert _pixels(got) == _pixels(sent)
    again = run(heated, "--to", f"ORTHANC@127.0.0.1:{archive.port}")
    assert again.exit_code == 0
    assert archive.files().keys() == stored.keys()


def _pixels(dataset):
    return dataset.get("PixelData") or dataset.get("FloatPixelData")


@pytest.mark.slow
def test_the_archive_takes_the_delivered_dose_in_its_units_and_place(irradiated, archive, tmp_path):
    path, plan = irradiated
    to = f"ORTHANC@127.0.0.1:{archive.port}"
    done = run(path, "--out", tmp_path, "--to", to, "--patient-id", "4711", "--patient-name", "M^E")
    assert done.exit_code == 0, done.output
    (file,) = tmp_path.iterdir()
    assert complaints_of_dose(file, tmp_path / "short.dcm") == []
    stored = archive.files()[pydicom.dcmread(file).SOPInstanceUID]
    (tmp_path / "back.dcm").write_bytes(stored)
    dose, before = read_dose(tmp_path / "back.dcm"), pydicom.dcmread(path / PLAN_FILE)
    rtdose = CliRunner().invoke(main, ["rtdose", str(path), "--out", str(tmp_path / "own.dcm")])
    assert rtdose.exit_code == 0
    np.testing.assert_array_equal(dose.gy, read_dose(tmp_path / "own.dcm").gy)
    assert dose.grid == plan.grid
    assert dose.gy.max() > 0.5
    assert dose.frame_of_reference == before.FrameOfReferenceUID
    assert dose.plan_uid == before.SOPInstanceUID
    back = pydicom.dcmread(tmp_path / "back.dcm")
    assert (back.DoseUnits, back.DoseType, back.PatientID) == ("GY", "PHYSICAL", "4711")


@pytest.mark.slow
def test_without_a_patient_nothing_of_the_plan_s_patient_is_in_the_dose(irradiated, tmp_path):
    path, _ = irradiated
    assert run(path, "--out", tmp_path).exit_code == 0
    (file,) = tmp_path.iterdir()
    named = pydicom.dcmread(path / PLAN_FILE)
    assert str(pydicom.dcmread(file).PatientName).startswith("mrmonitor^")
    for word in (named.PatientName, named.PatientID, named.StudyInstanceUID):
        assert str(word)
        assert str(word).encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("frames", "rows"), [("all", range(5)), ("last", [4]), ("2", [0, 2, 4]), ("3", [0, 3, 4])]
)
def test_chosen_frames_are_every_nth_and_the_last(heated, tmp_path, frames, rows):
    assert run(heated, "--out", tmp_path, "--frames", frames).exit_code == 0
    found = sorted(one.name for one in tmp_path.glob("temperature*"))
    assert found == [f"temperature-c0-{row + 1:06d}.dcm" for row in rows]


def test_each_slice_and_contrast_is_chosen_from_by_itself():
    choice = Choice(2)
    streams = ["a", "b", "a", "b", "a"]
    taken = [n for n, stream in enumerate(streams) if choice.take(stream, n)]
    assert (taken, choice.rest()) == ([0, 1, 4], [3])
    last = Choice(LAST_ONLY)
    assert not any(last.take(stream, n) for n, stream in enumerate(streams))
    assert sorted(last.rest()) == [3, 4]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "nowhere to put it"),
        (["--to", "PACS:4242"], "expected AET@HOST:PORT"),
        (["--to", "SEVENTEEN-LETTERS@h:4242"], "expected AET@HOST:PORT"),
        (["--to", "PACS@h:0"], "expected AET@HOST:PORT"),
        (["--out", "o", "--patient-id", "4711"], "go together"),
        (["--to", "PACS@127.0.0.1:9"], "PACS@127.0.0.1:9: takes no connection"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pynetdicom's
def test_what_cannot_be_done_is_told_in_a_line(heated, tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    done = run(heated, *options)
    assert done.exit_code == 1
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.output
    assert "4711" not in done.output


@pytest.mark.slow
def test_an_archive_that_knows_itself_by_another_title_is_told(heated, archive):
    told = []
    while len(told) < 3 and not any("rejected" in one for one in told):
        # Orthanc hangs up at once: that may be seen before its answer
        done = run(heated, "--to", f"NOBODY@127.0.0.1:{archive.port}")
        assert done.exit_code == 1
        told.append(done.stderr)
    assert "rejected the association: called ae title not recognised" in told[-1]


def test_a_folder_without_maps_says_so(heated, tmp_path):
    shutil.copytree(heated, tmp_path / "run")
    (tmp_path / "run" / "maps.h5").unlink()
    done = run(tmp_path / "run", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "maps.h5 is missing" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_cut_is_written_as_far_as_it_goes(tmp_path):
    folder = RunFolder(tmp_path / "run", dataclasses.replace(START, run_id="cut"))
    take(folder, frame(frame_id=0))
    folder.close()
    done = run(tmp_path / "run", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "out").iterdir())) == 5
