"""`mrmonitor replay` of files that are no recording, or a hostile one: a line and status 1."""

import fcntl
import resource
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from ismrmrd.hdf5 import acquisition_dtype

from realtime.cli import main
from simulators.mrd import ACQUISITION_HEAD
from simulators.recording import write_hdf5
from simulators.whole_sessions import whole_sessions

MOST_MORE_BYTES = 64 << 20
# Says what it was told, with no more address space than it had once everything was imported.
OPEN = """
import resource, sys
import realtime.streams.recordings as recordings
from messages import MonitorError
pages = int(open("/proc/self/statm").read().split()[0])
most = pages * resource.getpagesize() + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    for _ in recordings.open_recording(sys.argv[1]).messages():
        pass
except MonitorError as error:
    print(error)
"""


def sound(path):
    messages = whole_sessions()["gre"]
    write_hdf5(path, messages[1][6:], [one for one in messages if one[:2] == b"\xf0\x03"])
    return path


def text(path):
    path.write_text("some notes on the scan\n")


def archive(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", "b")


def empty(path):
    path.write_bytes(b"")


def truncated(path):
    sound(path)
    path.write_bytes(path.read_bytes()[:5000])


def cut_stream(path):
    path.write_bytes(b"".join(whole_sessions()["gre"])[:1500])


def other_group(path):
    sound(path)
    with h5py.File(path, "r+") as file:
        file.move("dataset/data", "dataset/points")


def soft_link(path):
    sound(path)
    with h5py.File(path, "r+") as file:
        file.move("dataset/data", "elsewhere")
        file["dataset/data"] = h5py.SoftLink("/elsewhere")


def external_link(path):
    sound(path.with_name("other.h5"))
    sound(path)
    with h5py.File(path, "r+") as file:
        del file["dataset/data"]
        file["dataset/data"] = h5py.ExternalLink("other.h5", "/dataset/data")


def gzip_bomb(path):
    """Rows that really lie in the file, a thousandth of what they expand to."""
    sound(path)
    with h5py.File(path, "r+") as file:
        del file["dataset/data"]
        zeros = np.zeros(200_000, [("head", ACQUISITION_HEAD), ("traj", "<f4"), ("data", "<f4")])
        file.create_dataset("dataset/data", data=zeros, chunks=(50_000,), compression="gzip")
    assert zeros.nbytes > 500 * path.stat().st_size


def huge_chunk(path):
    sound(path)
    with h5py.File(path, "r+") as file:
        del file["dataset/data"]
        file.create_dataset(
            "dataset/data", (1,), acquisition_dtype, chunks=(1_000_000,), maxshape=(None,)
        )


BAD = [
    (text, "it begins with 'some not'"),
    (archive, "is a zip archive"),
    (empty, "is empty"),
    (truncated, "cut off, 5000 of"),
    (cut_stream, "is no whole MRD stream: byte"),
    (other_group, "no group holds 'data' and 'xml'"),
    (soft_link, "/dataset/data is a link"),
    (external_link, "/dataset/data is a link"),
    (gzip_bomb, "claims 69600000 bytes in a file of"),
    (huge_chunk, "chunks of 372000000 bytes"),
]


def told(path, out):
    result = CliRunner().invoke(
        main, ["replay", str(path), "--protocol", "imaging", "--out", str(out)]
    )
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    assert path.name in line
    assert not out.exists(), "a refused file leaves no run folder"
    return line


@pytest.mark.parametrize(("make", "said"), BAD, ids=[make.__name__ for make, _ in BAD])
def test_replay_says_in_a_line_what_the_file_is(tmp_path, make, said):
    make(tmp_path / "file")
    assert said in told(tmp_path / "file", tmp_path / "out")


def test_a_file_that_is_being_written_is_not_replayed(tmp_path):
    with sound(tmp_path / "file.h5").open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)  # as HDF5 locks what it writes
        assert "has it open for writing" in told(tmp_path / "file.h5", tmp_path / "out")


@pytest.mark.parametrize("make", [gzip_bomb, huge_chunk], ids=lambda one: one.__name__)
def test_what_expands_beyond_measure_is_refused_without_the_memory(tmp_path, make):
    make(tmp_path / "file")
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(tmp_path / "file"), str(MOST_MORE_BYTES)],
        capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert "expected at most" in done.stdout


def test_the_cap_of_these_tests_is_felt(tmp_path):
    """Otherwise the test above would pass whatever was allocated."""
    code = OPEN.replace("recordings.open_recording(sys.argv[1]).messages()", "[bytes(1 << 27)]")
    done = subprocess.run(
        [sys.executable, "-c", code, "", str(MOST_MORE_BYTES)],
        capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
    assert "MemoryError" in done.stderr
    assert resource.RLIM_INFINITY in resource.getrlimit(resource.RLIMIT_AS)
