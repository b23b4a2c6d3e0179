"""The table of jobs outlives its batch; sentences name nobody; addresses are looked at."""

from contextlib import closing

import msgspec
import pytest

from messages import MonitorError
from realtime.batch.figures import Figures
from realtime.batch.job import Job, Result, pack, unpack_job, unpack_told
from realtime.batch.table import TABLE, JobTable
from realtime.batch.task import sentence

JOBS = [Job(f"{n:012d}", f"/archive/Doe/{n}.mrd", "p", "hash", f"/out/runs/{n}") for n in range(4)]


def with_folder(job, folder):
    """A job whose run folder is there."""
    (folder / "runs").mkdir()
    return msgspec.structs.replace(job, folder=str(folder / "runs"))


def opened(folder, version="1.0"):
    return closing(JobTable(folder, version=version))


def states(table):
    return [table.row(job).state for job in JOBS]


def test_a_job_whose_run_folder_is_gone_is_done_again(tmp_path):
    kept = with_folder(JOBS[0], tmp_path)
    with opened(tmp_path) as table:
        table.plan([kept, JOBS[1]])
        for job in JOBS[:2]:
            table.finish(job, Result(job.name, "done", "", Figures()))
        table.plan([kept, JOBS[1]])
        assert [table.row(job).state for job in JOBS[:2]] == ["done", "waiting"]


def test_a_table_whose_first_step_was_cut_off_is_begun_again(tmp_path):
    (tmp_path / TABLE).touch()
    with opened(tmp_path) as table:
        table.plan(JOBS)
        assert states(table) == ["waiting"] * len(JOBS)
    assert (tmp_path / TABLE).stat().st_mode & 0o777 == 0o600


def test_what_nobody_runs_and_what_failed_wait_again(tmp_path):
    with opened(tmp_path) as table:
        table.plan(JOBS)
        assert list(table.waiting(JOBS)) == JOBS
        for job in JOBS[:3]:
            table.start(job)
        figures = Figures(frames=3, peak_c=51.5)
        table.finish(JOBS[0], Result(JOBS[0].name, "done", "", figures, Figures(frames=2)))
        table.finish(JOBS[1], Result(JOBS[1].name, "failed", "the disk was full"))
        assert states(table) == ["done", "failed", "running", "waiting"]
    with opened(tmp_path) as table:
        table.plan([with_folder(JOBS[0], tmp_path), *JOBS[1:]])
        assert states(table) == ["done", "waiting", "waiting", "waiting"]
        row = table.row(JOBS[0])
        assert (row.figures, row.earlier) == (figures, Figures(frames=2))
    with opened(tmp_path, version="1.1") as table:
        table.plan(JOBS)
        assert states(table) == ["waiting"] * 4  # another release computes anew


def test_a_digest_holds_until_the_file_changes(tmp_path):
    with opened(tmp_path) as table:
        table.keep_digest("a.mrd", "7:1", "abc")
        assert table.digest("a.mrd", "7:1") == "abc"
        assert table.digest("a.mrd", "7:2") is None


def test_a_table_that_is_none_is_told(tmp_path):
    (tmp_path / "batch.sqlite").write_bytes(b"not a table, but long enough to be read as one")
    with pytest.raises(MonitorError, match="cannot be used as table of jobs"), opened(tmp_path):
        pass


def test_jobs_and_results_travel(tmp_path):
    assert unpack_job(pack(JOBS[0])) == JOBS[0]
    result = Result("name", "done", "", Figures(frames=1, target_d98_gy=1.5))
    assert unpack_told(pack(result)) == result


def test_a_sentence_names_neither_file_nor_folder():
    job = JOBS[1]
    text = f"{job.file}: cut off,\n see /archive/Doe/run.json and 1.mrd or {job.folder}/maps.h5"
    assert sentence(text, job) == (
        f"{job.recording}: cut off, see its folder/run.json and {job.recording} "
        "or the run folder/maps.h5"
    )
    assert sentence("x.mrd: is no stream: it begins with 'Doe^Jane'", job) == "x.mrd: is no stream"
