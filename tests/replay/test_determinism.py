"""Two replays of one recording at full speed agree bit for bit, whatever the machine does."""

import csv
import json

import h5py
import pytest
from click.testing import CliRunner

from realtime.cli import main
from realtime.cli.open_loop import OpenLoop, write_recording
from realtime.protocol import load_protocol
from simulators import Treatment, TreatmentSimulator

TIMED = ("age_ms", "_ms")  # what a clock says is not of the data
RUNS_OWN = ("epoch", "run_id", "utc")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("determinism")
    recording = folder / "heated.mrd"
    simulator = TreatmentSimulator(Treatment(n_coils=4, n_frames=9))
    write_recording(recording, OpenLoop(simulator, heat=True))
    protocol = folder / "strict.toml"  # so that the heat crosses its limits
    text = load_protocol("mrgfus-demo").text
    for limit, lower in (("stop_above_c = 60.0", 41), ("warn_above_c = 57.0", 40)):
        assert limit in text
        text = text.replace(limit, f"{limit.partition('=')[0]}= {lower}.0")
    protocol.write_text(text)
    outs = [folder / "one", folder / "two"]
    for out in outs:
        arguments = ["replay", str(recording), f"--protocol={protocol}", f"--out={out}"]
        result = CliRunner().invoke(main, [*arguments, "--no-report", "--no-record"])
        assert result.exit_code == 0, result.output
    return outs


def test_maps_are_bit_identical(runs):
    with h5py.File(runs[0] / "maps.h5") as one, h5py.File(runs[1] / "maps.h5") as two:
        assert set(one) == set(two)
        for name in one:
            assert one[name][:].tobytes() == two[name][:].tobytes(), name
        assert one["temperature_c"].shape[0] == 9
        assert float(one["temperature_c"][-1][one["valid"][-1]].max()) > 40.0  # it was heated


def test_verdicts_and_readings_are_the_same_but_for_the_clock(runs):
    verdicts, readings = (
        [
            [
                {key: cell for key, cell in row.items() if not key.endswith(TIMED)}
                for row in csv.DictReader((out / name).read_text().splitlines())
            ]
            for out in runs
        ]
        for name in ("verdicts.csv", "readings.csv")
    )
    assert len(verdicts[0]) == 9
    assert verdicts[0] == verdicts[1]
    assert readings[0] == readings[1]


def test_alerts_are_the_same_but_for_the_clock(runs):
    one, two = (
        [
            {key: value for key, value in json.loads(line).items() if key not in RUNS_OWN}
            for line in (out / "alerts.jsonl").read_text().splitlines()
        ]
        for out in runs
    )
    assert any(alert["state"] == "raised" for alert in one)  # it was heated beyond its limit
    assert one == two
