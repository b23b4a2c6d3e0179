"""Long work shows how far it is, to people alone; what is counted passes through unchanged."""

import numpy as np
import pytest
from click.testing import CliRunner

from realtime.cli import main, progress
from realtime.streams.recordings import open_recording
from simulators.mrd import close_message
from tests.harness import Scan


@pytest.fixture
def recording(tmp_path):
    scan = Scan()
    file = tmp_path / "scan.mrd"
    file.write_bytes(scan.session(2))
    assert file.read_bytes().endswith(close_message())
    return file


@pytest.fixture
def counted(monkeypatch):
    """How often something was counted."""
    n_advances = []
    advance = progress.ReadoutProgress.advance

    def counting(self):
        n_advances.append(1)
        advance(self)

    monkeypatch.setattr(progress.ReadoutProgress, "advance", counting)
    return n_advances


def test_deidentifying_counts_each_readout_once_and_shows_nothing_to_a_pipe(
    recording, tmp_path, counted
):
    target = tmp_path / "clean.mrd"
    result = CliRunner().invoke(main, ["deidentify", str(recording), str(target)])
    assert result.exit_code == 0, result.output
    assert "64 readouts" in result.output
    assert len(counted) == 64
    assert result.stderr == ""


def test_what_is_counted_passes_unchanged(recording, counted):
    opened = open_recording(recording)
    with progress.ReadoutProgress(done="sent") as line:
        passed = [one.data for one in line.counting(opened).messages()]
    assert len(counted) == 64
    assert all(
        np.array_equal(here, there.data)
        for here, there in zip(passed, opened.messages(), strict=True)
    )
