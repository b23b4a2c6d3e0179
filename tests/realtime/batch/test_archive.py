"""Which files are recordings, and what they are called."""

import errno
import os
from contextlib import closing

import h5py
import pytest

from messages import MonitorError
from realtime.batch.archive import digest_of, find_recordings
from realtime.batch.planning import chosen, plan
from realtime.batch.table import JobTable


def found(folder, out):
    return [one.path for one in find_recordings(folder, out=out)]


def test_files_are_recordings_by_name_and_results_are_not(tmp_path):
    archive, elsewhere = tmp_path / "archive", tmp_path / "elsewhere.mrd"
    run = archive / "deep" / "run"
    run.mkdir(parents=True)
    for path in (archive / "b.mrd", archive / "A.MRD", run / "raw.mrd", run / "other.mrd",
                 run / "run.json", archive / "notes.txt", elsewhere):  # fmt: skip
        path.write_bytes(b"x")
    with h5py.File(archive / "truth-of-b.h5", "w") as file:
        file["temperature_c"] = [1.0]
    (archive / "damaged.h5").write_bytes(b"no HDF5")
    (archive / "link.mrd").symlink_to(elsewhere)
    (archive / "folder").symlink_to(tmp_path)
    os.mkfifo(archive / "pipe.mrd")
    (archive / "out" / "runs").mkdir(parents=True)
    (archive / "out" / "runs" / "c.mrd").write_bytes(b"x")
    assert found(archive, archive / "out") == ["A.MRD", "b.mrd", "damaged.h5", "deep/run/raw.mrd"]


def test_a_folder_that_cannot_be_read_is_told_not_passed_over(tmp_path, monkeypatch):
    archive, real = tmp_path / "archive", os.scandir
    (archive / "closed").mkdir(parents=True)
    (archive / "a.mrd").write_bytes(b"x")

    def scandir(path):  # who runs as root may read everything
        if os.path.basename(path) == "closed":  # noqa: PTH119 - as os.walk asks
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert found(archive, tmp_path / "out") == ["a.mrd", "closed"]
    with closing(JobTable(tmp_path, version="1")) as table:
        _, closed = plan(archive, tmp_path / "out", chosen(["mrgfus-demo"]), table, print)
    assert closed.job is None
    assert closed.why.startswith("cannot be read: ")


def test_an_archive_without_recordings_is_told(tmp_path):
    with pytest.raises(MonitorError, match=r"holds no recording; expected files ending in \.h5"):
        found(tmp_path, tmp_path / "out")
    with pytest.raises(MonitorError, match="is no folder"):
        found(tmp_path / "nothing", tmp_path / "out")


def test_a_recording_is_called_by_its_bytes_and_by_what_it_is_computed_with(tmp_path):
    one, two = tmp_path / "one" / "a.mrd", tmp_path / "two" / "b.mrd"
    for path in (one, two):
        path.parent.mkdir()
        path.write_bytes(b"samples")
    assert digest_of(one) == digest_of(two)
    two.with_name("power.csv").write_text("time_s,watts,frame\n0.0,30.0,0\n")
    assert digest_of(one) != digest_of(two)
    one.write_bytes(b"Samples")
    assert digest_of(one) != digest_of(two)
    assert len(digest_of(one)) == 12
