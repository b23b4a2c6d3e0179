"""A simulated treatment in a file is what the switches say."""

from importlib import import_module
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from messages import MonitorError
from realtime.cli import main
from realtime.streams.player import PlayerSummary
from realtime.streams.recordings import open_recording

# by name: the package's attribute of that name may be the command
simulate_module = import_module("realtime.cli.simulate")
send_module = import_module("realtime.cli.send")

SMALL = ["--frames=7", "--matrix=16", "--coils=2", "--seed=3"]


def simulated(path, *arguments):
    result = CliRunner().invoke(main, ["simulate", f"--to={path}", *SMALL, *arguments])
    assert result.exit_code == 0, result.output
    return path


def readouts(path):
    return [m.data for m in open_recording(path).messages() if m.acquisition_time_stamp is not None]


def test_both_kinds_of_file_hold_the_same_readouts(tmp_path):
    one, other = simulated(tmp_path / "a.h5"), simulated(tmp_path / "a.mrd")
    assert readouts(one) == readouts(other)
    assert len(readouts(one)) == 128 + 7 * 16  # noise scan and frames


def test_the_seed_decides_the_noise(tmp_path):
    same = simulated(tmp_path / "a.mrd").read_bytes()
    assert simulated(tmp_path / "b.mrd").read_bytes() == same
    assert simulated(tmp_path / "c.mrd", "--seed=4").read_bytes() != same


def test_no_heat_leaves_the_patient_at_body_temperature(tmp_path):
    simulated(tmp_path / "a.mrd", f"--truth={tmp_path / 'hot.h5'}")
    simulated(tmp_path / "b.mrd", "--no-heat", f"--truth={tmp_path / 'cold.h5'}")
    with h5py.File(tmp_path / "hot.h5") as hot, h5py.File(tmp_path / "cold.h5") as cold:
        assert np.max(cold["peak_c"]) == 37.0
        assert np.max(hot["peak_c"]) > 37.5  # half a second of heating by more than 1 °C/s


def test_drop_and_duplicate_change_the_number_of_readouts(tmp_path):
    whole = len(readouts(simulated(tmp_path / "a.mrd")))
    assert len(readouts(simulated(tmp_path / "b.mrd", "--drop=3", "--drop=9"))) == whole - 2
    assert len(readouts(simulated(tmp_path / "c.mrd", "--duplicate=3"))) == whole + 1


def test_truncate_breaks_the_stream_off_without_a_close(tmp_path):
    cut = simulated(tmp_path / "a.mrd", "--truncate=20:100")
    with pytest.raises(MonitorError, match="byte"):
        readouts(cut)


class Played:
    """Stands for `play`: remembers what was asked of the server, and plays the recording."""

    def __init__(self, *texts):
        self.asked, self.texts = [], list(texts)

    def __call__(self, recording, link, *, settings, clock):
        self.asked.append(settings.config_name)
        n_readouts = sum(m.acquisition_time_stamp is not None for m in recording.messages())
        return PlayerSummary(n_readouts=n_readouts, texts=self.texts)


@pytest.fixture
def server(monkeypatch):
    played = Played()
    for module in (simulate_module, send_module):
        monkeypatch.setattr(
            module, "open_link", lambda url, **_: SimpleNamespace(close=lambda: None)
        )
        monkeypatch.setattr(module, "play", played)
    return played


def test_a_scan_asks_for_images_and_a_treatment_for_its_own_protocol(server):
    to = "--to=tcp://127.0.0.1:9"
    for arguments in ([], ["--sequence=gre"], ["--sequence=gre", "--config=other"]):
        result = CliRunner().invoke(main, ["simulate", to, *SMALL, *arguments])
        assert result.exit_code == 0, result.output
    assert server.asked == ["mrgfus-demo", "imaging", "other"]


def test_what_the_server_refuses_is_told_once(server, tmp_path):
    server.texts = ["INFO  hello", "ERROR   readout 3: too long"]
    path = simulated(tmp_path / "a.mrd")
    for arguments in (["send", str(path)], ["simulate", *SMALL]):
        result = CliRunner().invoke(main, [*arguments, "--to=tcp://127.0.0.1:9"])
        assert result.exit_code == 1
        assert "hello" in result.stdout
        assert (result.stdout + result.stderr).count("too long") == 1
        assert result.stderr.strip() == "Error: the server refused: readout 3: too long"
