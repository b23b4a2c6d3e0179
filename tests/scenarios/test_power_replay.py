"""A device that says its power: the run keeps it, and a replay of the run computes the same."""

import csv

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from realtime.cli import main
from realtime.protocol import load_protocol, parse_protocol
from tests.harness import running

N_FRAMES = 12
TIMED = ("age_ms", "_ms")  # what a clock says is not of the data


def command(*arguments):
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The run of a treatment whose simulated device reports its power, and that of its replay."""
    folder = tmp_path_factory.mktemp("power")
    text = load_protocol("mrgfus-demo").text.replace(
        "frame_deadline_ms = 100.0 ", "frame_deadline_ms = 4000.0 "
    )
    text = text.replace("stall_ms = 1000.0 ", "stall_ms = 20000.0 ")
    assert "heat_model = true" in text
    protocol = folder / "protocol.toml"
    protocol.write_text(text)
    with running(folder / "runs", parse_protocol(text), is_recording=True) as gateway:
        endpoints = gateway.gateway.publisher.endpoints
        ports = [f"--{name}-port={getattr(endpoints, name).rsplit(':')[-1]}" for name in PORTS]
        to = f"tcp://127.0.0.1:{gateway.port}"
        command("simulate", "--to", to, *ports, "--speed=max", f"--frames={N_FRAMES}", "--coils=2")
        gateway.events.topic("run.stop")
    (live,) = (path.parent for path in (folder / "runs").rglob("run.json"))
    again = folder / "again"
    command("replay", live / "raw.mrd", "--protocol", protocol, "--out", again, "--no-report")
    return live, again


PORTS = ("events", "control")


def rows(path):
    with path.open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if not name.endswith(TIMED)}
            for row in csv.DictReader(file)
        ]


@pytest.mark.slow
def test_the_run_keeps_what_the_device_said(folders):
    steps = rows(folders[0] / "power.csv")
    watts = [float(one["watts"]) for one in steps]
    assert watts[0] == 0.0
    assert max(watts) == 30.0
    times_s = [float(one["time_s"]) for one in steps]
    assert times_s[0] == 0.0
    assert times_s == sorted(times_s)


@pytest.mark.slow
def test_a_replay_reads_it_and_gives_the_same_to_the_last_bit(folders):
    live, again = folders
    assert (live / "power.csv").read_text() == (again / "power.csv").read_text()
    for name in ("readings.csv", "verdicts.csv"):
        assert rows(live / name) == rows(again / name), name
    finals = [
        float(one["final_high_cem43_min"])
        for one in rows(live / "readings.csv")
        if one["final_high_cem43_min"]
    ]
    assert np.max(finals) > 1.0  # the forecast was made, and of heat
    with h5py.File(live / "maps.h5") as one, h5py.File(again / "maps.h5") as two:
        for name in ("temperature_c", "dose_cem43_min"):
            assert one[name][:].tobytes() == two[name][:].tobytes(), name
