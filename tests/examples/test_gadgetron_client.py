"""The script of the examples connects Gadgetron's client: images come back into its file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

from realtime.cli import main

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "gadgetron_client.sh"
CLIENT = "gadgetron_ismrmrd_client"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "scan.h5"
    small = ["--frames=3", "--matrix=16", "--coils=2"]
    done = CliRunner().invoke(main, ["simulate", f"--to={path}", *small])
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A PATH with Gadgetron's client, or with what does the same on the wire."""
    if shutil.which(CLIENT):
        return os.environ["PATH"]
    folder = tmp_path_factory.mktemp("bin")
    stand_in = Path(__file__).with_name("stand_in_gadgetron_client.py")
    (folder / CLIENT).write_text(f"#!{sys.executable}\n{stand_in.read_text()}")
    (folder / CLIENT).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def played(arguments, programs, port=9):
    environment = os.environ | {
        "PATH": programs, "MONITOR_PORT": str(port), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    return subprocess.run(
        [SCRIPT, *arguments], env=environment, capture_output=True, text=True, timeout=50
    )


@pytest.mark.slow
def test_images_come_back(recording, programs, shared_gateway, tmp_path):
    out = tmp_path / "out.h5"
    done = played([recording, out], programs, shared_gateway.port)
    assert done.returncode == 0, done.stderr
    with h5py.File(out) as file:
        magnitude = file["imaging/image_0/data"]
        assert magnitude.shape[0] == 3
        assert magnitude[()].any()


def test_without_a_recording_it_says_how_it_is_called(programs):
    done = played([], programs)
    assert done.returncode != 0
    assert "usage: gadgetron_client.sh SCAN.h5" in done.stderr
