"""What is left of a batch, or of one of its processes, that was killed."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from realtime.batch.job import Job, Progress, Result
from realtime.batch.lanes import Lanes
from realtime.clock import MonotonicClock
from realtime.protocol import load_protocol
from realtime.survival.folder_lock import FolderLock
from tests.realtime.batch.small_archive import command, recorded, table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A short recording, and after it by name one that takes a while."""
    folder = tmp_path_factory.mktemp("archive")
    recorded(folder / "a-short.mrd", 2, seed=1)
    recorded(folder / "b-long.mrd", 150, seed=2)
    return folder


def job(archive, protocol, out, name):
    return Job(name, str(archive / name), str(protocol), load_protocol(str(protocol)).hash,
               str(out / name))  # fmt: skip


def until(is_so):
    """Wait for something that another process does."""
    clock = MonotonicClock()
    end_ns = clock.now_ns() + round(PATIENCE_S * 1e9)
    while not is_so():
        assert clock.now_ns() < end_ns, "it did not come to that"
        clock.sleep_until_ns(clock.now_ns() + 5_000_000)


def states(out):
    try:
        with closing(sqlite3.connect(out / "batch.sqlite")) as base:
            return [state for (state,) in base.execute("SELECT state FROM jobs ORDER BY rowid")]
    except sqlite3.OperationalError:
        return []  # it has not begun


def children(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_killed_batch_goes_on_where_it_was(archive, protocol, tmp_path):
    out = tmp_path / "out"
    arguments = ["batch", str(archive), f"--protocol={protocol}", f"--out={out}", "--jobs=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "realtime.cli", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: states(out) == ["done", "running"])
        assert "another monitor" in command(*arguments, "--resume")[1]  # while the first lives
        lanes = children(process.pid)
        assert len(lanes) == 1
    finally:
        process.kill()
        process.wait()
    until(lambda: not any(Path(f"/proc/{one}/fd").exists() for one in lanes))
    assert states(out) == ["done", "running"]
    before = {path: path.read_bytes() for path in (out / "runs").glob("*-*/run.json")
              if not path.parent.name.endswith(".unfinished")}  # fmt: skip
    status, said = command(*arguments, "--resume")
    assert status == 0, said
    assert [row["frames"] for row in table(out)] == ["2", "150"]
    assert len(before) == 1
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not list((out / "runs").glob("*.unfinished"))


def test_a_process_that_dies_costs_its_job_alone(archive, protocol, tmp_path):
    others = set(children(os.getpid()))
    with closing(Lanes(1)) as lanes:
        lanes.start(job(archive, protocol, tmp_path, "b-long.mrd"))
        said = []
        until(lambda: said.extend(lanes.wait(1.0)) or said)
        assert isinstance(said[0], Progress)
        (lane,) = set(children(os.getpid())) - others
        os.kill(lane, signal.SIGKILL)
        until(lambda: said.extend(lanes.wait(1.0)) or isinstance(said[-1], Result))
        assert said[-1] == Result("b-long.mrd-" + job_hash(protocol), "failed",
                                  "its process died (SIGKILL)")  # fmt: skip
        lanes.start(job(archive, protocol, tmp_path, "a-short.mrd"))
        said.clear()
        until(lambda: said.extend(lanes.wait(1.0)) or any(isinstance(one, Result) for one in said))
    assert said[-1].figures.frames == 2


def job_hash(protocol):
    return load_protocol(str(protocol)).hash


def test_a_folder_in_which_a_monitor_writes_is_refused(archive, protocol, tmp_path):
    with closing(FolderLock(tmp_path)):
        status, said = command("batch", archive, f"--protocol={protocol}", f"--out={tmp_path}")
    assert status == 1
    assert f"another monitor (process {os.getpid()}) writes there" in said
